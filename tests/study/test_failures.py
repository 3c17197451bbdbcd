"""What a user sees of a failed job: the end of its log, why it failed, and the command that runs it by hand."""

import re
import shlex
import subprocess

import pytest
import yaml

from graph import ROOT, TINY, command


@pytest.fixture
def failed(tmp_path) -> tuple[str, list[str]]:
    """What Snakemake says when a checkpoint on disk is none, and the log of the job that found out."""
    (tmp_path / "models" / "broken").mkdir(parents=True)
    (tmp_path / "models" / "broken" / "config.json").write_text("{}")
    change = {
        "models_dir": str(tmp_path / "models"),
        "models": {"tiny": None, "mine": {"source": "local", "folder": "broken"}},
        "policies": {"base": {"model": "mine"}},
        "scale": {"override": {"models": None}},
    }
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(change))
    results = tmp_path / "results"
    target = results / "quickstart/models/mine/seed0/metrics.json"
    options = command(results, [*TINY, tmp_path / "broken.yaml"], (str(target),), {}, "local")
    done = subprocess.run(options, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode != 0
    log = results / "quickstart/logs/models/mine.seed0.job.log"
    return done.stdout + done.stderr, log.read_text().splitlines()


def without_temporary_names(line: str) -> str:
    return re.sub(r"\.\w{8}\.tmp", "", line)


def test_a_failed_job_tells_the_end_of_its_log_and_how_to_run_it_by_hand(failed):
    said, log = failed
    assert log[-1].startswith("stepladder: models/mine seed 0: ")
    after = said[said.index("models/mine seed 0 failed; the end of ") :].splitlines()
    assert f"    {log[-1]}" in after
    by_hand = after[after.index("run it by hand:") + 1].strip()
    again = subprocess.run(by_hand, shell=True, cwd="/", capture_output=True, text=True, timeout=300)
    assert again.returncode == 1
    assert without_temporary_names(again.stderr.splitlines()[-1]) == without_temporary_names(log[-1])
    assert "workflow/scripts/model.py" in shlex.split(by_hand)
