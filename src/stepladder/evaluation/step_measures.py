"""Measures of step scores with their bootstrap over questions and seeds, so that two PRMs can be compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stepladder.evaluation.calibration import THRESHOLD, ordered_pairs
from stepladder.evaluation.first_error import (
    first_error,
    fit_threshold,
    harmonic_mean,
    pad_steps,
    validation_part,
)
from stepladder.evaluation.statistics import LARGEST_DRAW, drawn_questions, resampled_sums

MEASURES = (
    "step_auc",
    "unfinished_step_auc",
    "order_accuracy",
    "right_above_zero",
    "wrong_below_margin",
    "calibration_error",
    "with_error",
    "without_error",
    "f1",
)
BINS = 10


@dataclass(frozen=True)
class ScoredSteps:
    """The labelled steps of one seed with a PRM's scores, flat, trajectory by trajectory.

    Attributes:
        logits: (steps,) scores.
        labels: (steps,) in [0, 1].
        finished: (steps,) whether the step ends its solution.
        position: (steps,) place in the trajectory, from 0.
        trajectory: (steps,) number of its trajectory, rising from 0 without gaps.
        question: (trajectories,) number of its question among those of all seeds.
    """

    logits: np.ndarray
    labels: np.ndarray
    finished: np.ndarray
    position: np.ndarray
    trajectory: np.ndarray
    question: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """(steps,) whether a step counts as right where a yes or no is needed."""
        return self.labels >= THRESHOLD

    @property
    def probabilities(self) -> np.ndarray:
        """(steps,) the sigmoid of the scores, which holds for any of them."""
        return 0.5 * (1 + np.tanh(self.logits / 2))

    @property
    def owner(self) -> np.ndarray:
        """(steps,) number of the step's question."""
        return self.question[self.trajectory]


@dataclass(frozen=True)
class Measured:
    """A measure in [0, 1], mean over seeds, and its values (resamples,) over questions and seeds drawn anew.

    NaN where it does not exist: without wrong steps there is no AUC.
    """

    estimate: float
    resampled: np.ndarray


@dataclass(frozen=True)
class Bootstrap:
    """How measures are resampled; the same values draw the same questions and seeds for any PRM."""

    resamples: int
    seed: int


def measure(
    seeds: Sequence[ScoredSteps], questions: Sequence[str], margin: float, validation: float, draws: Bootstrap
) -> dict[str, Measured]:
    """Every one of ``MEASURES``.

    step_auc: chance that a right step outscores a wrong one; unfinished_step_auc leaves out the steps that end a
    solution, whose label is its outcome. order_accuracy: share of pairs of steps of one trajectory in order.
    right_above_zero, wrong_below_margin: shares of right steps that score above 0 and of wrong ones below -margin.
    calibration_error: as expected_calibration_error has it. with_error, without_error, f1: accuracy of the first wrong
    step, with a threshold that other problems have fitted; all resamples hold the threshold.

    Args:
        seeds: the same PRM, trained with each seed.
        questions: ids, in the order of their numbers.
        margin: zeta of a rank loss.
        validation: share of problems that fit the threshold.
    """
    fitting = validation_part(questions, validation)
    by_seed = [_measures(each, questions, fitting, margin, draws) for each in seeds]
    chosen = np.random.default_rng((draws.seed, 1)).multinomial(
        len(seeds), np.full(len(seeds), 1 / len(seeds)), size=draws.resamples
    )
    found = {}
    for name in MEASURES:
        values = np.array([each[name] for each in by_seed])
        resampled = np.where(chosen.T > 0, chosen.T * values[:, 1:], 0).sum(0) / len(seeds)
        found[name] = Measured(float(values[:, 0].mean()), resampled)
    return found


def _measures(
    steps: ScoredSteps, questions: Sequence[str], fitting: np.ndarray, margin: float, draws: Bootstrap
) -> dict[str, np.ndarray]:
    """(1 + resamples,) values of every measure for one seed: of all questions once, then of each resample."""
    right, unfinished = steps.right, ~steps.finished
    ordered, pairs = ordered_pairs(steps.logits, steps.labels, steps.trajectory)
    solutions = _first_errors(steps, fitting)
    of_steps = [right & (steps.logits > 0), right, ~right & (steps.logits < -margin), ~right]
    columns = [
        *(_by_question(each, steps.owner, questions) for each in of_steps),
        *(_by_question(each, steps.question, questions) for each in (ordered, pairs, *solutions)),
        *_bins(steps, questions),
    ]
    sums = _sums(np.stack(columns, axis=1), draws).T
    above, rights, below, wrongs, in_order, all_pairs, *errors = sums[:10]
    accuracies = _share(errors[0], errors[1]), _share(errors[2], errors[3])
    return {
        "step_auc": _auc(steps, np.ones(len(right), dtype=bool), questions, draws),
        "unfinished_step_auc": _auc(steps, unfinished, questions, draws),
        "order_accuracy": _share(in_order, all_pairs),
        "right_above_zero": _share(above, rights),
        "wrong_below_margin": _share(below, wrongs),
        "calibration_error": _share(np.abs(sums[10:]).sum(0), rights + wrongs),
        "with_error": accuracies[0],
        "without_error": accuracies[1],
        "f1": harmonic_mean(*accuracies),
    }


