"""Estimators of a state's value from its rollouts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.errors import StepladderError
from stepladder.policies.values import (
    effective_sample_size,
    importance_weighted,
    mean,
    probability_weighted,
    shrinkage,
    similarity,
)

examples = settings(deadline=None, max_examples=80)
rollouts = st.lists(
    st.tuples(st.floats(0, 1), st.floats(-60, 0), st.integers(1, 80), st.floats(-60, 0)),
    min_size=1,
    max_size=12,
)
STORIES = ["three apples and four pears make seven fruits", "seven fruits altogether", "cars drive quickly"]


def test_mean():
    assert mean([1, 0, 0, 1, 1]) == pytest.approx(0.6)


def test_shrinkage_adds_rollouts_of_the_prior():
    assert shrinkage([1, 1, 0], prior_mean=0.25, prior_strength=2.0) == pytest.approx((2 + 0.5) / 5)
    assert shrinkage([1, 0], prior_mean=0.9, prior_strength=0.0) == pytest.approx(0.5)
    assert shrinkage([], prior_mean=0.3, prior_strength=1.0) == pytest.approx(0.3)
    assert shrinkage([1] * 9, prior_mean=0.0, prior_strength=1e9) == pytest.approx(0.0, abs=1e-7)


def test_shrinkage_by_the_published_moments_is_the_beta_posterior_mean():
    a, b = 0.26, 0.36
    value = shrinkage([1, 1, 1, 0, 0, 0, 0, 0, 0], prior_mean=a / (a + b), prior_strength=a + b)
    assert value == pytest.approx((a + 3) / (a + b + 9))


def test_probability_weights_by_hand():
    rewards, logprobs, lengths = [1, 0, 1], [-4.0, -10.0, -2.0], [10, 30, 5]
    weights = np.exp(np.array(logprobs) / (2 * np.array(lengths) ** 0.7))
    expected = (weights[0] + weights[2]) / sum(weights)
    assert probability_weighted(rewards, logprobs, lengths) == pytest.approx(expected, rel=1e-12)
    likelihood = np.exp(logprobs)
    by_sequence = probability_weighted(rewards, logprobs, lengths, alpha=0.0, divisor=1.0)
    assert by_sequence == pytest.approx((likelihood[0] + likelihood[2]) / sum(likelihood), rel=1e-12)
    by_token = probability_weighted(rewards, logprobs, lengths, alpha=1.0, divisor=1.0)
    weights = np.exp(np.divide(logprobs, lengths))
    assert by_token == pytest.approx((weights[0] + weights[2]) / sum(weights), rel=1e-12)


def test_importance_weights_by_hand():
    target, sampler = [-1.0, -2.0, -1.5, -1.2], [-1.1, -1.8, -1.9, -1.2]
    weights = np.exp(np.subtract(target, sampler))
    assert effective_sample_size(target, sampler) == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    expected = (weights[0] + weights[2]) / weights.sum()
    assert importance_weighted([1, 0, 1, 0], target, sampler) == pytest.approx(expected, rel=1e-12)


def test_a_great_importance_weight_is_limited_to_a_multiple_of_the_mean_weight():
    target, sampler, rewards = [math.log(5.0)] + [0.0] * 8, [0.0] * 9, [1] + [0] * 8
    assert effective_sample_size(target, sampler) == pytest.approx(13**2 / (25 + 8))
    limit = 3 * 13 / 9
    assert importance_weighted(rewards, target, sampler) == pytest.approx(limit / (limit + 8), rel=1e-12)
    assert limit < 5


def test_few_effective_rollouts_fall_back_to_the_mean():
    target, sampler = [0.0, -50.0, -50.0, -50.0], [-20.0, -20.0, -20.0, -20.0]
    assert effective_sample_size(target, sampler) == pytest.approx(1.0)
    assert importance_weighted([1, 0, 0, 0], target, sampler) == pytest.approx(0.25)


def test_importance_weighting_removes_the_bias_of_another_sampler():
    generator = np.random.default_rng(0)
    policy, behaviour = np.array([0.5, 0.3, 0.2]), np.array([0.35, 0.35, 0.3])
    rewards = np.array([1.0, 0.0, 0.0])
    drawn = generator.choice(3, p=behaviour, size=(2000, 16))
    values = [importance_weighted(rewards[row], np.log(policy[row]), np.log(behaviour[row])) for row in drawn]
    assert np.mean(rewards[drawn]) == pytest.approx(0.35, abs=0.02)
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)


def estimates(rows) -> dict[str, float]:
    rewards, logprobs, lengths, others = zip(*rows, strict=True)
    return {
        "mean": mean(rewards),
        "probability": probability_weighted(rewards, logprobs, lengths),
        "sequence": probability_weighted(rewards, logprobs, lengths, alpha=0.0, divisor=1.0),
        "importance": importance_weighted(rewards, logprobs, others),
    }


@examples
@given(rollouts)
def test_values_lie_within_the_rewards(rows):
    rewards = [row[0] for row in rows]
    for value in estimates(rows).values():
        assert min(rewards) <= value <= max(rewards)


@examples
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0, 1), st.floats(0, 50), st.randoms())
def test_shrinkage_lies_between_the_mean_and_the_prior_in_any_order(rewards, prior, strength, random):
    value, average = shrinkage(rewards, prior, strength), sum(rewards) / len(rewards)
    assert min(average, prior) - 1e-12 <= value <= max(average, prior) + 1e-12
    assert min(*rewards, prior) - 1e-12 <= value <= max(*rewards, prior) + 1e-12
    assert abs(shrinkage(rewards, prior, 2 * strength) - prior) <= abs(value - prior) + 1e-12
    shuffled = list(rewards)
    random.shuffle(shuffled)
    assert shrinkage(shuffled, prior, strength) == pytest.approx(value, abs=1e-12)


@examples
@given(rollouts, st.floats(0, 1))
def test_equal_rewards_are_the_value(rows, reward):
    for value in estimates([(reward, *row[1:]) for row in rows]).values():
        assert value == reward


@examples
@given(rollouts, st.randoms())
def test_the_order_of_rollouts_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert estimates(shuffled) == pytest.approx(estimates(rows), rel=1e-9, abs=1e-12)


@examples
@given(rollouts)
def test_twice_the_same_rollouts_give_the_same_value(rows):
    for name, value in estimates(rows + rows).items():
        if name != "importance":
            assert value == pytest.approx(estimates(rows)[name], rel=1e-9, abs=1e-12)


@examples
@given(st.lists(st.integers(0, 1), min_size=2, max_size=9))
def test_equal_probabilities_give_the_mean(rewards):
    same = [-7.5] * len(rewards)
    assert probability_weighted(rewards, same, [12] * len(rewards)) == pytest.approx(mean(rewards))
    assert importance_weighted(rewards, same, same) == pytest.approx(mean(rewards))
    assert effective_sample_size(same, same) == pytest.approx(len(rewards))


# --- the published similarity value


def test_similarity_without_right_or_wrong_answers():
    assert similarity([0, 0, 0], STORIES) == pytest.approx(-0.1)
    assert similarity([1, 1, 1], STORIES) == pytest.approx(1.2)
    assert similarity([1], ["x"]) == pytest.approx(1.2)


def test_similarity_by_hand():
    same = ["red green", "red green", "blue black"]
    assert similarity([1, 1, 0], same) == pytest.approx(2 / 3 * 1.2 - 1 / 3 * 0.1)
    assert similarity([1, 0, 0], ["red green", "red green", "blue black"]) == pytest.approx(
        1 / 3 * 1.2 - 2 / 3 * 0.1 * (1 - 0.5)
    )
    # Two texts that share one of two words: the shared word has idf 1, the others 1 + ln(3/2).
    cosine = 1 / (1 + (1 + math.log(1.5)) ** 2)
    value = similarity([1, 0], ["red green", "red blue"])
    assert value == pytest.approx(0.5 * 1.2 - 0.5 * 0.1 * (1 - cosine))
    value = similarity([1, 1, 0], ["red green", "red blue", "black"])
    idf = math.log(3 / 2) + 1
    assert idf == 1 + math.log(1.5)
    assert value == pytest.approx(2 / 3 * (1 + 0.2 * cosine) - 1 / 3 * 0.1)
    # A wrong text counts by the right one it is closest to.
    value = similarity([1, 1, 0], ["red green", "blue black", "red green"])
    assert value == pytest.approx(2 / 3)


@pytest.mark.parametrize("texts", [["", "", ""], ["the", "of", "a"], ["a", "1", "?"], ["word", "", "word"]])
def test_similarity_of_texts_without_words(texts):
    assert -0.1 <= similarity([1, 1, 0], texts) <= 1.2


@examples
@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from([*STORIES, "", "the"])), min_size=1, max_size=6),
    st.randoms(),
)
def test_similarity_ignores_order_and_keeps_its_range(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    value = similarity(*zip(*rows, strict=True))
    assert -0.1 - 1e-12 <= value <= 1.2 + 1e-12
    assert similarity(*zip(*shuffled, strict=True)) == pytest.approx(value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: mean([]),
        lambda: mean([[1.0]]),
        lambda: mean([float("nan")]),
        lambda: shrinkage([], 0.5, 0.0),
        lambda: shrinkage([1], 0.5, -1.0),
        lambda: shrinkage([1], float("nan"), 1.0),
        lambda: probability_weighted([], [], []),
        lambda: probability_weighted([1, 0], [-1.0], [3, 4]),
        lambda: probability_weighted([1, 0], [-1.0, -2.0], [3, 0]),
        lambda: probability_weighted([1, 0], [-1.0, float("-inf")], [3, 4]),
        lambda: importance_weighted([1, 0], [-1.0, -2.0], [-1.0]),
        lambda: similarity([], []),
        lambda: similarity([1, 0], ["a"]),
        lambda: similarity([0.5, 0], ["a", "b"]),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(StepladderError):
        call()
