"""On-policy learning that is stopped and goes on, or runs on two ranks, ends where one undisturbed process ends."""

import json
import os
import subprocess
import sys

import pytest
from safetensors.torch import load_file

import tiny
from stepladder.errors import StepladderError
from stepladder.policies.onpolicy import train_ppo
from stepladder.records import QUESTIONS, Counts, read_records

WAYS = {
    "critic": {},
    "rollouts": {
        "rewards": None,
        "iterations": 9,
        "token_budget": 7500,
        "credit": {
            "kind": "rollouts",
            "rollouts": 4,
            "estimator": "shrinkage",
            "adaptive": {"first": 2, "further": 2, "most": 8},
        },
    },
}
ZERO = {"critic": {"deepspeed": "zero3"}, "rollouts": {"deepspeed": "zero2", "offload": True}}
OF_ROLLOUTS = ("states", "distinct_states", "rollouts", "rollout_tokens", "value", "value_deviation")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return tiny.ppo_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module", params=WAYS)
def way(request) -> str:
    """What gives credit."""
    return request.param


@pytest.fixture(scope="module")
def reinforced(way, inputs, tmp_path_factory):
    """An uninterrupted training."""
    job = tiny.ppo_job(tmp_path_factory.mktemp("whole"), inputs, **WAYS[way])
    train_ppo(job, training_questions(inputs), Counts())
    return job.output


def training_questions(inputs) -> list[dict]:
    return [row for row in read_records(inputs["questions"], QUESTIONS) if row["split"] == "train"]


def test_reinforcement_really_learns_from_real_samples(way, reinforced, inputs):
    points = tiny.course(reinforced)
    assert [point["step"] for point in points] == [1, 2, 3]
    assert all(abs(point["sampler_kl"]) < 1e-5 for point in points), "the engine samples from the weights in training"
    assert 0 < points[0]["kl"] < points[2]["kl"]
    assert all(0 < point["accuracy"] < 1 and point["steps"] > 1 for point in points)
    assert all(point["reward"] == pytest.approx(point.get("shaped", 0.0) + point["accuracy"]) for point in points)
    assert all(("shaped" in point) == (way == "critic") for point in points)
    before, after = (load_file(folder / "model.safetensors") for folder in (inputs["start"], reinforced / "checkpoint"))
    assert before.keys() == after.keys() and tiny.furthest(before, after) > 1e-3


def test_reinforcement_that_runs_out_of_time_in_every_iteration(way, reinforced, inputs, tmp_path):
    for iteration in (1, 2):
        with pytest.raises(StepladderError, match=f"at iteration {iteration} of [39]"):
            train_ppo(
                tiny.ppo_job(tmp_path, inputs, max_seconds=0.0, **WAYS[way]), training_questions(inputs), Counts()
            )
        assert not (tmp_path / "checkpoint").exists()
    told = []
    job = tiny.ppo_job(tmp_path, inputs, max_seconds=0.0, **WAYS[way])
    train_ppo(job, training_questions(inputs), Counts(), told.append)
    assert [point["step"] for point in told] == [1, 2, 3], "the points of earlier attempts are told, too"
    assert tiny.course(tmp_path) == tiny.course(reinforced)
    weights = [(folder / "checkpoint" / "model.safetensors").read_bytes() for folder in (tmp_path, reinforced)]
    assert weights[0] == weights[1]


def test_two_ranks_with_zero_reinforce_as_one(way, reinforced, inputs, tmp_path, root):
    """Each rank samples its share with an engine of its own, and both learn from all episodes."""
    job = tiny.ppo_job(tmp_path, inputs, optimisation={"processes": 2, **ZERO[way]}, **WAYS[way])
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    arguments = ["--job", json.dumps(job.data), "--output", str(tmp_path)]
    for name, path in inputs.items():
        arguments += ["--input", name, str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [*launcher, str(root / "workflow" / "scripts" / "ppo.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    for point, expected in zip(tiny.course(tmp_path), tiny.course(reinforced), strict=True):
        assert point.keys() == expected.keys()
        for name in ("reward", "accuracy", "tokens", "steps", "unparsable", *(() if way == "critic" else OF_ROLLOUTS)):
            assert point[name] == pytest.approx(expected[name], rel=0.02), name
    ours, theirs = (load_file(folder / "checkpoint" / "model.safetensors") for folder in (tmp_path, reinforced))
    assert tiny.furthest(ours, theirs) < 2e-3


@pytest.mark.parametrize("way", [way for way in WAYS if way != "critic"], indirect=True, scope="module")
def test_rollouts_are_counted_and_no_critic_is_made(reinforced, way):
    points, made = tiny.course(reinforced), json.loads((reinforced / "metrics.json").read_text())["metrics"]
    assert all(0 < point["distinct_states"] < point["states"] and 0 < point["value"] < 1 for point in points)
    assert made["rollout_tokens"] == sum(point["rollout_tokens"] for point in points) > 0
    assert all(2 * p["distinct_states"] < p["rollouts"] <= 4 * p["distinct_states"] for p in points)
    assert made["distinct_states"] == sum(point["distinct_states"] for point in points)
    sampled = sum(20 * point["tokens"] for point in points)
    assert made["generated_tokens"] == pytest.approx(sampled + made["rollout_tokens"], abs=1)
    assert points[1]["generated_tokens"] < 7500 <= made["generated_tokens"], "the budget ends the training"
    assert made["iterations"] == len(points) == 3
    assert not any("value_loss" in point or "explained_variance" in point for point in points)
