"""Copies of a finished run to be disturbed, runs that may fail, and what must hold of them afterwards."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import warm
from graph import ROOT, SECONDS, TINY, command, same_tables

STUDY = "quickstart"
# Nothing is finished in these: logs are of the last attempt, and the tracking database belongs to one rule.
_PASSING = {"logs", "mlartifacts", "mlflow.db", "mlflow.db.lock", ".lock"}
# What every log says beside a fault.
_OF_AN_ATTEMPT = re.compile(r"stepladder: (by hand: |.+ began \S+ on |.+ (done|failed) after [\d.]+ s$)")


def copy_of(finished: Path, folder: Path) -> Path:
    """A results folder that Snakemake finds as complete as the one that it is a copy of, without its tracking."""
    own = shutil.ignore_patterns("mlflow.db*", "mlartifacts", "tracking.json")
    return Path(shutil.copytree(finished, folder / "results", copy_function=shutil.copy2, ignore=own))


def attempt(
    results: Path, *options: str, cwd: Path = ROOT, lock: bool = False, files: list[Path] = TINY
) -> subprocess.CompletedProcess[str]:
    """A run that may fail. ``lock``: with Snakemake's own lock in ``cwd``, as without make."""
    line = line_of(results, files, *options, lock=lock)
    return subprocess.run(line, **surroundings(cwd, warm.environment()), timeout=SECONDS)


def start(
    results: Path, *options: str, cwd: Path = ROOT, lock: bool = False, cold: bool = False
) -> subprocess.Popen[str]:
    """A run in a process group of its own, its jobs in it. ``cold``: they load their libraries, as a user's do."""
    line = line_of(results, TINY, *options, lock=lock)
    environment = warm.ENVIRONMENT if cold else warm.environment()
    return subprocess.Popen(line, **surroundings(cwd, environment), start_new_session=True)


def kill(process: subprocess.Popen[str]) -> None:
    """Kills every process of a run at once; a job that is a copy of the warm process is killed as its client is."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)


def waits_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Returns as soon as a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def line_of(results: Path, files: list[Path], *options: str, lock: bool) -> list[str]:
    """The command line of a run into a results folder."""
    line = command(results, files, options, {}, "local")
    return [word for word in line if word != "--nolock"] if lock else line


def surroundings(cwd: Path, environment: dict[str, str]) -> dict:
    """How its process is started."""
    environment = {**os.environ, **environment}
    return {"cwd": cwd, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def ends(results: Path, finished: Path, *options: str, cwd: Path = ROOT) -> str:
    """Runs to the tables, which must be those of the undisturbed run, with nothing half-done beside; what was said."""
    done = attempt(results, *(options or ("tables",)), cwd=cwd)
    assert done.returncode == 0, done.stdout[-6000:]
    same_tables(results, finished)
    nothing_left(results)
    return done.stdout


def nothing_left(results: Path) -> None:
    """Fails when a temporary file, a shard or unfinished work is still there."""
    checkpoints = results / STUDY / "checkpoints"
    assert not list(results.rglob("*.tmp"))
    assert not list(results.rglob("shards/*"))
    assert not checkpoints.exists() or not list(checkpoints.iterdir())


def the_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line with which a run failed."""
    assert done.returncode != 0, done.stdout[-3000:]
    assert "Traceback" not in done.stdout, done.stdout[-6000:]
    said = {line.strip() for line in done.stdout.splitlines() if line.strip().startswith("stepladder: ")}
    faults = [line for line in said if not _OF_AN_ATTEMPT.match(line)]
    assert len(faults) == 1, (faults, done.stdout[-3000:])
    return faults[0]


def follow(line: str) -> Path:
    """Deletes what a line says is to be deleted, and says what that was."""
    found = re.search(r": (/[^:]+): .*delete (it|/\S+) and run again", line)
    assert found, line
    path = Path(found[1] if found[2] == "it" else found[2])
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return path


def state(results: Path) -> dict[str, tuple[int, str]]:
    """Time and digest of every file of a finished result, by its place in the folder."""
    found = {}
    for path in results.rglob("*"):
        place = path.relative_to(results)
        if path.is_file() and not _PASSING & set(place.parts):
            found[str(place)] = (path.stat().st_mtime_ns, hashlib.blake2b(path.read_bytes()).hexdigest())
    return found


def untouched(before: dict, after: dict, *but: str) -> None:
    """Fails when a file changed or went that lies outside of some nodes."""
    kept = {place: seen for place, seen in before.items() if not any(f"/{node}/" in f"/{place}" for node in but)}
    assert kept
    changed = {place: (seen, after.get(place)) for place, seen in kept.items() if after.get(place) != seen}
    assert not changed, changed
