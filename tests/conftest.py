"""Fixtures shared by every room's tests."""

import os
from pathlib import Path

import pytest

from graph import TINY, run

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; skips where it is missing, since the data are not part of the project."""
    folder = Path(os.environ.get("STEPLADDER_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data sets not found at {folder}; set STEPLADDER_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The results of one undisturbed run of the quickstart's graph at the smallest size. Copy it before changing it."""
    results = tmp_path_factory.mktemp("finished") / "results"
    run(results, TINY)
    return results
