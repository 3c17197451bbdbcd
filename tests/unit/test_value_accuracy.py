"""Values judged on synthetic trees whose true chances are known: what is measured must be what is true."""

import numpy as np
import pytest

from stepladder.errors import StepladderError
from stepladder.evaluation.statistics import interval_of
from stepladder.evaluation.step_measures import Bootstrap
from stepladder.evaluation.value_accuracy import ValuedStates, accuracy, errors_by_step, held_out

DRAWS = Bootstrap(400, 0)
QUESTIONS, STATES = 150, 4


def tree(chances: np.ndarray, rollouts: int, seed: int) -> np.ndarray:
    """(questions * states, rollouts) rewards, from (questions, states) chances."""
    return (np.random.default_rng(seed).random((chances.size, rollouts)) < chances.reshape(-1, 1)).astype(float)


def judged(rewards: np.ndarray, k: int, value, most: int = 8, states: int = STATES) -> ValuedStates:
    """``value``: from (states, K) rewards to (states,) values."""
    runs = held_out(rewards, k, most)
    return ValuedStates(
        values=np.stack([value(rewards[:, place]) for place, _ in runs], axis=1),
        truth=np.stack([truth for _, truth in runs], axis=1),
        trials=rewards.shape[1] - k,
        question=np.repeat(np.arange(len(rewards) // states), states),
        step=np.tile(np.arange(states), len(rewards) // states),
        tokens=np.full(len(rewards), 10.0 * k),
    )


def mean(rewards):
    return rewards.mean(1)


@pytest.fixture(scope="module")
def chances():
    """(questions, states) that vary from question to question and from step to step."""
    rng = np.random.default_rng(5)
    return np.clip(rng.beta(1, 1, (QUESTIONS, 1)) + rng.normal(0, 0.15, (QUESTIONS, STATES)), 0, 1)


def interval(found, name):
    return interval_of(found[name].estimate, found[name].resampled, 0.99)


@pytest.mark.parametrize(("k", "rollouts"), [(1, 64), (3, 24), (9, 256)])
def test_bias_and_mse_of_the_plain_mean_are_the_analytic_ones(chances, k, rollouts):
    """Bias 0 and MSE p (1 - p) / K, whatever the number of rollouts that the truth is made from."""
    found = accuracy([judged(tree(chances, rollouts, seed), k, mean) for seed in (1, 2)], QUESTIONS, DRAWS)
    bias, mse = interval(found, "bias"), interval(found, "mse")
    analytic = float((chances * (1 - chances)).mean() / k)
    assert bias.low < 0 < bias.high and mse.low < analytic < mse.high
    assert mse.high - mse.low < analytic, "an interval that tells it from half and from double"
    assert found["tokens"].estimate == 10 * k


def test_mse_without_the_correction_would_be_too_high(chances):
    """With 3 rollouts of 6 as the truth, half of the squared error is the truth's."""
    valued = judged(tree(chances, 6, 3), 3, mean)
    analytic = float((chances * (1 - chances)).mean() / 3)
    raw = float(((valued.values - valued.truth) ** 2).mean())
    found = accuracy([valued], QUESTIONS, DRAWS)
    assert raw > 1.7 * analytic and interval(found, "mse").low < analytic < interval(found, "mse").high


@pytest.mark.parametrize("offset", [-0.1, 0.05])
def test_bias_and_mse_of_shifted_and_of_shrunk_means_are_the_analytic_ones(chances, offset):
    noise, variance = chances * (1 - chances), float(((chances - 0.5) ** 2).mean())
    rewards = tree(chances, 128, 4)
    shifted = accuracy([judged(rewards, 5, lambda own: mean(own) + offset)], QUESTIONS, DRAWS)
    assert interval(shifted, "bias").low < offset < interval(shifted, "bias").high
    assert interval(shifted, "mse").low < noise.mean() / 5 + offset**2 < interval(shifted, "mse").high
    shrunk = accuracy([judged(rewards, 5, lambda own: (5 * mean(own) + 5 * 0.5) / 10)], QUESTIONS, DRAWS)
    expected = float(noise.mean() / 5 / 4 + variance / 4)
    assert interval(shrunk, "mse").low < expected < interval(shrunk, "mse").high
    assert shrunk["mse"].estimate != pytest.approx(shifted["mse"].estimate, rel=0.05)


def test_true_chances_have_no_error(chances):
    rewards = tree(chances, 64, 6)
    whole = ValuedStates(
        chances.reshape(-1, 1), rewards.mean(1, keepdims=True), 64, np.repeat(np.arange(QUESTIONS), STATES),
        np.tile(np.arange(STATES), QUESTIONS), np.zeros(QUESTIONS * STATES),
    )  # fmt: skip
    found = accuracy([whole], QUESTIONS, DRAWS)
    assert interval(found, "mse").low < 0 < interval(found, "mse").high < 2e-3
    assert 0 < found["mae"].estimate < 0.06, "that of the truth"


def test_agreement_within_questions_is_not_fooled_by_differences_between_them():
    easy_or_hard = np.repeat(np.random.default_rng(0).beta(1, 1, (QUESTIONS, 1)), STATES, axis=1)
    found = accuracy([judged(tree(easy_or_hard, 256, 7), 9, mean)], QUESTIONS, DRAWS)
    assert found["between"].estimate > 0.95
    assert interval(found, "within").low < 0 < interval(found, "within").high and abs(found["within"].estimate) < 0.1


def test_agreement_between_questions_is_not_fooled_by_differences_of_steps():
    same = np.tile([0.1, 0.4, 0.6, 0.9], (QUESTIONS, 1))
    found = accuracy([judged(tree(same, 256, 8), 9, mean)], QUESTIONS, DRAWS)
    assert found["within"].estimate > 0.9
    assert interval(found, "between").low < 0 < interval(found, "between").high
    asleep = accuracy([judged(tree(same, 64, 8), 9, lambda own: np.full(len(own), 1 / 3))], QUESTIONS, DRAWS)
    assert np.isnan(asleep["within"].estimate) and np.isnan(asleep["between"].estimate), "what never varies has none"


def test_the_correlation_is_pearsons():
    rng = np.random.default_rng(1)
    values, truth = rng.random((12, 1)), rng.random((12, 1))
    question = np.repeat(np.arange(3), 4)
    found = accuracy(
        [ValuedStates(values, truth, 9, question, np.zeros(12), np.zeros(12))], 5, DRAWS
    )  # two questions without a state
    own = [each - np.repeat(each.reshape(3, 4).mean(1), 4)[:, None] for each in (values, truth)]
    means = [each.reshape(3, 4).mean(1) for each in (values, truth)]
    assert found["within"].estimate == pytest.approx(np.corrcoef(own[0][:, 0], own[1][:, 0])[0, 1])
    assert found["between"].estimate == pytest.approx(np.corrcoef(*means)[0, 1])


def test_no_value_is_judged_by_a_rollout_that_it_has_read():
    rewards = np.arange(20.0).reshape(2, 10) ** 2
    runs = held_out(rewards, 3, 99)
    assert [place for place, _ in runs] == [slice(0, 3), slice(3, 6), slice(6, 9)]
    for place, truth in runs:
        others = np.delete(rewards, range(place.start, place.stop), axis=1)
        assert truth == pytest.approx(others.mean(1))
    assert len(held_out(rewards, 3, 2)) == 2 and len(held_out(rewards, 8, 9)) == 1
    with pytest.raises(StepladderError, match="9 of 10 rollouts"):
        held_out(rewards, 9, 1)


def test_errors_by_step_are_means_over_the_states_of_all_seeds():
    def one(values, truth, step):
        column = [np.array(each, dtype=float)[:, None] for each in (values, truth)]
        return ValuedStates(*column, 9, np.zeros(len(step), dtype=int), np.array(step), np.zeros(len(step)))

    found = errors_by_step([one([0.5, 0.5, 1], [0, 1, 0.9], [0, 2, 0]), one([0.2], [0.5], [2])])
    assert [(each.step, each.states) for each in found] == [(0, 2), (2, 2)]
    assert [each.mean_absolute_error for each in found] == pytest.approx([0.3, 0.4])
