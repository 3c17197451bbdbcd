"""Rollouts where they are needed: within the budget, the least certain states first, none for certain ones."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.policies.adaptive import next_round, posterior_deviation
from stepladder.study.specs.credit import Adaptive

SPEC = Adaptive(first=3, further=2, most=9, enough=0.1)
counts_of_states = st.dictionaries(
    st.text("abc", min_size=1, max_size=4),
    st.integers(1, 12).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    max_size=8,
)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (0, 3), (2, 5), (9, 9)])
def test_the_deviation_is_that_of_the_beta_posterior(successes, trials):
    points = [(i + 0.5) / 20000 for i in range(20000)]
    weights = [p**successes * (1 - p) ** (trials - successes) for p in points]
    mean = sum(w * p for w, p in zip(weights, points, strict=True)) / sum(weights)
    variance = sum(w * (p - mean) ** 2 for w, p in zip(weights, points, strict=True)) / sum(weights)
    assert posterior_deviation(successes, trials) == pytest.approx(math.sqrt(variance), rel=1e-4)


@settings(deadline=None)
@given(counts_of_states, st.integers(0, 60))
def test_no_round_breaks_the_budget_or_a_states_limit(counts, extra):
    budget = sum(trials for _, trials in counts.values()) + extra
    plan = next_round(counts, SPEC, budget)
    assert sum(plan.values()) <= extra
    for key, more in plan.items():
        assert 0 < more <= 2 and counts[key][1] + more <= max(9, counts[key][1])
        assert posterior_deviation(*counts[key]) > 0.1
    doubtful = [key for key, (s, n) in counts.items() if posterior_deviation(s, n) > 0.1 and n < 9]
    assert sum(plan.values()) == extra or set(plan) == set(doubtful), "what is left is spent where there is doubt"


def test_the_least_certain_states_come_first_and_certain_ones_get_none():
    counts = {"even": (2, 4), "leaning": (4, 4), "sure": (30, 30), "full": (4, 9)}
    assert next_round(counts, SPEC, 100) == {"even": 2, "leaning": 2}
    assert next_round(counts, SPEC, 47 + 2) == {"even": 2}
    assert next_round(counts, SPEC, 47 + 3) == {"even": 2, "leaning": 1}
    assert next_round(counts, SPEC, 47) == {}


def test_rollouts_in_rounds_err_less_than_as_many_shared_out_evenly():
    """Values as they are spread on ProbPPO's public rollouts: Beta(0.26, 0.36), most states all but decided."""
    dice, spec = random.Random(0), Adaptive()
    in_rounds = evenly = spent = 0.0
    for _ in range(10):
        truth = {f"{i}": dice.betavariate(0.26, 0.36) for i in range(400)}

        def more_of(counts: dict, plan: dict, truth: dict = truth) -> dict[str, tuple[int, int]]:
            right = {key: sum(dice.random() < truth[key] for _ in range(more)) for key, more in plan.items()}
            return counts | {key: (counts[key][0] + right[key], counts[key][1] + more) for key, more in plan.items()}

        def error(counts: dict, truth: dict = truth) -> float:
            return sum((s / n - truth[key]) ** 2 for key, (s, n) in counts.items())

        none = dict.fromkeys(truth, (0, 0))
        evenly += error(more_of(none, dict.fromkeys(truth, 9)))
        counts = more_of(none, dict.fromkeys(truth, spec.first))
        while plan := next_round(counts, spec, 9 * len(truth)):
            counts = more_of(counts, plan)
        in_rounds += error(counts)
        spent += sum(trials for _, trials in counts.values()) / (9 * len(truth)) / 10
    assert in_rounds < 0.98 * evenly and spent < 0.99
