"""Status asks a real Slurm: what is queued, what runs, and what is gone."""

import subprocess
import sys
import time

import pytest

from graph import ROOT, TINY
from stepladder.status.queue import read_queue

COMMENT = "rule_policies_sft_wildcards_sft_0"


def submit(*options: str) -> str:
    """A small job of that comment in the project's folder; its number."""
    command = [
        "sbatch",
        "--parsable",
        f"--comment={COMMENT}",
        "--mem=50",
        "--ntasks=1",
        "--time=2",
        "--output=/dev/null",
    ]
    asked = subprocess.run(
        [*command, *options, "--wrap=sleep 60"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return asked.stdout.strip()


def state(results) -> list[str]:
    """The words of the line of policies/sft."""
    command = [sys.executable, "-m", "stepladder.status", "--configfile", *map(str, TINY), "--config"]
    said = subprocess.run([*command, f"results={results}"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    return next(line.split() for line in said.stdout.splitlines() if line.startswith("policies/sft "))


@pytest.mark.parametrize(("options", "expected"), [((), "running"), (("--begin=now+600",), "queued")])
def test_a_submitted_job_is_known_before_it_has_a_log(tmp_path, monkeypatch, options, expected):
    assert state(tmp_path)[2] == "waiting"
    number = submit(*options)
    try:
        for _ in range(60):
            found = state(tmp_path)
            if found[2] == expected:
                break
            time.sleep(1)
        assert found[2:4] == [expected, number]
        monkeypatch.chdir(tmp_path)
        assert number not in read_queue().by_number, "a job of another folder is not ours"
    finally:
        subprocess.run(["scancel", number], check=True, timeout=60)
