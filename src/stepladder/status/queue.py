"""What Slurm's queue holds of this user's jobs in this folder."""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 10
_FORMAT = "%A|%T|%Z|%k"  # job, state, working directory, comment
_ENDING = ("COMPLETING", "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED")
_STARTED = ("RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")


@dataclass(frozen=True)
class Queued:
    """A job that Slurm has accepted and not finished."""

    number: str
    started: bool
    comment: str


@dataclass(frozen=True)
class Queue:
    """Slurm's queue, by job number and by comment; the jobs of an array share one comment and have none here."""

    by_number: dict[str, Queued]
    by_comment: dict[str, Queued]


def read_queue() -> Queue | None:
    """The queue as it is now; None where there is no Slurm or it does not answer."""
    if shutil.which("squeue") is None:
        return None
    try:
        asked = subprocess.run(
            ["squeue", "--noheader", "--array", "--me", f"--format={_FORMAT}"],
            capture_output=True, text=True, check=True, timeout=_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_queue(asked.stdout.splitlines(), Path(os.getcwd()))


def parse_queue(lines: Iterable[str], folder: Path) -> Queue:
    """What squeue printed of jobs that were submitted in the folder."""
    jobs = []
    for line in lines:
        number, state, submitted, comment = line.split("|", 3)
        if Path(submitted) == folder and state not in _ENDING:
            jobs.append(Queued(number, state in _STARTED, comment))
    times = Counter(job.comment for job in jobs)
    return Queue({job.number: job for job in jobs}, {job.comment: job for job in jobs if times[job.comment] == 1})
