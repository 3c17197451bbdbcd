"""Uncertainty of accuracies: bootstrap over questions and seeds, paired differences, tests of several pairs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from stepladder.errors import StepladderError

LARGEST_DRAW = 4_000_000
"""Question indices drawn at once, which bounds the memory of the bootstrap."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval, in the units of the scores."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference with its confidence interval and two-sided p-value."""

    estimate: float
    low: float
    high: float
    p_value: float


def bootstrap_mean(
    scores: ArrayLike,
    strata: ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean score with a percentile bootstrap interval over questions and, if there are several, seeds.

    ``scores``: (seeds, questions), the same questions in every seed. ``strata``: (questions,), the data set
    of each question; the estimate is then the unweighted mean of the data sets' means, and questions are
    resampled inside their set. Each resample draws the questions once for all seeds, and the seeds as well.
    The same ``seed`` gives the same interval. Source: Efron and Tibshirani, An Introduction to the Bootstrap,
    1993, chapter 13.

    An interval over few seeds that really differ is too short. With seeds 5 points apart (standard deviation)
    and 900 questions, 300 trials each, the 95 % interval held the truth in 86 % of the trials with 3 seeds,
    90 % with 5 and 93 % with 10; in 98 % with 3 seeds that do not differ.
    """
    numbers = _matrix(scores)
    return interval_of(_mean_of_sets(numbers, strata), _resampled_means(numbers, strata, resamples, seed), level)


def paired_difference(
    scores: ArrayLike,
    baseline: ArrayLike,
    strata: ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Mean of ``scores - baseline`` over the same seeds and questions; arguments as in ``bootstrap_mean``.

    The two are resampled together; for the p-value see ``difference_of``.
    """
    numbers, others = _matrix(scores), _matrix(baseline)
    if numbers.shape != others.shape:
        raise StepladderError(
            f"a paired difference needs the same seeds and questions; got {numbers.shape} and {others.shape}"
        )
    differences = numbers - others
    means = _resampled_means(differences, strata, resamples, seed)
    return difference_of(_mean_of_sets(differences, strata), means, level)


def paired_tests(
    scores: Mapping[str, ArrayLike], strata: ArrayLike | None = None, resamples: int = 2000, seed: int = 0
) -> dict[tuple[str, str], Difference]:
    """The first less the second, for each pair of several PRMs, methods or rows, in the order given.

    ``scores``: (seeds, questions) by name, the same seeds and questions; the other arguments are those of
    ``bootstrap_mean``. The p-values are Holm's: over all the pairs, the chance that any of those called
    different at a level is not is at most that level. The intervals are each pair's own.
    """
    pairs = {
        (one, other): paired_difference(scores[one], scores[other], strata, resamples, seed=seed)
        for one, other in combinations(scores, 2)
    }
    return adjusted_for_several(pairs)


def adjusted_for_several(pairs: Mapping[tuple[str, str], Difference]) -> dict[tuple[str, str], Difference]:
    """The same differences with Holm's p-values."""
    adjusted = holm([pair.p_value for pair in pairs.values()])
    return {names: replace(pair, p_value=p) for (names, pair), p in zip(pairs.items(), adjusted, strict=True)}


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several, in the order given (Holm 1979): never less than they were."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(p_values)[order]), 1.0)
    return adjusted.tolist()


def resampled_sums(columns: ArrayLike, resamples: int, seed: int) -> np.ndarray:
    """(resamples, columns) sums over questions drawn anew, for statistics that are no plain means.

    ``columns``: (questions, columns). The same ``seed`` draws the same questions for any columns.
    """
    table = np.asarray(columns, dtype=np.float64)
    return np.concatenate([counts @ table for counts in drawn_questions(len(table), resamples, seed)])


def share_of(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def correlation(both: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """From a covariance and two variances; NaN where nothing varies but by rounding."""
    return share_of(both, np.sqrt(np.where((one > 1e-12) & (other > 1e-12), one * other, 0.0)))


def drawn_questions(questions: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Pieces of (resamples, questions): how often each question is drawn in each resample."""
    _check_resamples(resamples)
    generator = np.random.default_rng(seed)
    at_once = max(1, LARGEST_DRAW // questions)
    shares = np.full(questions, 1 / questions)
    for done in range(0, resamples, at_once):
        yield generator.multinomial(questions, shares, size=min(at_once, resamples - done))


def interval_of(estimate: float, resampled: np.ndarray, level: float = 0.95) -> Interval:
    """The percentile interval of an estimate from its resampled values; NaN where there are none."""
    low, high = _percentiles(resampled, level)
    return Interval(estimate, low, high)


def difference_of(estimate: float, resampled: np.ndarray, level: float = 0.95) -> Difference:
    """The percentile interval and the p-value of a paired difference from its resampled values.

    The p-value is twice the smaller share of resamples on either side of 0, both counting 0 itself and the
    estimate as one resample more; so it is never 0, and 1 where nothing differs. It is below 0.05 about when
    the 95 % interval excludes 0.
    """
    low, high = _percentiles(resampled, level)
    smaller_side = min(np.sum(resampled <= 0), np.sum(resampled >= 0))
    return Difference(estimate, low, high, float(min(1.0, 2 * (1 + smaller_side) / (1 + len(resampled)))))


def _matrix(scores: ArrayLike) -> np.ndarray:
    numbers = np.asarray(scores, dtype=np.float64)
    if numbers.ndim != 2 or numbers.size == 0 or not np.all(np.isfinite(numbers)):
        raise StepladderError(f"scores must be finite numbers of shape (seeds, questions); got shape {numbers.shape}")
    return numbers


def _sets(numbers: np.ndarray, strata: ArrayLike | None) -> list[np.ndarray]:
    """The columns of each data set, (seeds, questions of the set)."""
    if strata is None:
        return [numbers]
    names = np.asarray(strata)
    if names.shape != numbers.shape[1:]:
        raise StepladderError(
            f"strata must name the data set of each of {numbers.shape[1]} questions; got shape {names.shape}"
        )
    return [numbers[:, names == name] for name in np.unique(names)]


def _mean_of_sets(numbers: np.ndarray, strata: ArrayLike | None) -> float:
    return float(np.mean([part.mean() for part in _sets(numbers, strata)]))


def _resampled_means(numbers: np.ndarray, strata: ArrayLike | None, resamples: int, seed: int) -> np.ndarray:
    """(resamples,) means of resampled questions and seeds."""
    _check_resamples(resamples)
    generator = np.random.default_rng(seed)
    seeds = len(numbers)
    parts = _sets(numbers, strata)
    by_seed = np.mean([_resampled_questions(part, resamples, generator) for part in parts], axis=0)
    weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
    return np.sum(weights * by_seed, axis=1)


def _resampled_questions(part: np.ndarray, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """(resamples, seeds) means of one data set, its questions drawn once for all seeds."""
    seeds, questions = part.shape
    at_once = max(1, LARGEST_DRAW // (questions * seeds))
    means = []
    for done in range(0, resamples, at_once):
        drawn = generator.integers(questions, size=(min(at_once, resamples - done), questions))
        means.append(part[:, drawn].mean(axis=2).T)
    return np.concatenate(means)


def _percentiles(means: np.ndarray, level: float) -> tuple[float, float]:
    _check_level(level)
    if means.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise StepladderError(f"a confidence level lies between 0 and 1; got {level}")


def _check_resamples(resamples: int) -> None:
    if resamples < 1:
        raise StepladderError(f"the bootstrap needs at least one resample; got {resamples}")
