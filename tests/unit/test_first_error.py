"""First errors: prediction, threshold, accuracies and F1 against numbers worked out by hand and by search."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stepladder.errors import StepladderError
from stepladder.evaluation.first_error import (
    first_error,
    fit_threshold,
    harmonic_mean,
    judge,
    pad_steps,
    validation_part,
)

examples = settings(deadline=None, max_examples=80)
nan = math.nan
# Four solutions: the second, third and fourth have a first error at step 1, 0 and 2.
SCORES = [[0.9, 0.8], [0.7, 0.2, 0.1], [0.3, 0.9], [0.6, 0.9, 0.5]]
GOLD = [-1, 1, 0, 2]

solutions = st.lists(
    st.lists(st.integers(0, 6).map(float), min_size=1, max_size=4).flatmap(
        lambda steps: st.tuples(st.just(steps), st.integers(-1, len(steps) - 1))
    ),
    min_size=2,
    max_size=8,
)


def f1(predicted, gold) -> float:
    predicted, gold = np.asarray(predicted), np.asarray(gold)
    right = predicted == gold
    return float(harmonic_mean(right[gold >= 0].mean(), right[gold < 0].mean()))


def test_the_first_step_below_the_threshold():
    padded = pad_steps(SCORES)
    assert padded.shape == (4, 3) and np.isnan(padded[0, 2])
    assert first_error(padded, 0.4).tolist() == [-1, 1, 0, -1]
    assert first_error(padded, 0.2).tolist() == [-1, 2, -1, -1]
    assert first_error(padded, 0.55).tolist() == [-1, 1, 0, 2]
    assert first_error(padded, 2.0).tolist() == [0, 0, 0, 0]
    assert first_error(pad_steps([[], []]), 0.5).tolist() == [-1, -1]
    assert first_error(pad_steps([]), 0.5).size == 0


def test_f1_on_four_solutions_by_hand():
    found = judge([-1, 1, 0, -1], GOLD, list("abcd"), resamples=50)
    assert found.with_error.estimate == pytest.approx(2 / 3) and found.without_error.estimate == 1.0
    assert found.f1.estimate == pytest.approx(2 * (2 / 3) / (5 / 3))
    nothing = judge([0, -1, 1, 1], GOLD, list("abcd"), resamples=50)
    assert (nothing.with_error.estimate, nothing.without_error.estimate, nothing.f1.estimate) == (0, 0, 0)
    # A wrong step found at another place is no match.
    assert judge([-1, 2, 1, 0], GOLD, list("abcd"), resamples=50).with_error.estimate == 0.0


def test_an_accuracy_over_nothing_is_no_number():
    found = judge([0, 1], [0, 0], ["a", "b"], resamples=20)
    assert found.with_error.estimate == 0.5
    assert all(math.isnan(x) for x in (found.without_error.estimate, found.f1.estimate, found.f1.low, found.f1.high))


def test_the_threshold_lies_in_the_middle_of_the_widest_best_gap():
    # All four are right for a threshold in (0.5, 0.6]; no other gap is as good.
    assert fit_threshold(pad_steps(SCORES), GOLD) == pytest.approx(0.55)
    # In (-3, -2.5] one of two errors and both others are right, in (1, 2] both errors and one: as good, and wider.
    assert fit_threshold([[-3.0], [1.0], [2.0], [-2.5]], [0, 0, -1, -1]) == pytest.approx(1.5)
    assert fit_threshold([[4.0], [-3.0]], [-1, 0]) == pytest.approx(0.5)


@examples
@given(solutions)
def test_no_threshold_is_better_than_the_one_fitted(rows):
    steps, gold = zip(*rows, strict=True)
    assume(any(g >= 0 for g in gold) and any(g < 0 for g in gold))
    scores = pad_steps(steps)
    best = max(f1(first_error(scores, t), gold) for t in np.arange(-0.25, 7, 0.5))
    assert f1(first_error(scores, fit_threshold(scores, gold)), gold) == pytest.approx(best)


@examples
@given(solutions, st.randoms())
def test_neither_order_nor_padding_nor_a_monotone_change_matters(rows, random):
    steps, gold = zip(*rows, strict=True)
    assume(any(g >= 0 for g in gold) and any(g < 0 for g in gold))
    scores = pad_steps(steps)
    threshold = fit_threshold(scores, gold)
    order = list(range(len(rows)))
    random.shuffle(order)
    wide = np.concatenate([scores, np.full((len(rows), 2), nan)], axis=1)[order]
    assert fit_threshold(wide, np.array(gold)[order]) == threshold
    predicted = first_error(scores, threshold)
    assert first_error(wide, threshold).tolist() == predicted[order].tolist()
    moved = fit_threshold(5 * scores - 3, gold)
    assert first_error(5 * scores - 3, moved).tolist() == predicted.tolist()


@examples
@given(solutions)
def test_labels_as_scores_find_every_error_and_flipped_ones_none(rows):
    steps, gold = zip(*rows, strict=True)
    assume(any(g >= 0 for g in gold) and any(g < 0 for g in gold))
    labels = pad_steps([[float(g < 0 or i < g) for i in range(len(s))] for s, g in zip(steps, gold, strict=True)])
    assert first_error(labels, fit_threshold(labels, gold)).tolist() == list(gold)
    assert first_error(1 - labels, 0.5).tolist() != list(gold)


def test_validation_is_chosen_by_question_alone():
    questions = [f"q{i}" for i in range(2000)]
    chosen = validation_part(questions, 0.2)
    assert chosen.mean() == pytest.approx(0.2, abs=0.03)
    assert validation_part(questions[::-1] + questions, 0.2).tolist() == [*chosen[::-1], *chosen]
    assert (validation_part(questions, 0.4) >= chosen).all()


# --- uncertainty


def found_by_chance(share: float, count: int, seed: int) -> np.ndarray:
    """Predictions for solutions of which the first half has an error at step 0: right with the chance given."""
    generator = np.random.default_rng(seed)
    gold = np.repeat([0, -1], count // 2)
    return np.where(generator.random(count) < share, gold, 7)


def test_the_interval_is_about_what_theory_says():
    gold = np.repeat([0, -1], 400)
    found = judge(found_by_chance(0.7, 800, 0), gold, list(range(800)), resamples=3000)
    share = found.with_error.estimate
    error = math.sqrt(share * (1 - share) / 400)
    assert found.with_error.high - found.with_error.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert found.f1.low < found.f1.estimate < found.f1.high
    assert found.f1.high - found.f1.low < found.with_error.high - found.with_error.low


def test_solutions_of_one_question_are_drawn_together():
    gold = np.tile(np.repeat([0, -1], 30), 8)
    predicted = np.tile(found_by_chance(0.5, 60, 1), 8)
    together = judge(predicted, gold, list(range(60)) * 8, resamples=2000)
    apart = judge(predicted, gold, list(range(480)), resamples=2000)
    assert together.f1.estimate == apart.f1.estimate
    assert together.f1.high - together.f1.low > 2 * (apart.f1.high - apart.f1.low)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_threshold([[0.1, 0.2]], [0]), "solutions without; one is missing"),
        (lambda: fit_threshold([[0.1], [0.2]], [1, -1]), "solution 0 has 1 steps, but its first error is step 1"),
        (lambda: fit_threshold([[0.1], [0.2]], [0, -2]), "its first error is step -2"),
        (lambda: fit_threshold([[math.inf], [0.2]], [0, -1]), "finite"),
        (lambda: fit_threshold([0.1], [0]), "solutions, steps"),
        (lambda: judge([0], [0, 1], ["a", "b"]), "needs a prediction"),
        (lambda: judge([], [], []), "needs a prediction"),
        (lambda: validation_part(["a"], 0.0), "between 0 and 1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(StepladderError, match=message):
        call()
