"""Two runs on one results folder: the second is refused in one line. A killed run leaves no lock that matters.

Jobs of the first run load their libraries, so that it is still at work when the second one begins.
"""

import os
import shutil
import signal
from contextlib import suppress

import pytest
from scene import STUDY, attempt, copy_of, ends, kill, start, state, the_line, untouched, waits_for

from graph import ROOT, planned, same_tables

LOG = "logs/evaluations/dpo_random.seed0.job.log"
NODES = ("evaluations/dpo_random", "tables/main")


@pytest.fixture
def project(tmp_path):
    """A checkout of its own, so that Snakemake's own lock is not that of other tests."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("Snakefile", "config", "profiles", "workflow"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture
def results(finished, tmp_path):
    """Results that lack an evaluation and the table."""
    folder = copy_of(finished, tmp_path)
    for node in NODES:
        shutil.rmtree(folder / STUDY / node)
    (folder / STUDY / LOG).unlink()
    return folder


def at_work(results):
    """Whether the evaluation has begun."""
    return (results / STUDY / LOG).is_file


def test_a_second_run_is_refused_however_it_is_started(finished, results, project):
    before = state(results)
    first = start(results, "tables", cold=True)
    waits_for(at_work(results))
    for other in ({}, {"lock": True, "cwd": project}):
        line = the_line(attempt(results, "tables", **other))
        assert line == f"stepladder: {results}: another run uses this folder; wait until it has ended, or stop it"
    said, _ = first.communicate(timeout=300)
    assert first.returncode == 0, said[-4000:]
    same_tables(results, finished)
    untouched(before, state(results), *NODES)


def test_a_stale_lock_of_snakemake_is_explained_and_stops_no_make(finished, results, project):
    before = state(results)
    killed = start(results, "tables", cwd=project, lock=True, cold=True)
    waits_for(at_work(results))
    kill(killed)
    refused = attempt(results, "tables", cwd=project, lock=True)
    assert refused.returncode != 0 and "Directory cannot be locked" in refused.stdout and "--unlock" in refused.stdout
    ends(results, finished, cwd=project)
    assert attempt(results, "tables", "--unlock", cwd=project, lock=True).returncode == 0
    again = attempt(results, "tables", "--dry-run", cwd=project, lock=True)
    assert again.returncode == 0 and planned(again.stdout) == {}
    untouched(before, state(results), *NODES)


def test_jobs_that_outlive_their_run(finished, results):
    """Only Snakemake itself is killed; its job goes on while the next run begins."""
    before = state(results)
    killed = start(results, "tables", cold=True)
    waits_for(at_work(results))
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait(30)
    ends(results, finished)
    with suppress(ProcessLookupError):  # by now it has ended, most likely
        os.killpg(killed.pid, signal.SIGKILL)
    untouched(before, state(results), *NODES)
