"""Entry points: their arguments, metrics.json, what their logs say of an attempt, and one line for a fault."""

import json
import os
import re
import subprocess
import sys

import pytest

import tiny
from stepladder.job import parse_job
from stepladder.records import Counts, read_json
from stepladder.study.canonical import canonical_json, derive_seed

REWARDS = {"scores": "s", "accumulate": "min"}


def test_a_command_line_becomes_a_job(tmp_path):
    node = {"study": "a", "stage": "rewards", "name": "n", "step_style": "numbered", "spec": REWARDS}
    job = parse_job(
        ["--job", canonical_json(node), "--seed", "3", "--input", "x", "a", "b", "--input", "y", "c",
         "--output", str(tmp_path), "--max-seconds", "90", "--shard", "2-of-5", "--engine", '{"batch_sequences":7}']
    )  # fmt: skip
    assert (job.study, job.node, job.seed, job.step_style, job.max_seconds) == ("a", "rewards/n", 3, "numbered", 90)
    assert job.spec.accumulate == "min" and job.spec.shape.kind == "weibull"
    assert [path.name for path in job.inputs["x"]] == ["a", "b"] and job.path("y").name == "c"
    assert job.shard == (2, 5) and job.engine == {"batch_sequences": 7}
    assert job.shard_file("parquet") == tmp_path / "shards" / "2-of-5.parquet"
    assert job.checkpoint.is_relative_to(tmp_path)


def test_seeds_belong_to_the_node_and_the_seed(tmp_path):
    first, second = (tiny.job(tmp_path, "rewards", REWARDS, seed=seed) for seed in (0, 1))
    assert first.derive_seed("x", 2) == derive_seed("tests", "rewards/node", 0, "x", 2)
    assert len({first.derive_seed("x"), first.derive_seed("y"), second.derive_seed("x"), second.derive_seed("y")}) == 4


def test_metrics_hold_what_is_needed_to_judge_and_repeat(tmp_path, root):
    job = tiny.job(tmp_path, "rewards", REWARDS, seed=4)
    counts = Counts(5)
    counts.drop("bad", 2)
    counts.rows_out = 3
    job.write_metrics({"accuracy": 0.5}, counts)
    written = read_json(tmp_path / "metrics.json")
    assert written["metrics"] == {"accuracy": 0.5}
    assert written["job"] == job.data and written["job"]["spec"] == REWARDS
    assert written["seed"] == 4
    assert written["counts"] == {"rows_in": 5, "rows_out": 3, "dropped": {"bad": 2}}
    assert {"python", "torch", "transformers", "pyarrow"} <= set(written["versions"])
    assert 0 <= written["wall_seconds"] < 600
    assert written["device"] and written["host"] and written["slurm_job"] == os.environ.get("SLURM_JOB_ID")
    assert written["gpus"] >= 0 and written["attempts"] == 1
    assert 10 < written["max_memory_mb"] < 10**6
    if (root / ".git").exists():
        assert re.fullmatch(r"[0-9a-f]{40}\+?", written["git"])
    else:
        assert written["git"] is None


ENTRY = """
import sys, time
from stepladder.errors import StepladderError
from stepladder.job import run
from stepladder.records import Counts
def main(job):
    if job.seed == 1:
        raise StepladderError("the bench is broken; mend it")
    if job.seed == 2:
        raise StepladderError("first fault\\nsecond fault")
    if job.seed == 3:
        raise ZeroDivisionError
    if job.seed == 4 and not job.checkpoint.exists():
        job.checkpoint.mkdir(parents=True)
        time.sleep(0.5)
        raise StepladderError("time budget spent; run again")
    job.write_metrics({}, Counts())
run(main)
"""
NODE = {"study": "a", "stage": "rewards", "name": "n", "step_style": "line", "spec": REWARDS}


