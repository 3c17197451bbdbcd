"""Judging PRMs by their scores: the oracle, a random one, profiles, margins, first errors."""

import json
import math

import numpy as np
import pytest

from stepladder.evaluation.best_of_n import best_of_n, pass_at_k, vote_accuracy
from stepladder.evaluation.calibration import profile
from stepladder.evaluation.prm import judge_scores, plain
from stepladder.evaluation.reference_prms import reference_answer_scores, reference_step_scores
from stepladder.evaluation.votes import log_odds, vote_weights


def labelled(count: int, seed: int = 0) -> list[dict]:
    """Trajectories of 1 to 5 steps with labels of quarters; some fall below one half and stay there."""
    generator = np.random.default_rng(seed)
    rows = []
    for place in range(count):
        steps = int(generator.integers(1, 6))
        error = int(generator.integers(0, 2 * steps))
        soft = [float(generator.choice([0.5, 0.75, 1.0]) if step < error else generator.choice([0.0, 0.25]))
                for step in range(steps)]  # fmt: skip
        rows.append({"question_id": f"q{place // 2}", "sample": place % 2, "soft": soft})
    return rows


def test_the_oracle_is_the_ceiling_of_every_measure():
    rows = labelled(200)
    judged = judge_scores(reference_step_scores("oracle", rows, 0), rows)
    assert judged["step_auc"] == judged["order_accuracy"] == judged["unfinished_step_auc"] == 1.0
    assert judged["calibration_error"] == pytest.approx(0.0, abs=1e-5)
    assert judged["first_error"]["f1"] == {"estimate": 1.0, "low": 1.0, "high": 1.0}
    shifted = [[score + 3 for score in steps] for steps in reference_step_scores("oracle", rows, 0)]
    assert judge_scores(shifted, rows)["first_error"]["f1"]["estimate"] == 1.0
    assert judged["score_gap"] > 0 and judged["share_wrong_below_zero"] == 1.0


def test_the_random_prm_is_the_floor():
    rows = labelled(600)
    judged = judge_scores(reference_step_scores("random", rows, 0), rows)
    assert judged["step_auc"] == pytest.approx(0.5, abs=0.05)
    assert judged["order_accuracy"] == pytest.approx(0.5, abs=0.05)
    assert judged["first_error"]["f1"]["high"] < 0.6
    oracle = judge_scores(reference_step_scores("oracle", rows, 0), rows)
    assert oracle["first_error"]["solutions"] == judged["first_error"]["solutions"]


def test_random_scores_belong_to_their_trajectory_and_seed():
    rows = labelled(30)
    scores = reference_step_scores("random", rows, 3)
    assert reference_step_scores("random", rows[::-1], 3) == scores[::-1]
    assert reference_step_scores("random", rows, 4) != scores
    assert [len(steps) for steps in scores] == [len(row["soft"]) for row in rows]
    assert len({steps[0] for steps in scores}) == 30


@pytest.mark.parametrize("correct", [[1, 0, 0, 1], [0, 0, 0], [1], [0.5, 1, 0]])
def test_answers_of_both_between_which_every_prm_lies(correct):
    oracle, chance = (reference_answer_scores(prm, correct) for prm in ("oracle", "random"))
    generator = np.random.default_rng(0)
    for n in range(1, len(correct) + 1):
        floor, ceiling = best_of_n(chance, correct, n), best_of_n(oracle, correct, n)
        assert floor == pytest.approx(np.mean(correct))
        if set(correct) <= {0, 1}:
            assert ceiling == pytest.approx(pass_at_k(len(correct), sum(correct), n))
        draws = [best_of_n(generator.random(len(correct)), correct, n) for _ in range(400)]
        assert max(draws) <= ceiling + 1e-12
        assert np.mean(draws) == pytest.approx(floor, abs=0.1)
    alike = reference_answer_scores("random", [1, 0, 0])
    for how in ("sigmoid", "softmax", "rank"):
        assert vote_accuracy(["a", "b", "b"], [1, 0, 0], vote_weights(log_odds(alike), how, 0.1)) == 0


