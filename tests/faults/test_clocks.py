"""Nodes whose clocks disagree: a finished result is not made over and over, and the tables stay what they are."""

import os
import time
from pathlib import Path

from scene import STUDY, attempt, copy_of, ends, state, untouched

from graph import TINY, planned, run, same_tables

HOUR = 3600


def shift(path: Path, seconds: float) -> None:
    """Moves a file's time, as a node would have set it whose clock is ahead or behind."""
    moved = path.stat().st_mtime + seconds
    os.utime(path, (moved, moved))


def to_now(path: Path) -> None:
    os.utime(path)


def test_a_result_older_than_what_it_was_made_from_is_made_once_more(finished, tmp_path):
    """The node that made the table was behind: it runs again, once, and the third run has nothing to do."""
    results = copy_of(finished, tmp_path)
    for file in (results / STUDY / "tables/main").iterdir():
        shift(file, -HOUR)
    before = state(results)
    ends(results, finished)
    untouched(before, state(results), "tables/main")
    assert planned(run(results, TINY, "tables", "--dry-run")) == {}


def test_a_result_from_the_future_is_explained(finished, tmp_path):
    """A node was an hour ahead. What is made from its file cannot be newer; Snakemake says so and does not loop."""
    results = copy_of(finished, tmp_path)
    answers = results / STUDY / "evaluations/dpo_random/seed0/answers.parquet"
    shift(answers, time.time() - answers.stat().st_mtime + HOUR)
    before = state(results)
    refused = attempt(results, "tables")
    assert refused.returncode != 0
    assert f"than input {answers}" in refused.stdout and "clock skew" in refused.stdout
    untouched(before, state(results), "tables/main")
    to_now(answers)
    ends(results, finished)
    assert planned(run(results, TINY, "tables", "--dry-run")) == {}
    untouched(before, state(results), "tables/main", "evaluations/dpo_random")


def test_a_result_from_the_future_with_nothing_to_be_made_from_it(finished, tmp_path):
    """The last files of the graph may have any time at all."""
    results = copy_of(finished, tmp_path)
    for file in (results / STUDY / "tables/main").iterdir():
        shift(file, HOUR)
    assert planned(run(results, TINY, "tables", "--dry-run")) == {}
    same_tables(results, finished)
