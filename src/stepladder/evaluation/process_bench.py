"""ProcessBench's protocol: first wrong steps found with one threshold, over all solutions, by subset and by generator.

Source: Zheng et al., ProcessBench, arXiv 2412.06559. The threshold is fitted on a part of the problems of all subsets
together; all accuracies are over the other problems. Solutions of no benchmark are judged alike, all together.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from stepladder.evaluation.calibration import THRESHOLD
from stepladder.evaluation.first_error import first_error, fit_threshold, harmonic_mean, pad_steps
from stepladder.evaluation.scored_steps import ScoredSteps
from stepladder.evaluation.statistics import share_of

NOT_SCORED = -2
"""The prediction for a solution that is too long to score: it matches no label."""
ALL = ""
"""The group of all solutions."""
ACCURACIES = ("with_error", "without_error", "f1")
MEAN_F1 = "mean_f1"


def groups_of(sources: Iterable[str]) -> tuple[str, ...]:
    """All solutions, every subset, and every generator's solutions in it, by what sources begin with."""
    named = sorted({source for source in sources if source})
    return (ALL, *dict.fromkeys(source.partition("/")[0] for source in named), *named)


def is_subset(group: str) -> bool:
    """Whether a group is all that a subset has."""
    return group != ALL and "/" not in group


def in_group(source: np.ndarray, group: str) -> np.ndarray:
    """(solutions,) which of them a group has."""
    return np.array([group in (ALL, each, each.partition("/")[0]) for each in source.tolist()], dtype=bool)


def measure_name(accuracy: str, group: str) -> str:
    """What one of ``ACCURACIES`` is called in a group, such as "f1 gsm8k"."""
    return f"{accuracy} {group}".rstrip()


def group_of(measure: str) -> str:
    """The group that a measure is of, by its name."""
    return measure.partition(" ")[2]


def threshold_of(steps: ScoredSteps, fitting: np.ndarray) -> float | None:
    """The threshold of first errors that the problems of one part fit; None where one kind of solution is missing.

    Args:
        fitting: (questions,) which of them fit it.
    """
    padded, gold = _padded(steps)
    part = fitting[steps.question[: len(gold)]]
    if not (np.any(gold[part] >= 0) and np.any(gold[part] < 0)):
        return None
    return fit_threshold(padded[part], gold[part])


def located(steps: ScoredSteps, fitting: np.ndarray) -> np.ndarray:
    """(solutions, 4) flags of those that do not fit the threshold: found and all, with an error; the same without.

    All 0 where there is no threshold.
    """
    threshold = threshold_of(steps, fitting)
    if threshold is None:
        return np.zeros((len(steps.question), 4))
    padded, gold = _padded(steps)
    gold = np.concatenate([gold, np.where(steps.missed, 0, -1)])
    predicted = np.concatenate([first_error(padded, threshold), np.full(len(steps.missed), NOT_SCORED)])
    judged = ~fitting[steps.question]
    flags = [flag for kind in (gold >= 0, gold < 0) for flag in (kind & (predicted == gold) & judged, kind & judged)]
    return np.stack(flags, axis=1).astype(np.float64)


def accuracies_of(sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(resamples,) of every measure, by its name: ``ACCURACIES`` of every group, and the mean F1 of the subsets.

    NaN where a group has no solution of one kind.

    Args:
        sums: of the four flags of ``located`` in every group, (4, resamples).
    """
    found = {}
    for group, (hit, wrong, passed, right) in sums.items():
        shares = share_of(hit, wrong), share_of(passed, right)
        for name, values in zip(ACCURACIES, (*shares, harmonic_mean(*shares)), strict=True):
            found[measure_name(name, group)] = values
    subsets: Sequence[np.ndarray] = [found[measure_name("f1", group)] for group in sums if is_subset(group)]
    return found | ({MEAN_F1: np.mean(subsets, axis=0)} if subsets else {})


def _padded(steps: ScoredSteps) -> tuple[np.ndarray, np.ndarray]:
    """(trajectories, steps) scores, NaN at padding, and (trajectories,) the first wrong step, or -1."""
    cuts = np.flatnonzero(np.diff(steps.trajectory)) + 1
    labels = pad_steps(np.split(steps.labels, cuts))
    return pad_steps(np.split(steps.logits, cuts)), first_error(labels, THRESHOLD)
