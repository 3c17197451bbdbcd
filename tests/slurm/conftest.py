"""The tests of this folder need a Slurm cluster of their own: they cancel jobs, preempt them and take nodes down."""

import re
import subprocess

import pytest

from skips import skip


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """Skips where the cluster that tests/slurm/cluster.sh starts does not answer; another cluster is left alone."""
    try:
        said = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    if not re.search(r"^ClusterName\s*= stepladder$", said, re.MULTILINE):
        skip("the test cluster does not answer; as root, tests/slurm/cluster.sh up starts it (.ci/run does)")
