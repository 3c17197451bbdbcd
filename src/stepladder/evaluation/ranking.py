"""How well values rank the alternatives to a step: next steps of one state, of which some are better by truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from stepladder.evaluation.statistics import share_of
from stepladder.evaluation.step_measures import Bootstrap, Measured, over_seeds, sums


@dataclass(frozen=True)
class Alternatives:
    """The alternatives to one step, with their values and truths as in :class:`value_accuracy.ValuedStates`.

    Attributes:
        question: number of the state's question among those of all seeds.
        values: (alternatives, draws).
        truth: (alternatives, draws).
        tokens: generated for one value of each of them.
    """

    question: int
    values: np.ndarray
    truth: np.ndarray
    tokens: float


def ranking(seeds: Sequence[Sequence[Alternatives]], questions: int, draws: Bootstrap) -> dict[str, Measured]:
    """Every measure by its name, with its values over questions and seeds drawn anew.

    best: how often the alternative of the highest value is the best by truth, tied values broken at random. chance: the
    same for values that know nothing. pairs: share of pairs of alternatives to one step in the order of their truths,
    tied values counting one half. States weigh alike, and pairs alike. What truth does not tell apart is left out, be
    it two alternatives or all of a state. tokens: mean over states.
    """
    return over_seeds([_ranking(each, questions, draws) for each in seeds], draws)


def _ranking(found: Sequence[Alternatives], questions: int, draws: Bootstrap) -> dict[str, np.ndarray]:
    columns = np.zeros((questions, 7))
    for each in found:
        columns[each.question] += _counts(each)
    best, chance, ranked, ordered, pairs, tokens, states = sums(columns, draws).T
    return {
        "best": share_of(best, ranked),
        "chance": share_of(chance, ranked),
        "pairs": share_of(ordered, pairs),
        "tokens": share_of(tokens, states),
    }


def _counts(found: Alternatives) -> np.ndarray:
    """Means over draws: best found, found by chance, whether there is a best; pairs in order, pairs; tokens; 1."""
    values, truth = found.values, found.truth
    highest, best = values == values.max(0), truth == truth.max(0)
    ranked = ~best.all(0)
    ordered, pairs = np.zeros(truth.shape[1]), np.zeros(truth.shape[1])
    for one, other in combinations(range(len(values)), 2):
        lead = np.sign(truth[one] - truth[other])
        ordered += np.abs(lead) * (1 + lead * np.sign(values[one] - values[other])) / 2
        pairs += np.abs(lead)
    hits, chance = (highest & best).sum(0) / highest.sum(0), best.mean(0)
    of_draws = (ranked * hits, ranked * chance, ranked, ordered, pairs)
    return np.array([*(each.mean() for each in of_draws), found.tokens, 1.0])
