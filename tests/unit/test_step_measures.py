"""Measures of step scores with their bootstrap, against the plain functions and against drawing by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scored_chains import steps_of

from stepladder.evaluation.calibration import expected_calibration_error, order_accuracy, step_auc
from stepladder.evaluation.first_error import first_error, fit_threshold, judge, pad_steps, validation_part
from stepladder.evaluation.process_bench import ACCURACIES, threshold_of
from stepladder.evaluation.statistics import drawn_questions
from stepladder.evaluation.step_measures import Bootstrap, measure

DRAWS = Bootstrap(resamples=40, seed=3)


def random_chains(count: int, seed: int = 0, skill: float = 1.0):
    rng = np.random.default_rng(seed)
    chains = []
    for place in range(count):
        labels = (rng.random(rng.integers(1, 6)) < 0.7).astype(float)
        logits = skill * (2 * labels - 1) + rng.normal(size=len(labels))
        chains.append((place // 2, np.round(logits, 1).tolist(), labels.tolist()))
    return chains


def names(chains) -> list[str]:
    return [f"q{place}" for place in range(1 + max(question for question, _, _ in chains))]


def test_estimates_are_those_of_the_plain_functions():
    chains = random_chains(80)
    steps, questions = steps_of(chains), names(chains)
    found = {name: each.estimate for name, each in measure([steps], questions, 1.0, 0.4, DRAWS).items()}
    right = steps.labels >= 0.5
    open_ = ~steps.finished
    assert found["step_auc"] == pytest.approx(step_auc(steps.logits, steps.labels))
    assert found["unfinished_step_auc"] == pytest.approx(step_auc(steps.logits[open_], steps.labels[open_]))
    assert found["order_accuracy"] == pytest.approx(order_accuracy(steps.logits, steps.labels, steps.trajectory))
    assert found["right_above_zero"] == pytest.approx(np.mean(steps.logits[right] > 0))
    assert found["wrong_below_margin"] == pytest.approx(np.mean(steps.logits[~right] < -1))
    calibration = expected_calibration_error(steps.probabilities, steps.labels)
    assert found["calibration_error"] == pytest.approx(calibration.error)
    fitting = validation_part(questions, 0.4)[[question for question, _, _ in chains]]
    scores = pad_steps([logits for _, logits, _ in chains])
    gold = first_error(pad_steps([labels for _, _, labels in chains]), 0.5)
    threshold = fit_threshold(scores[fitting], gold[fitting])
    assert threshold_of(steps, validation_part(questions, 0.4)) == threshold
    others = [questions[question] for (question, _, _), fits in zip(chains, fitting, strict=True) if not fits]
    expected = judge(first_error(scores[~fitting], threshold), gold[~fitting], others)
    assert [found[name] for name in ACCURACIES] == pytest.approx(
        [expected.with_error.estimate, expected.without_error.estimate, expected.f1.estimate]
    )


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000))
def test_a_resample_is_the_measure_of_the_questions_it_drew(seed):
    chains = random_chains(12, seed)
    questions = names(chains)
    found = measure([steps_of(chains)], questions, 0.0, 0.3, Bootstrap(5, seed))
    (counts,) = drawn_questions(len(questions), 5, seed)
    for place, drawn in enumerate(counts):
        again = steps_of([chain for chain in chains for _ in range(drawn[chain[0]])])
        expected = {
            "step_auc": step_auc(again.logits, again.labels),
            "order_accuracy": order_accuracy(again.logits, again.labels, again.trajectory),
            "calibration_error": expected_calibration_error(again.probabilities, again.labels).error,
        }
        for name, value in expected.items():
            assert found[name].resampled[place] == pytest.approx(value, nan_ok=True), name


def test_several_seeds_are_averaged_and_drawn():
    chains = [random_chains(40, seed, skill) for seed, skill in ((0, 3.0), (1, 0.0))]
    questions = names(chains[0])
    both = measure([steps_of(each) for each in chains], questions, 0.0, 0.3, Bootstrap(400, 0))["step_auc"]
    alone = [measure([steps_of(each)], questions, 0.0, 0.3, Bootstrap(400, 0))["step_auc"] for each in chains]
    assert both.estimate == pytest.approx(np.mean([each.estimate for each in alone]))
    # Half of the resamples draw one seed twice, and so lie near that seed's value.
    near = [np.mean(abs(both.resampled - each.estimate) < 0.1) for each in alone]
    assert all(0.15 < share < 0.4 for share in near)


def test_the_same_draws_for_two_prms_make_their_difference_sharp():
    good, better = random_chains(60, 0, 1.0), random_chains(60, 0, 1.2)
    questions = names(good)
    one, other = (
        measure([steps_of(each)], questions, 0.0, 0.3, Bootstrap(300, 1))["step_auc"] for each in (good, better)
    )
    assert np.std(other.resampled - one.resampled) < 0.5 * np.std(one.resampled)


def test_what_does_not_exist_is_nan():
    chains = [(0, [1.0, 2.0], [1.0, 1.0]), (1, [0.5], [1.0])]
    found = measure([steps_of(chains)], ["a", "b"], 0.0, 0.5, DRAWS)
    missing = {name for name, each in found.items() if np.isnan(each.estimate)}
    assert missing == {
        "step_auc", "unfinished_step_auc", "order_accuracy", "wrong_below_margin", "with_error", "without_error", "f1"
    }  # fmt: skip
    assert found["right_above_zero"].estimate == 1.0
    assert threshold_of(steps_of(chains), np.array([True, True])) is None
