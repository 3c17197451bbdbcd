"""Trainings that are watched on a real server: points are there while they train, and the results take their place."""

import time
from collections.abc import Callable, Mapping

import pytest
from mlflow import MlflowClient

import tiny
from stepladder.job import Job, parse_job
from stepladder.policies.onpolicy import train_ppo
from stepladder.records import Counts
from stepladder.study.graph import Study, build
from stepladder.study.load import Sources
from stepladder.tracking.ingest import ingest
from stepladder.tracking.live import LIVE, follow

ITERATIONS = 4
Point = Mapping[str, float]


@pytest.fixture
def study(server, tmp_path, request) -> Study:
    """An on-policy node of a study of its own, which is to be watched."""
    training = {
        "method": "ppo", "from": "base", "questions": "one", "split": "train", "credit": {"kind": "leave_one_out"},
        "iterations": ITERATIONS, "questions_per_iteration": 3, "samples": 2, "max_tokens": 12,
    }  # fmt: skip
    config = {
        "study": request.node.name.split("_")[1],
        "tracking": server.uri,
        "live": True,
        "results": str(tmp_path),
        "questions": {"one": {"source": "generated", "sets": ["qqa"], "splits": {"train": 9}}},
        "models": {"small": {"source": "new"}},
        "policies": {"base": {"method": "pretrain", "model": "small"}, "ppo": training},
    }
    return build(config, Sources([]))


@pytest.fixture
def job(study, tmp_path, monkeypatch) -> Job:
    """The training as its rule starts it."""
    monkeypatch.setenv(LIVE, study.settings.tracking)
    start = ["--input", "start", str(tiny.checkpoint(tmp_path / "start"))]
    return parse_job(["--job", study.job("policies", "ppo"), "--output", study.folder("policies", "ppo", 0), *start])


def train(job: Job, told: Callable[[Point], None]) -> list[tuple[int, float]]:
    """Trains; step and tokens of every point that was told, and that the history holds."""
    points: list[Point] = []
    questions = list(tiny.questions(splits=("train",), sets=("qqa",)))
    train_ppo(job, questions, Counts(), lambda point: (points.append(point), told(point)))
    course, left = (
        [(int(each["step"]), each["tokens"]) for each in kept] for kept in (points, tiny.course(job.output))
    )
    assert course == left
    return course


def curves(server, study: Study) -> dict[str, list[tuple[int, float]]]:
    """Tokens by step of every run of the node, by what the run is: watched, or a result."""
    client = MlflowClient(tracking_uri=server.uri)
    experiment = client.get_experiment_by_name(study.settings.study)
    runs = client.search_runs([experiment.experiment_id], "tags.node = 'ppo'")
    curves = [client.get_metric_history(run.info.run_id, "training/tokens") for run in runs]
    return {
        "result" if "result_digest" in run.data.tags else "watched": [(each.step, each.value) for each in curve]
        for run, curve in zip(runs, curves, strict=True)
    }


def test_points_are_there_while_a_training_runs_and_its_result_takes_their_place(server, study, job, tmp_path):
    tell, seen = follow(job), []

    def told(point: Point) -> None:
        tell(point)
        seen.append(curves(server, study))

    course = train(job, told)
    assert seen == [{"watched": course[:step]} for step in range(1, ITERATIONS + 1)]
    assert ingest(study, server.uri, tmp_path).created == 1
    assert curves(server, study) == {"result": course}


def test_away_is_a_line_and_the_training_and_its_result_are_whole(server, study, job, tmp_path, capfd):
    """The server is killed after the second point; nobody waits for it, and the ingest finds it back."""
    tell, waited = follow(job), []

    def told(point: Point) -> None:
        if point["step"] == 3:
            server.kill()
        began = time.monotonic()
        tell(point)
        waited.append(time.monotonic() - began)

    course = train(job, told)
    assert len(course) == ITERATIONS and max(waited[2:]) < 15
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("stepladder: policies/ppo")]
    assert len(said) == 1 and f"{server.uri}: live metrics end here, the training goes on" in said[0]
    server.start()
    assert curves(server, study) == {"watched": course[:2]}
    ingest(study, server.uri, tmp_path)
    assert curves(server, study) == {"result": course}
