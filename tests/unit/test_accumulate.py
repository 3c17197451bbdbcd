"""accumulate: from step scores to one number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.errors import StepladderError
from stepladder.rewards.accumulate import accumulate

HOWS = ("geometric_mean", "product", "min", "mean", "last", "sum")
examples = settings(deadline=None, max_examples=60)
scores = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("how", "expected"),
    [("geometric_mean", 0.04 ** (1 / 3)), ("product", 0.04), ("min", 0.1), ("mean", 0.5), ("last", 0.4), ("sum", 1.5)],
)
def test_each_accumulation_of_three_scores(how, expected):
    assert accumulate([1.0, 0.1, 0.4], how) == pytest.approx(expected, rel=1e-12)


def test_reference_value():
    assert accumulate([0.95, 0.95], "geometric_mean") == pytest.approx(0.95, rel=1e-12)


@pytest.mark.parametrize("how", HOWS)
def test_no_step_gives_zero_and_one_step_its_score(how):
    assert accumulate([], how) == 0.0
    assert accumulate(np.array([0.3], dtype=np.float32), how) == pytest.approx(0.3, rel=1e-6)


def test_a_score_of_zero_is_raised_to_one_in_a_million_in_the_geometric_mean_only():
    assert accumulate([0.0, 1.0], "geometric_mean") == pytest.approx(1e-3, rel=1e-9)
    assert accumulate([0.0, 1.0], "product") == 0.0
    assert accumulate([0.0] * 500 + [1.0], "geometric_mean") > 0


@examples
@given(scores)
def test_order_of_the_accumulations(values):
    lowest, geometric, arithmetic = (accumulate(values, how) for how in ("min", "geometric_mean", "mean"))
    assert accumulate(values, "product") <= lowest * (1 + 1e-9)
    assert lowest <= geometric * (1 + 1e-9)
    assert max(lowest, 1e-6) <= geometric * (1 + 1e-9)
    assert geometric <= max(arithmetic, 1e-6 + arithmetic) * (1 + 1e-9)


@examples
@given(scores, st.randoms())
def test_only_the_last_score_depends_on_the_order(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    for how in ("geometric_mean", "product", "min", "mean", "sum"):
        assert accumulate(shuffled, how) == pytest.approx(accumulate(values, how), rel=1e-9)
    assert accumulate(shuffled, "last") == shuffled[-1]


@examples
@given(scores, st.integers(2, 4))
def test_repeating_a_chain_leaves_means_and_min_and_raises_the_product_to_a_power(values, times):
    for how in ("geometric_mean", "mean", "min", "last"):
        assert accumulate(values * times, how) == pytest.approx(accumulate(values, how), rel=1e-9)
    assert accumulate(values * times, "product") == pytest.approx(accumulate(values, "product") ** times)
    assert accumulate(values * times, "sum") == pytest.approx(accumulate(values, "sum") * times)


@pytest.mark.parametrize("bad", [[1.2], [-0.1, 0.5], [float("nan")], [[0.5], [0.5]]])
def test_bad_scores_are_refused(bad):
    with pytest.raises(StepladderError):
        accumulate(bad, "mean")


def test_an_unknown_accumulation_is_refused():
    with pytest.raises(StepladderError, match="unknown accumulation 'median'; choose one of geometric_mean"):
        accumulate([0.5], "median")