def threshold_of(steps: ScoredSteps, fitting: np.ndarray) -> float | None:
    """The threshold of first errors that the problems of one part fit; None where one kind of solution is missing.

    Args:
        fitting: (questions,) which of them fit it.
    """
    padded, gold = _padded(steps)
    part = fitting[steps.question]
    if not (np.any(gold[part] >= 0) and np.any(gold[part] < 0)):
        return None
    return fit_threshold(padded[part], gold[part])


def _first_errors(steps: ScoredSteps, fitting: np.ndarray) -> list[np.ndarray]:
    """(trajectories,) flags: found and all, of solutions with an error; found and all, of those without."""
    padded, gold = _padded(steps)
    judged = ~fitting[steps.question]
    threshold = threshold_of(steps, fitting)
    if threshold is None:
        return [np.zeros(len(gold))] * 4
    found = first_error(padded, threshold) == gold
    return [flag for kind in (gold >= 0, gold < 0) for flag in (kind & found & judged, kind & judged)]


def _padded(steps: ScoredSteps) -> tuple[np.ndarray, np.ndarray]:
    """(trajectories, steps) scores, NaN at padding, and (trajectories,) the first wrong step, or -1."""
    cuts = np.flatnonzero(np.diff(steps.trajectory)) + 1
    labels = pad_steps(np.split(steps.labels, cuts))
    return pad_steps(np.split(steps.logits, cuts)), first_error(labels, THRESHOLD)


def _bins(steps: ScoredSteps, questions: Sequence[str]) -> list[np.ndarray]:
    """By bin of the score: each question's sum of scores less its sum of labels."""
    gap = steps.probabilities - steps.labels
    place = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], steps.probabilities, side="right")
    return [_by_question(gap * (place == each), steps.owner, questions) for each in range(BINS)]


def _by_question(values: np.ndarray, owner: np.ndarray, questions: Sequence[str]) -> np.ndarray:
    return np.bincount(owner, weights=values, minlength=len(questions))


def _sums(columns: np.ndarray, draws: Bootstrap) -> np.ndarray:
    return np.concatenate([columns.sum(0, keepdims=True), resampled_sums(columns, draws.resamples, draws.seed)])


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _auc(steps: ScoredSteps, chosen: np.ndarray, questions: Sequence[str], draws: Bootstrap) -> np.ndarray:
    """(1 + resamples,) AUC of the chosen steps, each weighing as often as its question is drawn."""
    rights, wrongs = (np.flatnonzero(chosen & kind) for kind in (steps.right, ~steps.right))
    if not (rights.size and wrongs.size):
        return np.full(1 + draws.resamples, np.nan)
    wrongs = wrongs[np.argsort(steps.logits[wrongs], kind="stable")]
    # How many wrong steps lie below each right one, and how many not above it.
    below, not_above = (np.searchsorted(steps.logits[wrongs], steps.logits[rights], side) for side in ("left", "right"))

    def auc(counts: np.ndarray) -> np.ndarray:
        """(resamples,), from (questions, resamples): rows are copied whole, which is several times as fast."""
        up_to = np.zeros((len(wrongs) + 1, counts.shape[1]))
        np.cumsum(counts[steps.owner[wrongs]], axis=0, out=up_to[1:])
        weights = counts[steps.owner[rights]]
        wins = np.einsum("sr,sr->r", weights, up_to[below] + up_to[not_above]) / 2
        return _share(wins, weights.sum(0) * up_to[-1])

    once = np.ones((len(questions), 1))
    drawn = drawn_questions(len(questions), draws.resamples, draws.seed)
    at_once = max(1, LARGEST_DRAW // len(steps.labels))
    pieces = (
        counts[start : start + at_once].T.astype(np.float64)
        for counts in drawn
        for start in range(0, len(counts), at_once)
    )
    return np.concatenate([auc(once), *map(auc, pieces)])
