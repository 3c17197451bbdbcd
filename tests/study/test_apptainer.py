"""What a job is given under --sdm apptainer; a script that runs the command as it is takes the container's place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graph import ROOT, TINY, command

STAND_IN = """#!/bin/bash
[ "$1" = --version ] && {{ echo "apptainer version 1.3.4"; exit 0; }}
printf '%s\\n' "$@" >> "{told}"
export PATH={inside}:/usr/bin:/bin PYTHONPATH=src APPTAINER_CONTAINER=/images/stepladder.sif
exec bash -c "${{@: -1}}"
"""


@pytest.fixture
def run_in_container(tmp_path):
    """Runs the job of one node with the stand-in; returns what it was told, and the job's log."""
    told, stand_in = tmp_path / "told", tmp_path / "bin" / "apptainer"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN.format(told=told, inside=Path(sys.executable).parent))
    stand_in.chmod(0o755)
    results = tmp_path / "results"
    options = ("--sdm", "apptainer", "--apptainer-args=--nv", f"{results}/quickstart/questions/six/metrics.json")
    environment = os.environ | {"PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command(results, TINY, options, {}, "local"), cwd=ROOT, env=environment, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return told.read_text(), (results / "quickstart/logs/questions/six.job.log").read_text()


def test_a_job_runs_in_the_image_with_its_own_path_and_tells_how_to_do_so_by_hand(run_in_container):
    told, log = run_in_container
    assert "containers/stepladder.sif" in told.splitlines() and "--nv" in told.splitlines()
    assert "export PATH=''" in told, "the host's programs must not come before the image's"
    assert "apptainer exec --nv /images/stepladder.sif env" in log
