"""The tracking database locked, gone or broken: no result is touched, one line says so, the next run records all."""

import json
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from scene import STUDY, attempt, copy_of, ends, state, the_line

from damage import cut_short


@pytest.fixture(scope="module")
def tracked(finished, tmp_path_factory):
    """Results with a database of their own; every test leaves it whole."""
    results = copy_of(finished, tmp_path_factory.mktemp("tracked"))
    ends(results, finished, "all")
    return results


def runs(results) -> int:
    """Runs in the database that are not deleted."""
    with closing(sqlite3.connect(results / "mlflow.db")) as database:
        return database.execute("SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'").fetchone()[0]


def recorded(results, finished, before) -> dict:
    """Runs to the end; every result has one run and was left as it was. What the ingest said of itself."""
    ends(results, finished, "all")
    said = json.loads((results / STUDY / "tracking.json").read_text())
    assert len(said["runs"]) == len(list((results / STUDY).rglob("metrics.json"))) == runs(results) - 1
    assert without_tracking(state(results)) == without_tracking(before)
    return said


def without_tracking(seen: dict) -> dict:
    return {place: file for place, file in seen.items() if place != f"{STUDY}/tracking.json"}


def test_a_locked_database(tracked, finished):
    before = state(tracked)
    (tracked / STUDY / "tracking.json").unlink()
    with closing(sqlite3.connect(tracked / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        line = the_line(attempt(tracked, "all"))
    assert str(tracked / "mlflow.db") in line and "locked" in line and "run again" in line
    assert recorded(tracked, finished, before)["created"] == 0


def test_a_database_that_is_gone_and_a_record_that_is_cut_short(tracked, finished):
    before = state(tracked)
    (tracked / "mlflow.db").unlink()
    cut_short(tracked / STUDY / "tracking.json")
    (tracked / STUDY / "tracking.json").unlink()
    said = recorded(tracked, finished, before)
    assert said["created"] == len(said["runs"])


def no_database(path):
    path.write_bytes(b"something else" * 1000)


@pytest.mark.parametrize("damage", [cut_short, no_database])
def test_a_broken_database(tracked, finished, damage):
    before = state(tracked)
    (tracked / STUDY / "tracking.json").unlink()
    damage(tracked / "mlflow.db")
    line = the_line(attempt(tracked, "all"))
    found = re.search(r": (/\S+): .*delete it, (\w+) and ([\w.]+), run again", line)
    assert found and found[1] == str(tracked / "mlflow.db"), line
    (tracked / "mlflow.db").unlink()
    shutil.rmtree(tracked / found[2])
    said = recorded(tracked, finished, before)
    assert said["created"] == len(said["runs"])


def test_a_course_of_training_that_is_cut_short(tracked, finished):
    """The ingest reads every result before it writes any."""
    history = tracked / STUDY / "policies/dpo_random/seed0/history.jsonl"
    whole = history.read_bytes()
    cut_short(history)
    (tracked / STUDY / "tracking.json").unlink()
    line = the_line(attempt(tracked, "all"))
    assert str(history) in line and "delete the file's folder and run again" in line
    shutil.rmtree(history.parent)
    ends(tracked, finished, "all")
    assert history.read_bytes() == whole
    assert runs(tracked) == len(list((tracked / STUDY).rglob("metrics.json"))) + 1
