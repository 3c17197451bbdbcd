"""Bootstrap intervals, paired differences and tests of several pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.errors import StepladderError
from stepladder.evaluation.statistics import (
    bootstrap_mean,
    holm,
    paired_difference,
    paired_tests,
    resampled_sums,
)

examples = settings(deadline=None, max_examples=30)


def coin(seeds: int, questions: int, share: float, random: int) -> np.ndarray:
    return (np.random.default_rng(random).random((seeds, questions)) < share).astype(float)


def test_one_seed_gives_the_textbook_interval():
    scores = coin(1, 900, 0.7, 0)
    interval = bootstrap_mean(scores, resamples=4000)
    error = scores.std() / np.sqrt(900)
    assert interval.estimate == pytest.approx(scores.mean())
    assert interval.low == pytest.approx(scores.mean() - 1.96 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(scores.mean() + 1.96 * error, abs=0.15 * error)
    narrow = bootstrap_mean(scores, resamples=4000, level=0.5)
    assert narrow.high - narrow.low == pytest.approx(2 * 0.6745 * error, rel=0.1)


def test_the_estimate_of_several_sets_is_the_mean_of_their_means():
    scores = np.array([[1, 1, 1, 0, 0.0], [1, 1, 0, 0, 1.0]])
    strata = ["x", "x", "x", "y", "y"]
    assert bootstrap_mean(scores, strata).estimate == pytest.approx((5 / 6 + 1 / 4) / 2)
    assert bootstrap_mean(scores).estimate == pytest.approx(0.6)
    assert paired_difference(scores, np.zeros_like(scores), strata).estimate == pytest.approx((5 / 6 + 1 / 4) / 2)


def test_questions_are_resampled_inside_their_set():
    # Constant inside each set, so that only a draw across sets could move the mean.
    scores = np.repeat([[1.0, 0.0, 0.5]], 40, axis=1)
    interval = bootstrap_mean(scores, np.repeat(["a", "b", "c"], 40))
    assert interval.low == interval.high == pytest.approx(0.5)
    assert bootstrap_mean(scores).high > bootstrap_mean(scores).low


def test_error_of_a_mean_of_sets_adds_over_sets():
    parts = [coin(1, 400, 0.5, 1), coin(1, 100, 0.8, 2), coin(1, 25, 0.4, 3)]
    strata = np.repeat(["a", "b", "c"], [400, 100, 25])
    interval = bootstrap_mean(np.concatenate(parts, axis=1), strata, resamples=4000)
    error = np.sqrt(sum(part.var() / part.size for part in parts)) / 3
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_seeds_are_resampled_when_there_are_several():
    by_seed = np.repeat(np.linspace(0.0, 1.0, 8)[:, None], 500, axis=1)
    interval = bootstrap_mean(by_seed, resamples=4000)
    error = np.linspace(0, 1, 8).std() / np.sqrt(8)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert bootstrap_mean(by_seed[:1]).low == bootstrap_mean(by_seed[:1]).high


def test_questions_are_drawn_once_for_all_seeds():
    # The same scores in all seeds hold no more questions than one seed does.
    scores = coin(1, 300, 0.5, 4)
    one = bootstrap_mean(scores, resamples=4000)
    many = bootstrap_mean(np.repeat(scores, 20, axis=0), resamples=4000)
    assert many.high - many.low == pytest.approx(one.high - one.low, rel=0.1)


def test_the_seed_fixes_the_interval():
    scores = coin(3, 200, 0.6, 5)
    assert bootstrap_mean(scores, seed=7) == bootstrap_mean(scores, seed=7)
    assert bootstrap_mean(scores, seed=7) != bootstrap_mean(scores, seed=8)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    generator = np.random.default_rng(6)
    hits = 0
    for trial in range(200):
        ability = generator.beta(2, 2, size=120)
        scores = (generator.random((6, 120)) < ability).astype(float)
        interval = bootstrap_mean(scores, resamples=300, seed=trial)
        hits += interval.low <= 0.5 <= interval.high
    assert 178 <= hits <= 200


def test_many_resamples_of_many_questions_come_in_pieces(monkeypatch):
    scores = coin(2, 50, 0.5, 9)
    whole = bootstrap_mean(scores, resamples=500)
    monkeypatch.setattr("stepladder.evaluation.statistics.LARGEST_DRAW", 700)
    assert bootstrap_mean(scores, resamples=500) == whole


# --- paired differences


def test_a_constant_gain_is_certain_and_no_gain_is_not():
    baseline = coin(3, 100, 0.4, 10)
    gain = paired_difference(baseline + 0.05, baseline, resamples=999)
    assert gain.low == pytest.approx(0.05) and gain.high == pytest.approx(0.05)
    assert gain.p_value == pytest.approx(2 / 1000)
    none = paired_difference(baseline, baseline)
    assert (none.estimate, none.low, none.high, none.p_value) == (0, 0, 0, 1)


def test_pairing_removes_the_difficulty_of_questions():
    generator = np.random.default_rng(11)
    difficulty = generator.random(400)
    baseline = np.clip(difficulty + 0.02 * generator.standard_normal((2, 400)), 0, 1)
    better = np.clip(difficulty + 0.02 + 0.02 * generator.standard_normal((2, 400)), 0, 1)
    paired = paired_difference(better, baseline)
    apart = bootstrap_mean(better).high - bootstrap_mean(better).low
    assert paired.low > 0 and paired.p_value < 0.01
    assert paired.high - paired.low < apart / 3


def test_p_values_without_a_difference_are_uniform_enough():
    generator = np.random.default_rng(12)
    p = [paired_difference(*generator.random((2, 1, 60)), resamples=300, seed=trial).p_value for trial in range(200)]
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.11
    assert 0.4 <= np.mean(p) <= 0.6


@examples
@given(st.integers(0, 1000))
def test_swapping_the_sides_negates_the_difference(random):
    a, b = coin(2, 60, 0.5, random), coin(2, 60, 0.55, random + 5000)
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert back.estimate == pytest.approx(-there.estimate)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert back.p_value == there.p_value


@examples
@given(st.integers(0, 1000))
def test_the_p_value_and_the_interval_agree(random):
    a, b = coin(1, 80, 0.5, random), coin(1, 80, 0.66, random + 5000)
    result = paired_difference(a, b, resamples=1000)
    if result.p_value < 0.045:
        assert not result.low <= 0 <= result.high
    if result.p_value > 0.055:
        assert result.low <= 0 <= result.high


# --- several pairs


def test_holm_by_hand():
    # Sorted: .01 * 4, .02 * 3, .03 * 2, .5 * 1; and none less than one before it.
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([0.4, 0.4]) == pytest.approx([0.8, 0.8]) and holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


@examples
@given(st.lists(st.floats(0, 1), max_size=8), st.randoms())
def test_holm_keeps_the_order_and_lowers_nothing(p_values, random):
    adjusted = holm(p_values)
    assert all(
        p <= q <= min(1, len(p_values) * p) or q == pytest.approx(p) for p, q in zip(p_values, adjusted, strict=True)
    )
    places = list(range(len(p_values)))
    random.shuffle(places)
    assert holm([p_values[i] for i in places]) == pytest.approx([adjusted[i] for i in places])


def test_every_pair_is_tested_and_adjusted():
    good, same, bad = coin(2, 200, 0.8, 1), coin(2, 200, 0.5, 2), coin(2, 200, 0.5, 3)
    found = paired_tests({"good": good, "same": same, "bad": bad}, resamples=999)
    assert list(found) == [("good", "same"), ("good", "bad"), ("same", "bad")]
    alone = paired_difference(good, bad, resamples=999)
    pair = found["good", "bad"]
    assert (pair.estimate, pair.low, pair.high) == (alone.estimate, alone.low, alone.high)
    assert pair.p_value == pytest.approx(3 * alone.p_value) and found["same", "bad"].p_value > 0.05


def test_resampled_sums_draw_the_same_questions_for_all_columns_in_pieces_or_whole(monkeypatch):
    columns = np.random.default_rng(0).random((40, 2))
    both = resampled_sums(columns, 200, 5)
    assert np.allclose(both[:, :1], resampled_sums(columns[:, :1], 200, 5))
    assert np.allclose(resampled_sums(np.ones((40, 1)), 200, 5), 40)
    assert both.mean(0) == pytest.approx(columns.sum(0), rel=0.05)
    monkeypatch.setattr("stepladder.evaluation.statistics.LARGEST_DRAW", 700)
    assert np.allclose(resampled_sums(columns, 200, 5), both)


@pytest.mark.parametrize(
    "call",
    [
        lambda: bootstrap_mean([0.1, 0.2]),
        lambda: bootstrap_mean(np.zeros((2, 0))),
        lambda: bootstrap_mean([[np.nan, 1.0]]),
        lambda: bootstrap_mean([[0.0, 1.0]], ["a"]),
        lambda: bootstrap_mean([[0.0, 1.0]], resamples=0),
        lambda: bootstrap_mean([[0.0, 1.0]], level=1.0),
        lambda: paired_difference([[0.0, 1.0]], [[0.0], [1.0]]),
        lambda: resampled_sums(np.ones((3, 1)), 0, 0),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(StepladderError):
        call()
