"""What clusters do to jobs. Every time the same command goes on by itself and ends with the undisturbed result.

The job is the SFT of the quickstart, its inputs copied from an undisturbed run. All interruptions happen at the same
time, each to a run of its own, since most of that time is spent waiting for Slurm. Last comes one of a sampling.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from jobs import GPU, Process, Run, copy_nodes, started, wait_for

from graph import ROOT

SFT = Path("quickstart/policies/sft/seed0")
SAMPLES = Path("quickstart/trajectories/samples/seed0")
RESULT = ["checkpoint/model.safetensors", "history.jsonl"]


def tell_slurm(*words: str) -> None:
    """Runs a command of Slurm's."""
    subprocess.run(words, check=True, timeout=60, stdout=subprocess.DEVNULL)


def cancel(run: Run) -> None:
    """A user or an administrator cancels the job."""
    tell_slurm("scancel", "--signal=KILL", run.at_work("sft.py").job)


def preempt(run: Run) -> None:
    """A job of a partition that goes first wants the whole node."""
    run.at_work("sft.py")
    tell_slurm("sbatch", "--partition=gpu", "--nodelist=node3", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")


def requeue(run: Run) -> None:
    """An administrator puts the job back into the queue."""
    tell_slurm("scontrol", "requeue", run.at_work("sft.py").job)


def hang(run: Run) -> None:
    """The job does nothing until Slurm ends it at its time limit, as when a file system does not answer."""
    os.kill(run.at_work("sft.py").pid, signal.SIGSTOP)


def linger(run: Run) -> None:
    """The job stands still in the middle of training until its time for work is over."""
    log = run.results / "quickstart/logs/policies/sft.seed0.job.log"
    job = run.at_work("sft.py")
    wait_for("a first step", lambda: log.exists() and "/120 steps" in log.read_text())
    os.kill(job.pid, signal.SIGSTOP)
    seconds = int(max_seconds(job)) + int(job.environment["STEPLADDER_STARTED"]) - time.time()
    time.sleep(max(0.0, seconds + 1))
    os.kill(job.pid, signal.SIGCONT)


def max_seconds(job: Process) -> str:
    """The time budget on a job's command line."""
    words = Path(f"/proc/{job.pid}/cmdline").read_text().split("\0")
    return words[words.index("--max-seconds") + 1]


def lose_the_node(run: Run) -> None:
    """The node that the job runs on loses power, and comes back when the job is somewhere else."""
    job = run.at_work("sft.py")
    node = job.environment["SLURMD_NODENAME"]
    tell_slurm(str(ROOT / "tests/slurm/cluster.sh"), "node-down", node)
    try:
        run.at_work("sft.py")
    finally:
        tell_slurm(str(ROOT / "tests/slurm/cluster.sh"), "node-up", node)


def lose_snakemake(run: Run) -> None:
    """The machine that Snakemake runs on goes down; the same command is given again while the old job still works."""
    run.at_work("sft.py")
    run.kill()
    run.start()


def wait(run: Run) -> None:
    """Nothing is done to the job."""


# What is done, the resources of the first attempt, the partition, and the nodes that may be taken, so that none meets
# another's job. Those that wait longest come first.
INTERRUPTIONS: dict[str, tuple[Callable[[Run], None], dict[str, int], str, str]] = {
    "node lost": (lose_the_node, {}, "gpu", "node2|node1"),
    "hanging": (hang, {"runtime": 1}, "gpu", "node1"),
    "out of time": (linger, {"runtime": 1}, "gpu", "node1"),
    "snakemake lost": (lose_snakemake, {}, "gpu", "node1"),
    "preempted": (preempt, {}, "idle", "node3"),
    "requeued": (requeue, {}, "gpu", "node1"),
    "cancelled": (cancel, {}, "gpu", "node1"),
    "out of memory": (wait, {"mem_mb": 500}, "gpu", "node1"),
}


@pytest.fixture(scope="module")
def interrupted(finished, tmp_path_factory) -> dict[str, Future]:
    """For every interruption, a run to be had when it has ended."""

    def undergo(name: str) -> Run:
        interrupt, first, partition, nodes = INTERRUPTIONS[name]
        folder = tmp_path_factory.mktemp("interrupted")
        copy_nodes(finished, folder / "results", "questions", "models", "policies/base")
        file = folder / "first.yaml"
        file.write_text(yaml.safe_dump({"scale": {"resources": {"train": first}}}))
        defaults = [f"slurm_partition={partition}", "slurm_account=default", "tasks_per_gpu=0", f"constraint={nodes}"]
        target = folder / "results" / SFT / "metrics.json"
        with started(folder, [*GPU, file], str(target), "--default-resources", *defaults) as run:
            interrupt(run)
            run.finish()
        return run

    with ThreadPoolExecutor(4) as pool:
        yield {name: pool.submit(undergo, name) for name in INTERRUPTIONS}


def starts_of(run: Run) -> tuple[str, dict[str, str], dict[str, str]]:
    """How the first start of the job ended, its account, and that of the last one, which made the result."""
    starts = run.all_starts()
    assert len(starts) > 1
    return starts[0]["State"].split(" ")[0], starts[0], starts[-1]


@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_result_is_that_of_an_undisturbed_run(interrupted, finished, name):
    run = interrupted[name].result()
    for file in RESULT:
        assert (run.results / SFT / file).read_bytes() == (finished / SFT / file).read_bytes(), file


def test_a_cancelled_job_is_submitted_again(interrupted):
    state, first, second = starts_of(interrupted["cancelled"].result())
    assert state == "CANCELLED"
    assert first["JobIDRaw"] != second["JobIDRaw"]


@pytest.mark.parametrize(("name", "expected"), [("preempted", "PREEMPTED"), ("requeued", "REQUEUED")])
def test_a_job_put_back_into_the_queue_runs_again_under_its_number(interrupted, name, expected):
    state, first, second = starts_of(interrupted[name].result())
    assert state == expected
    assert first["JobIDRaw"] == second["JobIDRaw"]


def test_a_job_at_its_time_limit_gets_more_time(interrupted):
    state, first, second = starts_of(interrupted["hanging"].result())
    assert state == "TIMEOUT"
    assert (first["TimelimitRaw"], second["TimelimitRaw"]) == ("1", "2")


def test_a_job_out_of_time_for_work_stops_by_itself_with_one_line_and_goes_on_from_its_checkpoint(interrupted):
    run = interrupted["out of time"].result()
    state, first, second = starts_of(run)
    assert state == "FAILED"
    assert (first["TimelimitRaw"], second["TimelimitRaw"]) == ("1", "2")
    said = run.log_of(first["JobIDRaw"])
    assert said.count("stepladder: policies/sft seed 0: time budget of 30 s spent at step") == 1
    assert "Traceback" not in said


def test_a_job_over_its_memory_is_killed_and_gets_more(interrupted):
    run = interrupted["out of memory"].result()
    state, first, second = starts_of(run)
    assert state in ("FAILED", "OUT_OF_MEMORY")
    assert "mem=500M" in first["AllocTRES"] and "mem=1000M" in second["AllocTRES"]
    assert "exceeded memory limit" in run.log_of(first["JobIDRaw"])


def test_a_job_whose_node_is_lost_runs_on_another_under_its_number(interrupted):
    state, first, second = starts_of(interrupted["node lost"].result())
    assert state == "NODE_FAIL"
    assert first["JobIDRaw"] == second["JobIDRaw"]
    assert (first["NodeList"], second["NodeList"]) == ("node2", "node1")


def test_a_sampling_that_is_cancelled_goes_on_after_its_last_whole_chunk(finished, tmp_path):
    copy_nodes(finished, tmp_path / "results", "questions", "models", "policies/base", "policies/sft")
    file = tmp_path / "one_shard.yaml"
    file.write_text(yaml.safe_dump({"scale": {"shards": 1}}))  # which then has all three chunks
    first_chunk = "quickstart/checkpoints/trajectories-samples-*/sampled/chunk-0.parquet"
    with started(tmp_path, [*GPU, file], str(tmp_path / "results" / SAMPLES / "metrics.json")) as run:
        job = run.at_work("sample.py")
        wait_for("a first chunk", lambda: list(run.results.glob(first_chunk)))
        os.kill(job.pid, signal.SIGSTOP)  # it must not be faster than Slurm
        tell_slurm("scancel", "--signal=KILL", job.job)
        run.finish()
    log = (run.results / "quickstart/logs/trajectories/samples.seed0.1-of-1.log").read_text()  # of the last attempt
    assert "chunk 1/3" not in log and "chunk 3/3" in log
    made, expected = (each / SAMPLES / "trajectories.parquet" for each in (run.results, finished))
    assert made.read_bytes() == expected.read_bytes()