def test_margins_gaps_and_profiles_by_hand():
    rows = [{"question_id": "q", "sample": 0, "soft": [1.0, 0.0]}, {"question_id": "q", "sample": 1, "soft": [0.0]}]
    judged = judge_scores([[2.0, -1.0], [-5.0]], rows, zeta=4.0)
    assert judged["share_right_above_zero"] == 1.0 and judged["share_wrong_below_zero"] == 1.0
    assert judged["share_wrong_below_margin"] == 0.5
    assert judged["score_gap"] == pytest.approx(2 - -3)
    first, second = judged["by_position"]
    assert (first["value"], first["count"], first["mean_label"], first["step_auc"]) == (0, 2, 0.5, 1.0)
    assert first["mean_score"] == pytest.approx((1 / (1 + math.exp(-2)) + 1 / (1 + math.exp(5))) / 2)
    assert (second["value"], second["count"], second["mean_label"], second["step_auc"]) == (1, 1, 0.0, None)
    assert [(group["value"], group["count"]) for group in judged["by_length"]] == [(1, 1), (2, 2)]
    assert judged["first_error"] is None
    json.dumps(judged, allow_nan=False)


def test_numbers_have_intervals_over_questions():
    rows = labelled(200)
    generator = np.random.default_rng(1)
    scores = [[4 * value - 2 + generator.normal() for value in row["soft"]] for row in rows]
    judged = judge_scores(scores, rows, zeta=1.0)
    intervals = judged["intervals"]
    assert set(intervals) < set(judged) and len(intervals) == 6
    for name, interval in intervals.items():
        assert interval["low"] <= judged[name] + (name == "calibration_error") and judged[name] < interval["high"], name
    # Shares of right steps by hand: each question's numbers, drawn with all of its trajectories.
    right = np.array([[sum(s > 0 and v >= 0.5 for each in pair for s, v in each), sum(v >= 0.5 for each in pair
                      for _, v in each)] for pair in pairs_of(scores, rows)])  # fmt: skip
    draws = generator.integers(len(right), size=(4000, len(right)))
    shares = right[draws].sum(1)
    expected = np.quantile(shares[:, 0] / shares[:, 1], [0.025, 0.975])
    assert list(intervals["share_right_above_zero"].values()) == pytest.approx(expected, abs=0.006)
    # One question says nothing of the spread between questions; without wrong steps there is no AUC.
    alone = judge_scores(scores[:2], [row | {"question_id": "q"} for row in rows[:2]])
    assert alone["intervals"]["calibration_error"] == dict.fromkeys(("low", "high"), alone["calibration_error"])
    right = judge_scores([[1.0]], [{"question_id": "q", "sample": 0, "soft": [1.0]}])["intervals"]
    assert right["step_auc"] == {"low": None, "high": None} and right["share_right_above_zero"]["low"] == 1.0


def pairs_of(scores: list, rows: list) -> list:
    """The two trajectories of every question, as lists of scores and labels."""
    steps = [list(zip(each, row["soft"], strict=True)) for each, row in zip(scores, rows, strict=True)]
    return list(zip(steps[::2], steps[1::2], strict=True))


def test_a_profile_is_the_whole_when_there_is_one_group():
    rows = labelled(50)
    soft = [value for row in rows for value in row["soft"]]
    scores = np.linspace(0, 1, len(soft))
    (group,) = profile(scores, soft, [7] * len(soft))
    assert (group.value, group.count) == (7, len(soft))
    assert (group.mean_score, group.mean_label) == pytest.approx((np.mean(scores), np.mean(soft)))


def test_huge_logits_stay_probabilities():
    rows = [{"question_id": "q", "sample": 0, "soft": [1.0, 0.0]}]
    judged = judge_scores([[1e4, -1e4]], rows)
    assert judged["calibration_error"] == 0.0


def test_plain_data_holds_no_nan_at_any_depth():
    assert plain({"a": [1.0, math.nan, {"b": (math.nan, 2)}], "c": "x"}) == {
        "a": [1.0, None, {"b": [None, 2]}],
        "c": "x",
    }