def start(folder, seed: int, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    (folder / "entry.py").write_text(ENTRY)
    command = [sys.executable, "entry.py", "--job", canonical_json(NODE), "--seed", str(seed), "--output", "it's out",
               "--checkpoint", "kept"]  # fmt: skip
    return subprocess.run(
        command, cwd=folder, env=os.environ | (environment or {}), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("seed", "code", "ended", "said"),
    [
        (0, 0, "done", []),
        (1, 1, "failed", ["stepladder: rewards/n seed 1: the bench is broken; mend it"]),
        (2, 1, "failed", ["stepladder: rewards/n seed 2: first fault", "stepladder: rewards/n seed 2: second fault"]),
    ],
)
def test_a_log_tells_the_attempt_and_last_the_fault(tmp_path, seed, code, ended, said):
    done = start(tmp_path, seed)
    began, by_hand, end, *rest = done.stderr.splitlines()
    assert done.returncode == code and done.stdout == ""
    assert re.fullmatch(rf"stepladder: rewards/n seed {seed} began \S+Z on \S+, process \d+", began)
    assert by_hand.startswith("stepladder: by hand: cd ")
    assert re.fullmatch(rf"stepladder: rewards/n seed {seed} {ended} after \d+\.\d s", end)
    assert rest == said


def test_the_command_by_hand_does_the_same_from_anywhere(tmp_path):
    done = start(tmp_path, 0, {"OMP_NUM_THREADS": "1"})
    command = done.stderr.splitlines()[1].removeprefix("stepladder: by hand: ")
    first = read_json(tmp_path / "it's out" / "metrics.json")
    (tmp_path / "it's out" / "metrics.json").unlink()
    again = subprocess.run(command, shell=True, cwd="/", capture_output=True, text=True, timeout=60)
    assert again.returncode == 0, again.stderr
    assert read_json(tmp_path / "it's out" / "metrics.json")["job"] == first["job"]
    assert again.stderr.splitlines()[1].endswith(command)


def test_only_the_first_rank_tells_of_the_attempt(tmp_path):
    first = start(tmp_path, 1, {"RANK": "0", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2"}).stderr.splitlines()
    second = start(tmp_path, 1, {"RANK": "1", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2"}).stderr.splitlines()
    assert re.search(r"torchrun --nnodes=1 --nproc-per-node=2 .* entry\.py", first[1])
    assert second == ["stepladder: rewards/n seed 1: the bench is broken; mend it"] == first[3:]


def test_the_job_of_slurm_is_in_the_log_and_in_the_metrics(tmp_path):
    done = start(tmp_path, 0, {"SLURM_JOB_ID": "77"})
    assert done.stderr.splitlines()[0].endswith(", Slurm job 77")
    assert read_json(tmp_path / "it's out" / "metrics.json")["slurm_job"] == "77"


def test_time_spent_before_a_resume_is_added_up(tmp_path):
    assert start(tmp_path, 4).returncode == 1
    spent = json.loads((tmp_path / "kept" / "spent-1-of-1.json").read_text())
    assert spent["attempts"] == 1 and spent["seconds"] >= 0.5
    assert start(tmp_path, 4).returncode == 0
    metrics = read_json(tmp_path / "it's out" / "metrics.json")
    assert metrics["attempts"] == 2 and metrics["wall_seconds"] > spent["seconds"]
    assert not list((tmp_path / "kept").iterdir())


@pytest.mark.parametrize("content", ["", "{", "[]", '{"other": 1}'])
def test_a_broken_record_of_time_stops_nothing(tmp_path, content):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "spent-1-of-1.json").write_text(content)
    assert start(tmp_path, 0).returncode == 0
    assert read_json(tmp_path / "it's out" / "metrics.json")["attempts"] == 1


def test_a_programming_error_keeps_its_traceback(tmp_path):
    done = start(tmp_path, 3)
    assert done.returncode == 1 and "Traceback" in done.stderr and "ZeroDivisionError" in done.stderr
    assert "stepladder: rewards/n seed 3 failed after" in done.stderr
