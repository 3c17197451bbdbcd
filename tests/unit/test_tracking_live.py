"""Points of a training on a server while it trains: there at once, not twice after the ingest, and never fatal."""

import socket
import subprocess
import sys

import pytest

import tiny
from stepladder.tracking.live import LIVE, follow

POINTS = [{"step": 1, "reward": 0.25, "kl": 0.0}, {"step": 2, "reward": 0.5, "kl": 0.01}]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An experiment that is made by a client without a server keeps its artifacts where the client runs."""
    monkeypatch.chdir(tmp_path)


def training(tracked, tmp_path):
    """The job of a node of the tracked study."""
    job = tiny.job(tmp_path / "out", "policies", {"method": "pretrain", "model": "small"}, study="tiny", name="base")
    assert tracked.study.settings.study == job.study
    return job


def watched(tracked) -> list:
    """The runs of trainings that are watched."""
    return [run for run in tracked.runs() if run.data.tags.get("live") == "true"]


def curve(client, run, name="training/reward") -> list[tuple[int, float]]:
    return [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)]


def test_points_are_there_at_once_and_once_after_another_attempt(tracked, tmp_path, monkeypatch):
    monkeypatch.setenv(LIVE, tracked.uri)
    job = training(tracked, tmp_path)
    tell = follow(job)
    tell(POINTS[0])
    (run,) = watched(tracked)
    assert run.info.run_name == "policies/base seed 0" and curve(tracked.client, run) == [(1, 0.25)]
    again = follow(job)
    for point in POINTS:
        again(point)
    (run,) = watched(tracked)
    assert curve(tracked.client, run) == [(1, 0.25), (2, 0.5)]


def test_the_ingest_takes_the_place_of_what_was_watched(tracked, tmp_path, monkeypatch):
    monkeypatch.setenv(LIVE, tracked.uri)
    tell = follow(training(tracked, tmp_path))
    for point in POINTS:
        tell(point)
    report = tracked.ingest()
    assert not watched(tracked)
    assert "policies/base/0" in report.runs and report.superseded == 0


def test_a_server_that_is_away_costs_one_line_and_no_training(tracked, tmp_path, monkeypatch, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv(LIVE, f"http://127.0.0.1:{port}")
    tell = follow(training(tracked, tmp_path))
    for point in POINTS:
        tell(point)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"stepladder: policies/base seed 0: http://127.0.0.1:{port}: live metrics end here")


@pytest.mark.parametrize(("asked", "rank"), [(False, 0), (True, 1)])
def test_only_a_first_rank_that_is_asked_to_loads_mlflow(tmp_path, monkeypatch, asked, rank):
    program = (
        "import sys, tiny; from pathlib import Path; from stepladder.tracking.live import follow;"
        " job = tiny.job(Path(sys.argv[1]), 'policies', {'method': 'pretrain', 'model': 'm'});"
        " follow(job)({'step': 1, 'reward': 0.0}); print('mlflow' in sys.modules)"
    )
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv(LIVE, "http://127.0.0.1:9" if asked else "")
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["False"], done.stderr
