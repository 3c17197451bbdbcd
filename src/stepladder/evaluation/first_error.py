"""Finding the first wrong step: prediction, threshold, accuracies and their harmonic mean.

A solution's gold is the index of its first wrong step, counting from 0, or -1. The step predicted is the first
one that scores below a threshold, -1 if none does. A prediction counts only if it is that very step. Source:
Zheng et al., ProcessBench, arXiv 2412.06559. ``scores`` are (solutions, steps), NaN at padding.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stepladder.errors import StepladderError
from stepladder.evaluation.statistics import Interval, interval_of, resampled_sums, share_of
from stepladder.study.canonical import derive_seed


@dataclass(frozen=True, slots=True)
class Localisation:
    """Accuracy on solutions with an error, on those without, and F1, the harmonic mean of the two."""

    with_error: Interval
    without_error: Interval
    f1: Interval


def pad_steps(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """(solutions, steps), NaN at padding, from the step scores or labels of each solution."""
    padded = np.full((len(rows), max((len(row) for row in rows), default=0)), np.nan)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded


def first_error(values: ArrayLike, threshold: float) -> np.ndarray:
    """(solutions,) index of the first step whose value is below the threshold, -1 where none is.

    ``values``: (solutions, steps) scores or step labels, NaN at padding.
    """
    below = np.asarray(values, dtype=np.float64) < threshold
    return np.where(below.any(1), below.argmax(1) if below.shape[1] else 0, -1)


def harmonic_mean(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """2ab / (a + b), and 0 where both are 0."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    total = a + b
    return np.divide(2 * a * b, total, out=np.zeros_like(total), where=total != 0)


def fit_threshold(scores: ArrayLike, gold: ArrayLike) -> float:
    """The threshold with the greatest F1 on these solutions; of several the one with the widest margin.

    Exact: as the threshold rises a prediction changes only where it passes a score, so one threshold in
    each gap between scores is tried. Never fit on the solutions that are judged.
    """
    scores, gold = _checked(scores, gold)
    least = np.fmin.accumulate(np.concatenate([np.full((len(scores), 1), np.inf), scores], axis=1), axis=1)
    # Right for thresholds in (low, high]: above the gold step's score, and not above any score before it.
    wrong = gold >= 0
    high = np.where(wrong, np.take_along_axis(least, np.maximum(gold, 0)[:, None], 1)[:, 0], least[:, -1])
    low = np.where(wrong, np.take_along_axis(scores, np.maximum(gold, 0)[:, None], 1)[:, 0], -np.inf)
    possible = low < high
    edges = np.unique(scores[~np.isnan(scores)])
    candidates = np.concatenate([edges[:1], (edges[1:] + edges[:-1]) / 2, [np.nextafter(edges[-1], np.inf)]])
    margins = np.concatenate([[0.0], np.diff(edges), [0.0]])

    def accuracy(kind: np.ndarray) -> np.ndarray:
        lows, highs = np.sort(low[kind & possible]), np.sort(high[kind & possible])
        right = np.searchsorted(lows, candidates, "left") - np.searchsorted(highs, candidates, "left")
        return right / kind.sum()

    f1 = harmonic_mean(accuracy(wrong), accuracy(~wrong))
    best = np.flatnonzero(f1 == f1.max())
    return float(candidates[best[margins[best].argmax()]])


def validation_part(questions: Sequence[str], share: float) -> np.ndarray:
    """(solutions,) which of them fit the threshold; all solutions of a question fall on one side, in any data."""
    if not 0 < share < 1:
        raise StepladderError(f"the share of questions to fit the threshold on lies between 0 and 1; got {share}")
    chosen = {question: derive_seed("threshold", question) / 2**63 < share for question in dict.fromkeys(questions)}
    return np.array([chosen[question] for question in questions], dtype=bool)


def judge(
    predicted: ArrayLike, gold: ArrayLike, questions: Sequence[Hashable], resamples: int = 2000, seed: int = 0
) -> Localisation:
    """Both accuracies and F1 with 95 % bootstrap intervals over questions.

    ``predicted``, ``gold``: (solutions,). ``questions``: the question of each solution; solutions of one question
    are drawn together. Intervals hold the threshold fixed. An accuracy over no solutions is NaN, and F1 with it;
    resamples without solutions of one kind are left out.
    """
    predicted, gold = np.asarray(predicted), np.asarray(gold)
    if not predicted.shape == gold.shape == (len(questions),) or len(questions) == 0:
        raise StepladderError(
            "every solution needs a prediction, a gold step and its question; got"
            f" {predicted.shape}, {gold.shape} and {len(questions)}"
        )
    number = {question: place for place, question in enumerate(dict.fromkeys(questions))}
    owner = np.array([number[question] for question in questions])
    flags = [flag for kind in (gold >= 0, gold < 0) for flag in (kind & (predicted == gold), kind)]
    columns = np.stack([np.bincount(owner, weights=flag, minlength=len(number)) for flag in flags], axis=1)
    sums = np.concatenate([columns.sum(0, keepdims=True), resampled_sums(columns, resamples, seed)])
    accuracies = share_of(sums[:, 0], sums[:, 1]), share_of(sums[:, 2], sums[:, 3])
    values = (*accuracies, harmonic_mean(*accuracies))
    return Localisation(*(interval_of(float(each[0]), each[1:][~np.isnan(each[1:])]) for each in values))


def _checked(scores: ArrayLike, gold: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    scores, gold = np.asarray(scores, dtype=np.float64), np.asarray(gold)
    if scores.ndim != 2 or gold.shape != scores.shape[:1]:
        raise StepladderError(f"scores are (solutions, steps) with one gold each; got {scores.shape} and {gold.shape}")
    if np.isinf(scores).any():
        raise StepladderError("scores of steps must be finite; NaN is padding")
    steps = (~np.isnan(scores)).sum(1)
    if np.any(gold >= steps) or np.any(gold < -1):
        place = int(np.flatnonzero((gold >= steps) | (gold < -1))[0])
        raise StepladderError(f"solution {place} has {steps[place]} steps, but its first error is step {gold[place]}")
    if not (np.any(gold >= 0) and np.any(gold < 0)):
        raise StepladderError("a threshold is fitted on solutions with an error and solutions without; one is missing")
    return scores, gold
