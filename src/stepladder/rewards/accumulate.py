"""Accumulation: the step scores of one trajectory to one number."""

import numpy as np
from numpy.typing import ArrayLike

from stepladder.errors import StepladderError
from stepladder.study.fields import ACCUMULATIONS, Accumulation

SMALLEST_SCORE = 1e-6
"""Lower bound of a score inside the geometric mean, so that one score of 0 does not hide all others."""


def accumulate(step_scores: ArrayLike, how: Accumulation) -> float:
    """One number from the scores of a trajectory's steps, a 1-D sequence of numbers in [0, 1].

    It lies in [0, 1], too, except for ``sum``, which grows with every step (LPR, arXiv 2402.00658, for comparison).
    A trajectory without steps gets 0.0, whatever ``how`` is. The geometric mean is PSPO's accumulation F
    (arXiv 2411.11681), computed in log space with scores clamped from below to ``SMALLEST_SCORE``. Errors:
    ``StepladderError`` for scores outside [0, 1], NaN included, and for another ``how``.
    """
    scores = np.asarray(step_scores, dtype=np.float64)
    if scores.ndim != 1:
        raise StepladderError(f"accumulate takes the scores of one trajectory; got an array of shape {scores.shape}")
    if not np.all((scores >= 0) & (scores <= 1)):
        raise StepladderError("step scores must lie in [0, 1]; put logits through a sigmoid first")
    if scores.size == 0:
        return 0.0
    match how:
        case "geometric_mean":
            return float(np.exp(np.mean(np.log(np.maximum(scores, SMALLEST_SCORE)))))
        case "product":
            return float(np.prod(scores))
        case "min":
            return float(np.min(scores))
        case "mean":
            return float(np.mean(scores))
        case "last":
            return float(scores[-1])
        case "sum":
            return float(np.sum(scores))
        case _:
            raise StepladderError(f"unknown accumulation {how!r}; choose one of {', '.join(ACCUMULATIONS)}")
