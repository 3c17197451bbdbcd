"""Ranking of alternatives to a step: numbers by hand, chance, and trees whose true chances are known."""

import numpy as np
import pytest

from stepladder.evaluation.ranking import Alternatives, ranking
from stepladder.evaluation.step_measures import Bootstrap
from stepladder.evaluation.value_accuracy import held_out

DRAWS = Bootstrap(200, 0)


def one(question: int, values, truth, tokens=0.0) -> Alternatives:
    values, truth = (np.array(each, dtype=float).reshape(len(each), -1) for each in (values, truth))
    return Alternatives(question, values, truth, tokens)


def estimates(found: dict) -> dict[str, float]:
    return {name: measured.estimate for name, measured in found.items()}


def test_numbers_by_hand():
    found = ranking(
        [[
            one(0, [0.9, 0.5, 0.1], [0.8, 0.2, 0.4], 30),  # best found; two of three pairs
            one(0, [0.5, 0.5], [0.1, 0.7], 20),  # tied values: half found, half in order
            one(2, [0.2, 0.4, 0.6, 0.1], [0.9, 0.9, 0.3, 0.3], 10),  # not found; two best of four
            one(2, [0.2, 0.9], [0.5, 0.5], 100),  # nothing to rank
        ]],
        4, DRAWS,
    )  # fmt: skip
    pairs = 2 + 0.5 + (0 + 1 + 0 + 1)  # of the third: 0.2 < 0.6 and 0.4 < 0.6 wrong, 0.2 > 0.1 and 0.4 > 0.1 right
    assert estimates(found) == pytest.approx(
        {"best": 1.5 / 3, "chance": (1 / 3 + 1 / 2 + 1 / 2) / 3, "pairs": pairs / 8, "tokens": 40}
    )


def test_draws_are_averaged_and_nothing_to_rank_is_no_number():
    twice = one(0, [[0.9, 0.1], [0.1, 0.9]], [[1.0, 1.0], [0.0, 0.0]])
    assert estimates(ranking([[twice]], 1, DRAWS))["best"] == 0.5
    half = one(0, [[0.9, 0.1], [0.1, 0.9]], [[1.0, 0.0], [0.0, 0.0]])  # in the second draw there is no better one
    assert estimates(ranking([[half]], 1, DRAWS))["best"] == 1.0
    nothing = estimates(ranking([[one(0, [0.1, 0.2], [0.5, 0.5])]], 1, DRAWS))
    assert np.isnan(nothing["best"]) and np.isnan(nothing["pairs"])


def forest(k: int, rollouts: int, spread: float, seed: int = 0) -> list[Alternatives]:
    """Five alternatives in 200 states whose chances differ from state to state, and by ``spread`` within."""
    rng = np.random.default_rng(seed)
    found = []
    for question in range(200):
        chances = np.clip(rng.random() + rng.normal(0, spread, 5), 0, 1) if spread else np.full(5, rng.random())
        rewards = (rng.random((5, rollouts)) < chances[:, None]).astype(float)
        runs = held_out(rewards, k, 4)
        values = np.stack([rewards[:, place].mean(1) for place, _ in runs], axis=1)
        found.append(Alternatives(question, values, np.stack([truth for _, truth in runs], axis=1), 5.0 * k))
    return found


def test_values_that_know_the_question_only_rank_no_better_than_chance():
    found = ranking([forest(9, 256, 0.0)], 200, DRAWS)
    low, high = np.quantile(found["best"].resampled - found["chance"].resampled, [0.005, 0.995])
    assert low < 0 < high and found["chance"].estimate == pytest.approx(0.2, abs=0.03)
    low, high = np.quantile(found["pairs"].resampled, [0.005, 0.995])
    assert low < 0.5 < high


def test_more_rollouts_rank_better():
    few, many = (ranking([forest(k, 256, 0.2)], 200, DRAWS) for k in (1, 25))
    for name in ("best", "pairs"):
        assert few[name].estimate + 0.1 < many[name].estimate < 1
    assert few["best"].estimate > few["chance"].estimate + 0.05
    assert many["tokens"].estimate == 125


def test_the_truth_itself_is_always_right():
    found = [one(each.question, each.truth, each.truth) for each in forest(9, 64, 0.2)]
    measured = ranking([found], 200, DRAWS)
    assert measured["best"].estimate == measured["pairs"].estimate == 1 > measured["chance"].estimate
