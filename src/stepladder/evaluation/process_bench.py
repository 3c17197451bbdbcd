"""ProcessBench's protocol: first wrong steps found in all subsets with one threshold, by subset and generator."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from stepladder.errors import StepladderError
from stepladder.evaluation.first_error import (
    first_error,
    fit_threshold,
    judge,
    pad_steps,
    resampled,
    validation_part,
)
from stepladder.evaluation.prm import plain
from stepladder.evaluation.statistics import interval_of
from stepladder.supervision.process_bench import MarkedSolution
from stepladder.supervision.solutions import problem_id

NOT_SCORED = -2
"""The prediction for a solution that was too long to score: it matches no label."""


def judge_process_bench(
    solutions: Sequence[MarkedSolution],
    scores: Sequence[Sequence[float] | None],
    share: float = 0.2,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Accuracies and F1 of first errors by subset and, in each, by generator, and the mean F1 of the subsets.

    One threshold is fitted, on the solutions to a share of the problems of all subsets together; all else is
    over the other problems. Intervals are bootstrapped over problems.

    Args:
        scores: the step scores of every solution; None for one that could not be scored, which counts as missed.
        share: of the problems that fit the threshold.
    """
    predicted, fitting, threshold = predict_first_errors(solutions, scores, share)
    gold = np.array([each.label for each in solutions])
    questions = np.array([problem_id(each.problem) for each in solutions])
    subset = np.array([each.subset for each in solutions])
    generator = np.array([each.generator for each in solutions])

    def judged(chosen: np.ndarray) -> dict[str, Any]:
        found = judge(predicted[chosen], gold[chosen], questions[chosen].tolist(), resamples, seed)
        return {"solutions": int(chosen.sum())} | asdict(found)

    subsets, estimates, draws = {}, [], []
    for number, name in enumerate(dict.fromkeys(subset[~fitting].tolist())):
        chosen = (subset == name) & ~fitting
        generators = sorted(set(generator[chosen].tolist()))
        subsets[name] = judged(chosen) | {"generators": {g: judged(chosen & (generator == g)) for g in generators}}
        again = resampled(predicted[chosen], gold[chosen], questions[chosen].tolist(), resamples, seed + number)
        estimates.append(again[1][2])
        draws.append(again[0][2])
    mean = np.mean(draws, axis=0)
    return plain(
        {
            "threshold": threshold,
            "fitted_on": int(fitting.sum()),
            "not_scored": sum(each is None for each in scores),
            "mean_f1": asdict(interval_of(float(np.mean(estimates)), mean[~np.isnan(mean)])),
            "subsets": subsets,
        }
    )


def predict_first_errors(
    solutions: Sequence[MarkedSolution], scores: Sequence[Sequence[float] | None], share: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """(solutions,) predictions, which of the solutions fitted the threshold, and the threshold."""
    for each, steps in zip(solutions, scores, strict=True):
        if steps is not None and len(steps) != len(each.steps):
            raise StepladderError(f"{each.subset} {each.id}: {len(steps)} scores for {len(each.steps)} steps")
    gold = np.array([each.label for each in solutions])
    there = np.array([steps is not None for steps in scores])
    padded = pad_steps([steps or [] for steps in scores])
    fitting = validation_part([problem_id(each.problem) for each in solutions], share)
    threshold = fit_threshold(padded[fitting & there], gold[fitting & there])
    return np.where(there, first_error(padded, threshold), NOT_SCORED), fitting, threshold
