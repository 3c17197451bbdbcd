"""Value of a state from its rollouts: estimators of the chance that the policy ends in a right answer.

``estimate`` takes the one that a study names. The others take the rewards of the K rollouts of one state, a 1-D
sequence, with whatever else belongs to each rollout in the same order, and give a float. Log-probabilities are
summed over the rollout's own tokens, in nats. Apart from ``shrinkage`` and ``similarity`` a value lies between the
least and the greatest reward, and is that reward if all are equal. Order never matters. Errors: ``StepladderError``
for no rollouts, for lengths that differ and for numbers that are not finite.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from stepladder.errors import StepladderError
from stepladder.study.specs.credit import Estimation

# Constants of the similarity value in the ProbPPO repository.
AGREEMENT_BONUS = 0.2
STRANGENESS_PENALTY = 0.1
# Of K rollouts this share must count for importance weights to be used.
LEAST_EFFECTIVE = 0.5


@dataclass(frozen=True)
class Rollout:
    """One rollout of a state: what it earned, and what the estimators ask of it.

    Attributes:
        reward: 1 for a right answer, else 0.
        text: the whole answer, what the state had said already included.
        length: its own tokens.
        logprob: of its own tokens together, under the policy at the temperature of sampling; 0 if not asked for.
        sampler_logprob: the same as they were sampled, cut by top_p.
    """

    reward: float
    text: str
    length: int
    logprob: float = 0.0
    sampler_logprob: float = 0.0


def estimate(rollouts: Sequence[Rollout], how: Estimation, prior: float) -> float:
    """The value of a state.

    Args:
        prior: mean value of the states of its question, which ``shrinkage`` leans to.
    """
    rewards = [rollout.reward for rollout in rollouts]
    sampled, lengths = [rollout.sampler_logprob for rollout in rollouts], [rollout.length for rollout in rollouts]
    match how.estimator:
        case "mean":
            return mean(rewards)
        case "shrinkage":
            return shrinkage(rewards, prior, how.prior_strength)
        case "probability_weighted":
            return probability_weighted(rewards, sampled, lengths, how.alpha, how.divisor)
        case "sequence_probability":
            return probability_weighted(rewards, sampled, lengths, alpha=0.0, divisor=1.0)
        case "importance_weighted":
            return importance_weighted(rewards, [rollout.logprob for rollout in rollouts], sampled)
        case "similarity":
            return similarity(rewards, [rollout.text for rollout in rollouts])


def effective_share(rollouts: Sequence[Rollout], how: Estimation) -> float | None:
    """The share of a state's rollouts that count under importance weights, in [1/K, 1]; None for other estimators."""
    if how.estimator != "importance_weighted":
        return None
    target, sampler = zip(*((rollout.logprob, rollout.sampler_logprob) for rollout in rollouts), strict=True)
    return effective_sample_size(target, sampler) / len(rollouts)


def mean(rewards: ArrayLike) -> float:
    """The plain Monte Carlo estimate: the mean reward. Source: VinePPO, arXiv 2410.01679."""
    numbers = _rollouts(rewards)
    return float(np.clip(numbers.mean(), numbers.min(), numbers.max()))


def shrinkage(rewards: ArrayLike, prior_mean: float, prior_strength: float) -> float:
    """Posterior mean under a Beta prior worth ``prior_strength`` rollouts that earned ``prior_mean``.

    A strength of 0 gives the plain mean. Without rollouts it gives ``prior_mean``, if the strength is above
    0.
    """
    numbers = _finite("rewards", rewards)
    if not (prior_strength >= 0 and np.isfinite(prior_mean)):
        raise StepladderError(
            f"shrinkage needs a finite prior mean and a strength >= 0; got {prior_mean} and {prior_strength}"
        )
    if numbers.size + prior_strength == 0:
        raise StepladderError("a value needs at least one rollout or a prior strength above 0")
    return float((numbers.sum() + prior_mean * prior_strength) / (numbers.size + prior_strength))


def probability_weighted(
    rewards: ArrayLike, logprobs: ArrayLike, lengths: ArrayLike, alpha: float = 0.7, divisor: float = 2.0
) -> float:
    """ProbPPO's value: rewards weighted by the softmax of logprob / (divisor * length^alpha).

    ``lengths``: tokens of each rollout, at least 1. ``alpha`` 0 and ``divisor`` 1 weigh by sequence
    probability. Rollouts are drawn from those probabilities already, so the weights count them twice and lean
    to likely rollouts.
    """
    numbers, logprobs, lengths = _rollouts(rewards, logprobs=logprobs, lengths=lengths)
    if np.any(lengths < 1):
        raise StepladderError("every rollout must have at least one token")
    return _weighted(numbers, _softmax(logprobs / (divisor * lengths**alpha)))


