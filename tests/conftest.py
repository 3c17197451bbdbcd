"""Fixtures shared by every room's tests."""

import os
from pathlib import Path

import pytest
from filelock import FileLock
from xdist.scheduler import LoadScopeScheduling

from graph import TINY, run
from skips import skip

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Workers share the process that jobs of whole graphs are copied from; it ends with this one."""
    os.environ.setdefault("STEPLADDER_TEST_RUN", str(os.getpid()))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; skips where it is missing, since the data are not part of the project.

    .ci/run fails there instead: what it passes has read them.
    """
    folder = Path(os.environ.get("STEPLADDER_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        skip(f"real data sets not found at {folder}; set STEPLADDER_DATA to their folder")
    return folder


@pytest.fixture(autouse=True, scope="module")
def own_environment():
    """What the tests of a file, or a library in them, set in the environment ends with that file: vLLM sets ranks."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ |= before


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The results of one undisturbed run of the quickstart's graph at the smallest size. Copy it before changing it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # one run for all workers, in the folder that theirs lie in
        folder = folder.parent
    results = folder / "finished"
    with FileLock(folder / "finished.lock"):
        if not (results / "quickstart" / "tracking.json").is_file():
            run(results, TINY)
    return results


class ByFile(LoadScopeScheduling):
    """Tests of one file share a worker, and so do all tests of the cluster, since there is but one.

    What takes minutes comes first, so that all workers end together. What needs ``finished`` comes late, so that none
    waits for it: the worker of the cluster's tests makes it early.
    """

    FIRST = (
        "tests/study/test_pqm.py",
        "tests/slurm",
        "tests/study/test_quickstart.py",
        "tests/study/test_lpr.py",
        "tests/study/test_vineppo.py",
        "tests/study/test_real_data.py",
        "tests/study/test_mathematics.py",
        "tests/study/test_published.py",
        "tests/faults/test_kills.py",
    )

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return "tests/slurm" if file.startswith("tests/slurm/") else file

    def _assign_work_unit(self, node) -> None:
        place = {scope: number for number, scope in enumerate(self.FIRST)}
        first = min(self.workqueue, key=lambda scope: place.get(scope, len(place)))
        self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> ByFile:
    """What several workers do; on one, tests run in their order."""
    return ByFile(config, log)
