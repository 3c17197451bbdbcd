"""Measures of step scores with their bootstrap over questions and seeds, so that two PRMs can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from stepladder.evaluation.calibration import ordered_pairs
from stepladder.evaluation.first_error import validation_part
from stepladder.evaluation.process_bench import accuracies_of, groups_of, in_group, located
from stepladder.evaluation.scored_steps import ScoredSteps
from stepladder.evaluation.statistics import (
    LARGEST_DRAW,
    Difference,
    adjusted_for_several,
    difference_of,
    drawn_questions,
    resampled_sums,
    share_of,
)

BINS = 10


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
    """Every measure by its name.

    step_auc: chance that a right step outscores a wrong one; unfinished_step_auc leaves out the steps that end a
    solution, whose label is its outcome. order_accuracy: share of pairs of steps of one trajectory in order.
    right_above_zero, wrong_below_margin: shares of right steps that score above 0 and of wrong ones below -margin.
    calibration_error: as expected_calibration_error has it. with_error, without_error, f1: accuracy of the first wrong
    step, with a threshold that other problems have fitted; all resamples hold the threshold. Of a benchmark also
    those of every subset and generator ("f1 gsm8k", "f1 gsm8k/generator"), and mean_f1, over the subsets.

    Args:
        seeds: the same PRM, trained with each seed.
        questions: ids, in the order of their numbers.
        margin: zeta of a rank loss.
        validation: share of problems that fit the threshold.
    """
    fitting = validation_part(questions, validation)
    groups = groups_of(source for each in seeds for source in each.source.tolist())
    by_seed = [_measures(each, questions, fitting, groups, margin, draws) for each in seeds]
    return over_seeds(by_seed, draws)


def over_seeds(by_seed: Sequence[dict[str, np.ndarray]], draws: Bootstrap) -> dict[str, Measured]:
    """Every measure's mean over seeds, with the seeds drawn anew in each resample.

    Args:
        by_seed: (1 + resamples,) values of every measure: of all questions once, then of each resample.
    """
    seeds = len(by_seed)
    chosen = np.random.default_rng((draws.seed, 1)).multinomial(seeds, np.full(seeds, 1 / seeds), size=draws.resamples)
    found = {}
    for name in by_seed[0]:
        values = np.array([each[name] for each in by_seed])
        resampled = np.where(chosen.T > 0, chosen.T * values[:, 1:], 0).sum(0) / seeds
        found[name] = Measured(float(values[:, 0].mean()), resampled)
    return found


def paired_tests(rows: Mapping[str, Measured]) -> dict[tuple[str, str], Difference]:
    """One measure of the first row less that of the second, for each pair of several, with Holm's p-values.

    ``rows``: by name, from the same draws. As ``statistics.paired_tests``, for measures that are no means over
    questions. A row without the measure takes no part, nor does a resample in which one of a pair lacks it.
    """
    there = {name: each for name, each in rows.items() if not np.isnan(each.estimate)}
    return adjusted_for_several(
        {(one, other): difference_between(there[one], there[other]) for one, other in combinations(there, 2)}
    )


def difference_between(one: Measured, other: Measured) -> Difference:
    """The paired difference of two measures from the same draws, in the resamples in which both exist."""
    gaps = one.resampled - other.resampled
    return difference_of(one.estimate - other.estimate, gaps[~np.isnan(gaps)])


def _measures(
    steps: ScoredSteps,
    questions: Sequence[str],
    fitting: np.ndarray,
    groups: Sequence[str],
    margin: float,
    draws: Bootstrap,
) -> dict[str, np.ndarray]:
    """(1 + resamples,) values of every measure for one seed: of all questions once, then of each resample."""
    right, unfinished = steps.right, ~steps.finished
    ordered, pairs = ordered_pairs(steps.logits, steps.labels, steps.trajectory)
    flags, members = located(steps, fitting), [in_group(steps.source, group)[:, None] for group in groups]
    of_steps = [right & (steps.logits > 0), right, ~right & (steps.logits < -margin), ~right]
    columns = [
        *(_by_question(each, steps.owner, questions) for each in of_steps),
        *(_by_question(each, steps.question[: len(pairs)], questions) for each in (ordered, pairs)),
        *_bins(steps, questions),
        *(_by_question(each, steps.question, questions) for member in members for each in (flags * member).T),
    ]
    counts, gaps, errors = np.split(sums(np.stack(columns, axis=1), draws).T, [6, 6 + BINS])
    above, rights, below, wrongs, in_order, all_pairs = counts
    return {
        "step_auc": _auc(steps, np.ones(len(right), dtype=bool), questions, draws),
        "unfinished_step_auc": _auc(steps, unfinished, questions, draws),
        "order_accuracy": share_of(in_order, all_pairs),
        "right_above_zero": share_of(above, rights),
        "wrong_below_margin": share_of(below, wrongs),
        "calibration_error": share_of(np.abs(gaps).sum(0), rights + wrongs),
        **accuracies_of(dict(zip(groups, errors.reshape(len(groups), 4, -1), strict=True))),
    }


def _bins(steps: ScoredSteps, questions: Sequence[str]) -> list[np.ndarray]:
    """By bin of the score: each question's sum of scores less its sum of labels."""
    gap = steps.probabilities - steps.labels
    place = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], steps.probabilities, side="right")
    return [_by_question(gap * (place == each), steps.owner, questions) for each in range(BINS)]


def _by_question(values: np.ndarray, owner: np.ndarray, questions: Sequence[str]) -> np.ndarray:
    return np.bincount(owner, weights=values, minlength=len(questions))


def sums(columns: np.ndarray, draws: Bootstrap) -> np.ndarray:
    """(1 + resamples, columns): sums over all questions once, then over those of each resample.

    Args:
        columns: (questions, columns).
    """
    return np.concatenate([columns.sum(0, keepdims=True), resampled_sums(columns, draws.resamples, draws.seed)])


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
        return share_of(wins, weights.sum(0) * up_to[-1])

    once = np.ones((len(questions), 1))
    drawn = drawn_questions(len(questions), draws.resamples, draws.seed)
    at_once = max(1, LARGEST_DRAW // len(steps.labels))
    pieces = (
        counts[start : start + at_once].T.astype(np.float64)
        for counts in drawn
        for start in range(0, len(counts), at_once)
    )
    return np.concatenate([auc(once), *map(auc, pieces)])
