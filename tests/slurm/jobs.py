"""One run of Snakemake on the test cluster: started, watched while it runs, and its jobs as Slurm accounts for them."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from graph import ROOT, TINY, command

GPU = [*TINY, Path(__file__).with_name("gpu.yaml")]
# Three jobs at a time, since the machine has two cores; how soon Snakemake looks again, since jobs last seconds.
SOON = ("--jobs", "3", "--latency-wait", "20", "--slurm-init-seconds-before-status-checks", "4")
SECONDS = 2400

_FIELDS = ["JobIDRaw", "State", "Comment", "AllocTRES", "TimelimitRaw", "Partition", "NodeList"]
Found = TypeVar("Found")


def wait_for(what: str, look: Callable[[], Found | None], seconds: float = 120) -> Found:
    """What ``look`` finds, as soon as it finds something."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


@dataclass(frozen=True)
class Process:
    """A process of a job on one of the nodes, which are all this machine."""

    pid: int
    environment: dict[str, str]

    @property
    def job(self) -> str:
        """Slurm's number of the job."""
        return self.environment["SLURM_JOB_ID"]

    @property
    def devices(self) -> list[str]:
        """The GPUs that the process may see, with the node they are on."""
        visible = self.environment.get("CUDA_VISIBLE_DEVICES", "")
        return [f"{self.environment['SLURMD_NODENAME']}:{device}" for device in visible.split(",") if device]


@dataclass
class Run:
    """A run of Snakemake and the file of what it says."""

    command: list[str]
    output: Path
    results: Path

    def __post_init__(self):
        self.start()

    def start(self) -> None:
        """Starts Snakemake; what it says replaces what an earlier start said."""
        with self.output.open("w") as said:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """Kills Snakemake; its jobs go on."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def said(self) -> str:
        """All that Snakemake said so far."""
        return self.output.read_text()

    def finish(self) -> str:
        """Waits for the end, which must be a good one, and returns what Snakemake said."""
        assert self.process.wait(SECONDS) == 0, self.said()[-6000:]
        return self.said()

    def working(self, script: str = "") -> list[Process]:
        """The processes in which entry points are at work in this run's jobs; of one script where it is named."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                is_entry = len(words) > 1 and words[1].startswith(f"workflow/scripts/{script}")
                if is_entry and any(word.startswith(str(self.results)) for word in words):
                    pairs = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
                    environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
                    if "SLURM_JOB_ID" in environment:  # rules that Snakemake runs itself are no jobs
                        found.append(Process(int(folder.name), environment))
        return found

    def at_work(self, script: str) -> Process:
        """The one process of an entry point, as soon as it is there."""
        return wait_for(f"{script} at work", lambda: self.working(script))[0]

    def starts(self) -> list[dict[str, str]]:
        """Every start of every job of this run, in order; a job that was requeued has several."""
        name = re.search(r"SLURM run ID: (\S+)", self.said())
        if name is None:
            return []
        query = ["sacct", "--duplicates", "--allocations", "--parsable2", "--noheader", "--starttime", "now-1days"]
        query += ["--name", name[1], "--format", ",".join(_FIELDS)]
        lines = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
        return [dict(zip(_FIELDS, line.split("|"), strict=True)) for line in lines]

    def all_starts(self) -> list[dict[str, str]]:
        """The starts, as soon as accounting knows that the last of them ended well."""

        def look() -> list[dict[str, str]] | None:
            starts = self.starts()
            return starts if starts and starts[-1]["State"] == "COMPLETED" else None

        return wait_for("accounting to know how the last start ended", look, 30)

    def log_of(self, job: str) -> str:
        """What Slurm's own log of a job holds; kept for jobs that failed."""
        path = re.search(rf"SLURM jobid {job} \(log: (\S+)\)", self.said())
        assert path, self.said()
        return Path(path[1]).read_text()


def copy_nodes(finished: Path, results: Path, *nodes: str) -> None:
    """Copies what some nodes of the quickstart left, with its times."""
    for node in nodes:
        shutil.copytree(finished / "quickstart" / node, results / "quickstart" / node)


@contextmanager
def started(folder: Path, files: list[Path], *options: str) -> Iterator[Run]:
    """A run on the cluster into ``folder/results``, which ends with the block: Snakemake first, then its jobs."""
    results = folder / "results"
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(command(results, files, (*options, *SOON), {}, "slurm"), folder / "snakemake.log", results)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.kill()
            subprocess.run(["scancel", *{start["JobIDRaw"] for start in run.starts()}], timeout=60)
