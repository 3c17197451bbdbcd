"""What a job's log says of one attempt: two lines when it begins, one when it ends. Written by jobs, read by status."""

import os
import re
import shlex
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stepladder.progress import Reading, parse_reading
from stepladder.study.resources import torchrun_on_one_node

# A job by hand must compute with as many threads as it did: sums depend on it.
_KEPT = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")
_BEGAN = re.compile(
    r"stepladder: (?P<job>.+) began (?P<time>\S+) on (?P<host>\S+), process (?P<pid>\d+)(?:, Slurm job (?P<slurm>\S+))?"
)
_BY_HAND = "stepladder: by hand: "
_ENDED = re.compile(r"stepladder: (?P<job>.+) (?P<outcome>done|failed) after (?P<seconds>[\d.]+) s")
# Launchers and libraries may say something before a job does.
_LINES_BEFORE = 200
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class Attempt:
    """One start of a job. ``began``: seconds since 1970; ``by_hand``: the shell command that runs it again."""

    job: str
    began: int
    host: str
    pid: int
    slurm_job: str | None
    by_hand: str


@dataclass(frozen=True)
class Log:
    """What a log says: whose attempt, how it ended (None: not yet, or killed), the last bar, the last lines."""

    attempt: Attempt | None
    outcome: str | None
    seconds: float | None
    reading: Reading | None
    tail: tuple[str, ...]
    written: float


def this_attempt(job: str, environment: Mapping[str, str] = os.environ) -> Attempt:
    """The attempt that this process is."""
    return Attempt(
        job=job,
        began=int(time.time()),
        host=socket.gethostname(),
        pid=os.getpid(),
        slurm_job=environment.get("SLURM_JOB_ID"),
        by_hand=command_by_hand(sys.executable, sys.argv, environment),
    )


def command_by_hand(python: str, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The shell command that does in a terminal what this process does, in its container and with all its ranks.

    For ranks on several nodes there is none: only Slurm can start them, so the words then say that.
    """
    if environment.get("GROUP_WORLD_SIZE", "1") != "1":
        return f"not on {environment['GROUP_WORLD_SIZE']} nodes: run the same snakemake command again"
    ranks = environment.get("LOCAL_WORLD_SIZE")
    start = torchrun_on_one_node(int(ranks), str(Path(python).parent / "torchrun")) if ranks else [python]
    kept = [f"{name}={environment[name]}" for name in _KEPT if name in environment]
    image = environment.get("APPTAINER_CONTAINER")
    inside = ["apptainer", "exec", "--nv", image] if image else []
    return f"cd {shlex.quote(os.getcwd())} && {shlex.join([*inside, 'env', *kept, *start, *arguments])}"


def job_of_command(by_hand: str) -> str | None:
    """The job, as canonical JSON, that a command by hand runs."""
    try:
        words = shlex.split(by_hand)
    except ValueError:
        return None
    return words[words.index("--job") + 1] if "--job" in words[:-1] else None


def first_lines(attempt: Attempt) -> list[str]:
    """What stands in a log when an attempt begins."""
    when = datetime.fromtimestamp(attempt.began, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    slurm = f", Slurm job {attempt.slurm_job}" if attempt.slurm_job else ""
    began = f"stepladder: {attempt.job} began {when} on {attempt.host}, process {attempt.pid}{slurm}"
    return [began, _BY_HAND + attempt.by_hand]


def last_line(job: str, outcome: str, seconds: float) -> str:
    """What stands in a log when an attempt ends, before the line of a fault; ``outcome``: done or failed."""
    return f"stepladder: {job} {outcome} after {seconds:.1f} s"


def read_log(path: Path) -> Log | None:
    """What a log says; None where there is none. Reads its beginning and its end only."""
    try:
        with path.open("rb") as file:
            attempt = _read_first_lines(file)
            start = file.tell() if attempt else 0
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - _TAIL_BYTES))
            tail = file.read().decode("utf-8", "replace").splitlines()
            written = os.fstat(file.fileno()).st_mtime
    except OSError:
        return None
    ended = next((found for line in reversed(tail) if (found := _ENDED.fullmatch(line))), None)
    return Log(
        attempt=attempt,
        outcome=ended["outcome"] if ended else None,
        seconds=float(ended["seconds"]) if ended else None,
        reading=next((found for line in reversed(tail) if (found := parse_reading(line))), None),
        tail=tuple(tail),
        written=written,
    )


def _read_first_lines(file) -> Attempt | None:
    for _, raw in zip(range(_LINES_BEFORE), file, strict=False):
        found = _BEGAN.fullmatch(raw.decode("utf-8", "replace").rstrip("\n"))
        if found:
            began = datetime.strptime(found["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            by_hand = file.readline().decode("utf-8", "replace").rstrip("\n").removeprefix(_BY_HAND)
            return Attempt(
                job=found["job"],
                began=int(began.timestamp()),
                host=found["host"],
                pid=int(found["pid"]),
                slurm_job=found["slurm"],
                by_hand=by_hand,
            )
    return None