def importance_weighted(rewards: ArrayLike, target_logprobs: ArrayLike, sampler_logprobs: ArrayLike) -> float:
    """Value under the target policy of rollouts from another sampler: tempered, truncated or older.

    Self-normalised importance sampling, each weight limited to sqrt(K) times the mean weight (Ionides 2008,
    Truncated importance sampling). Falls back to the plain mean where the effective sample size is below half
    of K.
    """
    numbers, target, sampler = _rollouts(rewards, target_logprobs=target_logprobs, sampler_logprobs=sampler_logprobs)
    if effective_sample_size(target, sampler) < LEAST_EFFECTIVE * numbers.size:
        return mean(numbers)
    weights = _softmax(target - sampler)
    limited = np.minimum(weights, np.sqrt(weights.size) * weights.mean())
    return _weighted(numbers, limited / limited.sum())


def effective_sample_size(target_logprobs: ArrayLike, sampler_logprobs: ArrayLike) -> float:
    """How many of K rollouts count under the target policy: 1 / sum of squared weights, in [1, K]."""
    target, sampler = _rollouts(target_logprobs, sampler_logprobs=sampler_logprobs)
    return float(1 / np.sum(_softmax(target - sampler) ** 2))


def similarity(rewards: ArrayLike, texts: Sequence[str]) -> float:
    """What the ProbPPO repository really runs, for comparison only: it leaves the range of the rewards.

    c/n (1 + 0.2 s+) - (n - c)/n 0.1 (1 - s-): of n rollouts c are correct (reward 1, otherwise 0); s+ is the
    mean TF-IDF cosine of pairs of correct texts (1 for one text), s- the mean over wrong texts of the
    greatest cosine to a correct one, fitted on each pair. -0.1 without a correct text, 1.2 without a wrong
    one.
    """
    numbers = _rollouts(rewards)
    if len(texts) != numbers.size:
        raise StepladderError(f"rewards and texts must be of one length; got {numbers.size} and {len(texts)}")
    if not np.all((numbers == 0) | (numbers == 1)):
        raise StepladderError("the similarity value needs rewards of 0 or 1")
    right = [text for text, reward in zip(texts, numbers, strict=True) if reward == 1]
    wrong = [text for text, reward in zip(texts, numbers, strict=True) if reward == 0]
    if not right:
        return -STRANGENESS_PENALTY
    if not wrong:
        return 1 + AGREEMENT_BONUS
    agreement = _mean_cosine(right)
    closeness = float(np.mean([max(_mean_cosine([text, other]) for other in right) for text in wrong]))
    share = len(right) / numbers.size
    return share * (1 + AGREEMENT_BONUS * agreement) - (1 - share) * STRANGENESS_PENALTY * (1 - closeness)


def _mean_cosine(texts: list[str]) -> float:
    """Mean TF-IDF cosine over pairs of texts, fitted on them; 1 for one text, 0 if no text has a word."""
    if len(texts) == 1:
        return 1.0
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(stop_words="english")
    words = vectorizer.build_analyzer()
    if not any(words(text) for text in texts):
        return 0.0
    vectors = vectorizer.fit_transform(texts)
    cosines = (vectors @ vectors.T).toarray()
    return float(np.mean([cosines[pair] for pair in combinations(range(len(texts)), 2)]))


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def _weighted(rewards: np.ndarray, weights: np.ndarray) -> float:
    """Weighted mean; clipped, since rounding may carry it past the greatest reward."""
    return float(np.clip(weights @ rewards, rewards.min(), rewards.max()))


def _rollouts(rewards: ArrayLike, **others: ArrayLike) -> np.ndarray | tuple[np.ndarray, ...]:
    numbers = _finite("rewards", rewards)
    if numbers.size == 0:
        raise StepladderError("a value needs at least one rollout")
    companions = [_finite(name, other) for name, other in others.items()]
    for name, other in zip(others, companions, strict=True):
        if other.size != numbers.size:
            raise StepladderError(f"rewards and {name} must be of one length; got {numbers.size} and {other.size}")
    return (numbers, *companions) if others else numbers


def _finite(name: str, numbers: ArrayLike) -> np.ndarray:
    array = np.asarray(numbers, dtype=np.float64)
    if array.ndim != 1 or not np.all(np.isfinite(array)):
        raise StepladderError(f"{name} must be a 1-D sequence of finite numbers, one per rollout of one state")
    return array
