"""The tests of this folder need a Slurm cluster: .ci/run brings one up, and so does tests/slurm/cluster.sh up."""

import subprocess

import pytest


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """Skips where no Slurm controller answers."""
    try:
        nodes = subprocess.run(["sinfo", "--noheader", "--Node"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        nodes = ""
    if not nodes.strip():
        pytest.skip("no Slurm cluster answers; as root, tests/slurm/cluster.sh up starts one")
