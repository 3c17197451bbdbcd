"""The reward of a trajectory, from its step scores to its record."""

import math
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from stepladder.errors import StepladderError
from stepladder.records import REWARDS, SCORES, TRAJECTORIES, read_records, write_records
from stepladder.rewards.reward import counted_steps, reward, scores_by_trajectory
from stepladder.rewards.scores import score_rows, sigmoid
from stepladder.study.specs.rewards import Rewards


def spec(**keys) -> Rewards:
    return Rewards.model_validate({"scores": "s", **keys})


def test_the_published_reward_of_three_steps():
    """Geometric mean 0.5 times the Weibull factor of 3 steps, k 1.5, lambda 8, its peak scaled to 1."""
    peak = 8 * (1 / 3) ** (2 / 3)
    factor = (3 / peak) ** 0.5 * math.exp(1 / 3 - (3 / 8) ** 1.5)
    found = reward([0.25, 0.5, 1.0], True, spec())
    assert found.steps == 3 and found.outcome == 1.0
    assert found.accumulated == pytest.approx(0.5)
    assert found.shaped == pytest.approx(0.5 * factor)
    assert found.reward == pytest.approx(0.5 * factor)


@pytest.mark.parametrize(
    ("how", "expected"), [("min", 0.25), ("product", 0.125), ("mean", 7 / 12), ("last", 1.0), ("sum", 1.75)]
)
def test_accumulation_follows_the_spec(how, expected):
    assert reward([0.25, 0.5, 1.0], False, spec(accumulate=how, shape={"kind": "none"})).reward == pytest.approx(
        expected
    )


def test_shape_parameters_reach_the_shape():
    assert reward([1.0] * 4, False, spec(shape={"kind": "gaussian", "mu": 4, "sigma": 1})).reward == pytest.approx(
        5 / math.sqrt(2 * math.pi)
    )
    assert reward([1.0] * 2, False, spec(shape={"kind": "weibull", "k": 2.0, "lam": 4.0})).reward == pytest.approx(
        2 / (4 * math.sqrt(0.5)) * math.exp(0.5 - 0.25)
    )
    one = {"kind": "none", "single_step": "shape"}
    assert reward([0.7], False, spec(shape=one)).shaped == pytest.approx(0.7)
    assert reward([0.7], False, spec(shape={"kind": "none"})).shaped == 0.0


@given(st.lists(st.floats(0, 1), max_size=8), st.booleans(), st.floats(0, 3, width=32), st.floats(0, 3, width=32))
def test_the_reward_is_the_weighted_sum_of_its_parts(scores, correct, process, outcome):
    found = reward(scores, correct, spec(process_weight=process, outcome_weight=outcome))
    assert found.reward == pytest.approx(process * found.shaped + outcome * found.outcome)
    assert found.outcome == float(correct) and found.steps == len(scores)


def test_logits_are_refused_as_scores():
    with pytest.raises(StepladderError, match="sigmoid"):
        reward([2.0], True, spec())


def test_scores_come_in_the_order_of_steps_whatever_the_order_of_rows():
    rows = [
        {"question_id": q, "sample": s, "step": step, "score": value}
        for q, s, step, value in [
            ("b", 0, 1, 0.4),
            ("a", 1, 0, 0.1),
            ("b", 0, 0, 0.3),
            ("a", 0, 0, 0.2),
            ("b", 0, 10, 0.5),
        ]
    ]
    assert scores_by_trajectory(rows) == {("a", 0): [0.2], ("a", 1): [0.1], ("b", 0): [0.3, 0.4, 0.5]}


def test_score_rows_hold_logit_and_probability():
    trajectories = [
        {"question_id": "a", "sample": 0},
        {"question_id": "a", "sample": 3},
        {"question_id": "b", "sample": 0},
    ]
    rows = score_rows(trajectories, [[0.0, math.log(3)], [], [-math.log(3)]])
    assert [(r["question_id"], r["sample"], r["step"]) for r in rows] == [("a", 0, 0), ("a", 0, 1), ("b", 0, 0)]
    assert [r["score"] for r in rows] == pytest.approx([0.5, 0.75, 0.25])
    assert [r["logit"] for r in rows] == pytest.approx([0.0, math.log(3), -math.log(3)])
    with pytest.raises(ValueError):
        score_rows(trajectories, [[0.0]])


@given(st.floats(-1e4, 1e4))
def test_sigmoid_is_stable_and_symmetric(x):
    assert 0 <= sigmoid(x) <= 1
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1)
    assert abs(x) > 700 or sigmoid(x) == pytest.approx(1 / (1 + math.exp(-x)))


TEXT = "Thought 1: a\nAction 1: b\nand more\nObservation 1: c\nAction 2: Finish[A]"


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [([], [0, 1, 2, 3]), (["Thought", "Observation"], [0, 2]), (["Action"], [1, 3])],
)
def test_steps_of_the_kinds_asked_for_count(kinds, expected):
    row = {"question_id": "q", "sample": 1, "text": TEXT}
    scores = [0.25, 0.5, 0.75, 1.0]
    assert counted_steps(row, scores, spec(kinds=kinds)) == expected
    found = reward([scores[step] for step in expected], False, spec(kinds=kinds, accumulate="sum"))
    assert found.steps == len(expected) and found.accumulated == sum(scores[step] for step in expected)


def test_kinds_of_steps_that_others_have_cut_are_one_line():
    row = {"question_id": "q", "sample": 1, "text": TEXT}
    with pytest.raises(StepladderError, match="question q, sample 1: 2 steps are scored, and 4 have a kind"):
        counted_steps(row, [0.5, 0.5], spec(kinds=["Action"]))
    assert counted_steps({}, [0.5, 0.5], spec()) == [0, 1], "no text is read where no kinds are named"


@pytest.mark.parametrize(("kinds", "expected"), [([], 2.5), (["Thought", "Observation"], 1.0)])
def test_a_rewards_job_reads_the_kinds_in_the_texts(tmp_path, kinds, expected):
    row = {
        "question_id": "q", "sample": 1, "dataset": "logiqa2", "prompt_ids": [1], "token_ids": [2, 3, 4, 5],
        "logprobs": [], "finish_reason": "stop", "text": TEXT, "step_ends": [1, 2, 3, 4], "correct": True,
        "correct_flexible": True,
    }  # fmt: skip
    write_records([row], TRAJECTORIES, tmp_path / "trajectories.parquet")
    scores = [0.25, 0.5, 0.75, 1.0]
    steps = [{"question_id": "q", "sample": 1, "step": k, "logit": 0.0, "score": each} for k, each in enumerate(scores)]
    write_records(steps, SCORES, tmp_path / "scores.parquet")
    node = {"scores": "s", "accumulate": "sum", "kinds": kinds, "shape": {"kind": "none"}}
    inputs = {name: tmp_path / f"{name}.parquet" for name in ("trajectories", "scores")}
    script = Path(__file__).resolve().parents[2] / "workflow" / "scripts" / "reward.py"
    runpy.run_path(str(script))["main"](tiny.job(tmp_path / "made", "rewards", node, inputs))
    (rewarded,) = read_records(tmp_path / "made" / "rewards.parquet", REWARDS)
    assert rewarded["reward"] == expected and rewarded["steps"] == (2 if kinds else 4)
