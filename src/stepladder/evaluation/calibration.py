"""How good step scores are: do they separate, do they order, do they mean what they say.

``scores`` are (steps,), flat over all trajectories; ``labels`` are (steps,) in [0, 1], the shares of right
rollouts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stepladder.errors import StepladderError

THRESHOLD = 0.5
"""A step with at least this label counts as correct where a yes or no is needed."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The steps whose score lies in [low, high), the last bin including 1; means are nan in an empty bin."""

    low: float
    high: float
    count: int
    mean_score: float
    mean_label: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The expected calibration error, in [0, 1], and the table it is the mean of."""

    error: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The steps of one group: of one position, or of solutions of one length."""

    value: int
    count: int
    mean_score: float
    mean_label: float
    step_auc: float


def step_auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Chance that a correct step outscores a wrong one, ties counting one half; nan for steps of one kind.

    Labels of at least ``THRESHOLD`` are correct. Computed from mean ranks (Mann and Whitney 1947).
    """
    scores, labels = _checked(scores, labels)
    correct = labels >= THRESHOLD
    right, wrong = int(correct.sum()), int((~correct).sum())
    if right == 0 or wrong == 0:
        return float("nan")
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(sizes) - (sizes - 1) / 2
    wins = mean_ranks[group][correct].sum() - right * (right + 1) / 2
    return float(wins / (right * wrong))


def expected_calibration_error(scores: ArrayLike, labels: ArrayLike, bins: int = 10) -> Calibration:
    """Mean distance of score to label over equally wide bins of the score, weighted by their steps.

    Scores must be probabilities. Source: Guo et al., On calibration of modern neural networks, arXiv
    1706.04599, Eq. 3, with soft labels in place of accuracy. nan without steps.
    """
    scores, labels = _checked(scores, labels)
    if not np.all((scores >= 0) & (scores <= 1)):
        raise StepladderError("calibration needs scores in [0, 1]; put logits through a sigmoid first")
    if bins < 1:
        raise StepladderError(f"calibration needs at least one bin; got {bins}")
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], scores, side="right")
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_scores = np.bincount(place, weights=scores, minlength=bins) / counts
        mean_labels = np.bincount(place, weights=labels, minlength=bins) / counts
    table = tuple(
        Bin(float(low), float(high), int(count), float(score), float(label))
        for low, high, count, score, label in zip(edges, edges[1:], counts, mean_scores, mean_labels, strict=False)
    )
    if scores.size == 0:
        return Calibration(float("nan"), table)
    distances = np.nan_to_num(np.abs(mean_scores - mean_labels))
    return Calibration(float(counts @ distances / scores.size), table)


def order_accuracy(scores: ArrayLike, labels: ArrayLike, trajectories: ArrayLike) -> float:
    """Share of pairs of steps of one trajectory with differing labels that the scores put in order.

    ``trajectories``: (steps,), the id of each step's trajectory. Tied scores count one half. All pairs count
    alike, so trajectories with more of them weigh more; nan without a pair.
    """
    right, pairs = ordered_pairs(scores, labels, trajectories)
    return float(right.sum() / pairs.sum()) if pairs.sum() else float("nan")


def ordered_pairs(scores: ArrayLike, labels: ArrayLike, trajectories: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """(trajectories,) pairs of steps with differing labels in order, and all of them; see ``order_accuracy``.

    In the order of the trajectories' ids.
    """
    scores, labels = _checked(scores, labels)
    _, owner = np.unique(np.asarray(trajectories), return_inverse=True)
    if owner.shape != scores.shape:
        raise StepladderError(f"every step needs its trajectory's id; got {owner.size} ids for {scores.size} steps")
    order = np.argsort(owner, kind="stable")
    starts = np.flatnonzero(np.diff(owner[order])) + 1
    found = []
    for steps in np.split(order, starts):
        better = labels[steps][:, None] > labels[steps][None, :]
        lead = np.sign(scores[steps][:, None] - scores[steps][None, :])
        found.append((((lead[better] + 1) / 2).sum(), better.sum()))
    right, pairs = np.array(found, dtype=np.float64).T
    return right, pairs


def profile(scores: ArrayLike, labels: ArrayLike, groups: ArrayLike) -> tuple[Group, ...]:
    """Mean score, mean label and step AUC of the steps of every group, in the order of the groups.

    ``groups``: (steps,) a whole number for each step, such as its place in its trajectory or the number of steps
    of that trajectory. A score that follows the length, and not the label, shows here.
    """
    scores, labels = _checked(scores, labels)
    values, owner = np.unique(np.asarray(groups), return_inverse=True)
    if owner.shape != scores.shape:
        raise StepladderError(f"every step needs its group; got {owner.size} for {scores.size} steps")
    counts = np.bincount(owner, minlength=len(values))
    means = [np.bincount(owner, weights=each, minlength=len(values)) / counts for each in (scores, labels)]
    return tuple(
        Group(
            int(value),
            int(counts[i]),
            float(means[0][i]),
            float(means[1][i]),
            step_auc(scores[owner == i], labels[owner == i]),
        )
        for i, value in enumerate(values)
    )


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise StepladderError(f"scores and labels must be of one length; got {scores.shape} and {labels.shape}")
    if np.isnan(scores).any() or not np.all((labels >= 0) & (labels <= 1)):
        raise StepladderError("scores must be numbers and step labels must lie in [0, 1]")
    return scores, labels
