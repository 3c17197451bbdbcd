"""Where every job of a study stands: done by its result, else what Slurm's queue and its log say."""

import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stepladder.attempts import Attempt, Log, job_of_command, read_log
from stepladder.progress import Reading
from stepladder.status.queue import Queue
from stepladder.status.tasks import WHOLE, Task, tasks_of
from stepladder.study.canonical import canonical_json
from stepladder.study.graph import Study

State = Literal["waiting", "queued", "running", "done", "stale", "failed"]
STATES: tuple[State, ...] = ("done", "stale", "running", "queued", "waiting", "failed")


@dataclass(frozen=True)
class Standing:
    """Where a job stands.

    ``slurm_job``: its number in Slurm. ``elapsed``: seconds. ``log``: of its last attempt, where that says something.
    """

    task: Task
    state: State
    slurm_job: str | None = None
    elapsed: float | None = None
    reading: Reading | None = None
    note: str = ""
    log: Log | None = None


def survey(study: Study, ask: Callable[[], Queue | None]) -> list[Standing]:
    """Where every job stands, in the order of the study's nodes; the shards of a finished node are left out.

    Args:
        ask: for Slurm's queue; it is asked once, and only when something has no result.
    """
    nodes = {job: _judged(study, *job) for job in study.jobs()}
    queue = ask() if any(None in node.values() for node in nodes.values()) else None
    # Of these, and of all that they are made from, every result is there and of the study as it is now.
    current: set[tuple[str, str, int]] = set()
    found: dict[tuple[str, str, int], list[Standing]] = {}
    for key, node in nodes.items():
        stands_on_current = all(above in current for above in study.jobs_above(*key))
        if stands_on_current and all(standing is not None and standing.state == "done" for standing in node.values()):
            current.add(key)
        found[key] = []
        for task, standing in node.items():
            if standing is None:
                standing = unfinished(task, study.job(*key[:2]), read_log(task.log), queue)
            elif standing.state == "done" and not stands_on_current:
                standing = replace(standing, state="stale", note="what it is made from is not done")
            found[key].append(standing)
    as_written = ((stage, name, seed) for stage, name in study.nodes for seed in study.seeds(stage))
    return [standing for key in as_written for standing in found[key]]


def _judged(study: Study, stage: str, name: str, seed: int) -> dict[Task, Standing | None]:
    """A node's jobs by what their results say; None for a job that has none."""
    job = study.job(stage, name)
    judged = {task: finished(task, job) for task in tasks_of(study, stage, name, seed)}
    whole = next(standing for task, standing in judged.items() if task.part == WHOLE)
    if whole is None:
        return judged
    return {task: standing for task, standing in judged.items() if not task.shard}


def finished(task: Task, job: str) -> Standing | None:
    """Where a job stands by its result: done, or stale when it was made from another spec; None without a result.

    Args:
        job: canonical JSON of the node in the study as it is now.
    """
    try:
        content = json.loads(task.result.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return Standing(task, "stale", note=f"{task.result.name} cannot be read")
    if not isinstance(content, dict) or canonical_json(content.get("job")) != job:
        return Standing(task, "stale", note="made from another spec")
    return Standing(task, "done", content.get("slurm_job"), content.get("wall_seconds"))


def unfinished(task: Task, job: str, log: Log | None, queue: Queue | None) -> Standing:
    """Where a job without a result stands.

    A log tells of the job's last attempt. It says nothing of this one when Slurm has since been given another job for
    the task, or when the attempt was made with another spec.

    Args:
        job: canonical JSON of the node in the study as it is now.
    """
    attempt = log.attempt if log else None
    submitted = queue.by_comment.get(task.comment) if queue else None
    if submitted is None and queue and attempt and attempt.slurm_job:
        submitted = queue.by_number.get(attempt.slurm_job)
    if submitted and not submitted.started:
        return Standing(task, "queued", submitted.number)
    if submitted and (attempt is None or attempt.slurm_job != submitted.number):
        return Standing(task, "running", submitted.number, note="starting")
    if log is None:
        return Standing(task, "waiting")
    if attempt is None:
        if is_open(task.log):
            return Standing(task, "running", note="starting")
        return Standing(task, "failed", note="ended before it began", log=log)
    if log.outcome == "done" or job_of_command(attempt.by_hand) != job:
        return Standing(task, "waiting")
    if log.outcome == "failed":
        return Standing(task, "failed", attempt.slurm_job, log.seconds, log.reading, log=log)
    alive = is_alive(attempt, queue)
    if alive is False:
        lived = max(0.0, log.written - attempt.began)
        return Standing(task, "failed", attempt.slurm_job, lived, log.reading, "killed", log)
    note = "" if alive else f"on {attempt.host}, which cannot be asked from here"
    return Standing(task, "running", attempt.slurm_job, max(0.0, time.time() - attempt.began), log.reading, note, log)


def is_alive(attempt: Attempt, queue: Queue | None) -> bool | None:
    """Whether an attempt still runs; None where neither Slurm nor this machine can tell."""
    if attempt.slurm_job and queue:
        return attempt.slurm_job in queue.by_number
    if attempt.host != socket.gethostname():
        return None
    # Numbers of processes are used again: it must be this job's.
    return job_of_command(attempt.by_hand) in _arguments(attempt.pid)


def is_open(log: Path) -> bool:
    """Whether a process of this machine has been told to write the log."""
    return any(str(log) in _arguments(pid) for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))))


def _arguments(pid: int) -> list[str]:
    """The command line of a process; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return []
