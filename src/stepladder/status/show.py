"""What a person reads: one line a job, how many stand where, and the end of every failed job's log."""

from collections import Counter
from collections.abc import Iterable, Sequence

from stepladder.progress import Reading, format_clock, format_rate
from stepladder.status.queue import read_queue
from stepladder.status.standing import STATES, Standing, survey
from stepladder.study.graph import Study

TAIL_LINES = 20
_HEADER = ("job", "seed", "state", "slurm", "elapsed", "progress", "rate", "ETA", "note", "log")
_NO_LOG = ("waiting", "queued")


def show_standings(name: str, standings: Sequence[Standing]) -> str:
    """The whole survey: a line a job under a header, columns that say nothing left out; counts; failures."""
    rows = [_HEADER, *(_words(standing) for standing in standings)]
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(words, widths, strict=True)).rstrip()
        for words in zip(*columns, strict=True)
    ]
    return "\n".join([*lines, "", f"{name}: {_counts(standings)}", *show_failures(standings)])


def failures(study: Study) -> str:
    """What failed in a study, as it stands now."""
    return "\n".join(show_failures(survey(study, read_queue)))


def show_failures(standings: Iterable[Standing]) -> list[str]:
    """For every failed job the last lines of its log, and the command that runs it by hand."""
    lines = []
    for standing in standings:
        if standing.state == "failed" and standing.log is not None:
            task, tail = standing.task, standing.log.tail[-TAIL_LINES:]
            seed = f" seed {task.seed_shown}" if task.seed_shown else ""
            why = f" ({standing.note})" if standing.note else ""
            lines += ["", f"{task.title}{seed} failed{why}; the end of {task.log}:", *(f"    {line}" for line in tail)]
            if standing.log.attempt is not None:
                lines += ["run it by hand:", f"    {standing.log.attempt.by_hand}"]
    return lines


def seconds_left(reading: Reading) -> float | None:
    """Seconds until the job's last chunk is done, where its bar is that of one chunk; else until the bar is full."""
    if reading.left is None or reading.rate == 0:
        return reading.left
    chunk, chunks = reading.chunk
    return reading.left + (chunks - chunk) * reading.total / reading.rate


def _counts(standings: Iterable[Standing]) -> str:
    times = Counter(standing.state for standing in standings)
    return ", ".join(f"{times[state]} {state}" for state in STATES if times[state])


def _words(standing: Standing) -> tuple[str, ...]:
    task, reading = standing.task, standing.reading
    left = seconds_left(reading) if reading and standing.state == "running" else None
    return (
        task.title,
        task.seed_shown,
        standing.state,
        standing.slurm_job or "",
        "" if standing.elapsed is None else format_clock(standing.elapsed),
        _progress(reading) if reading else "",
        f"{format_rate(reading.rate)} {reading.unit}/s" if reading else "",
        "" if left is None else format_clock(left),
        ", ".join(filter(None, [standing.note, reading.note if reading else ""])),
        "" if standing.state in _NO_LOG else str(task.log),
    )


def _progress(reading: Reading) -> str:
    chunk, chunks = reading.chunk
    which = f"chunk {chunk}/{chunks}: " if chunks > 1 else ""
    return f"{which}{reading.done}/{reading.total} {reading.unit}"
