"""Whether a policy leans to a place among the options, whatever stands there.

Two numbers say how far: the total variation distance between the places of answers and of right options, and the
standard deviation of the accuracies by place of the right option (RStd of Zheng et al., arXiv 2309.03882). Errors alone
move both away from 0, so the first stands beside what it would be if no place were preferred.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stepladder.evaluation.statistics import LARGEST_DRAW, share_of
from stepladder.evaluation.step_measures import Bootstrap, Measured, over_seeds, sums
from stepladder.study.canonical import derive_seed

GIVEN, RIGHT, RECALL = "given", "right", "recall"
"""Of each place; that of the first option has the name "given 1"."""
ACCURACY, SPREAD, BIAS, BY_CHANCE, UNPARSABLE = "accuracy", "spread", "bias", "by chance", "unparsable"


@dataclass(frozen=True)
class Placed:
    """The questions of one data set, each with where its right option and its answer stood.

    Attributes:
        right: (questions,) place of the right option, from 0.
        given: (questions,) place of the answer; -1 where none could be read.
        options: (questions,) how many there are.
    """

    right: np.ndarray
    given: np.ndarray
    options: np.ndarray


def leaning(seeds: Sequence[Mapping[str, Placed]], draws: Bootstrap) -> dict[str, Measured]:
    """Every measure by its name: the unweighted mean of the data sets and, where there are several, each set's own.

    given, right: share of a place in answers and in right options, both over answers that can be read. recall: accuracy
    where the right option stands at a place. spread: standard deviation of the recalls. bias: half the sum over places
    of |given - right|. by chance: the bias of answers of which as many are right, at random questions, and the others
    stand anywhere else with equal chance; its resamples are such draws. A place is one of the sets that have it.

    Args:
        seeds: the questions by data set, the same ones for every seed; they are resampled inside their set.
    """
    sets = list(seeds[0])
    places = {name: int(max(each[name].options.max() for each in seeds)) for name in sets}
    by_seed = []
    for number, each in enumerate(seeds):
        found = {name: _of_set(each[name], places[name], _own(draws, name), number) for name in sets}
        measures = {key: _mean([of[key] for of in found.values() if key in of]) for key in _names(max(places.values()))}
        if len(sets) > 1:
            measures |= {f"{key} {name}": values for name, of in found.items() for key, values in of.items()}
        by_seed.append(measures)
    return over_seeds(by_seed, draws)


def at(measure: str, place: int) -> str:
    """The name of a place's measure.

    Args:
        place: from 0; the name counts from 1.
    """
    return f"{measure} {place + 1}"


def _names(places: int) -> Iterator[str]:
    yield ACCURACY
    for measure in (GIVEN, RIGHT, RECALL):
        yield from (at(measure, place) for place in range(places))
    yield from (SPREAD, BIAS, BY_CHANCE, UNPARSABLE)


def _own(draws: Bootstrap, dataset: str) -> Bootstrap:
    """Draws of a data set's own, so that sets of one size are not resampled alike."""
    return Bootstrap(draws.resamples, derive_seed("positions", draws.seed, dataset))


def _mean(values: list[np.ndarray]) -> np.ndarray:
    """Of those that are numbers; NaN where none is."""
    table = np.array(values)
    there = ~np.isnan(table)
    return share_of(np.where(there, table, 0).sum(0), there.sum(0))


def _of_set(placed: Placed, places: int, draws: Bootstrap, number: int) -> dict[str, np.ndarray]:
    """(1 + resamples,) of every measure: of all questions once, then of each resample.

    Args:
        number: of the seed, whose draws by chance are its own.
    """
    read, place = placed.given >= 0, np.arange(places)
    given, gold = (each[:, None] == place for each in (placed.given, placed.right))
    whole = np.stack([read, np.ones_like(read)], 1)
    *by_place, readable, asked = sums(np.hstack([given, gold & read[:, None], gold, gold & given, whole]), draws).T
    given, gold, there, right = np.array(by_place).reshape(4, places, -1)
    answered = np.broadcast_to(readable, given.shape)
    shares, golds, recalls = share_of(given, answered), share_of(gold, answered), share_of(right, there)
    named = {GIVEN: shares, RIGHT: golds, RECALL: recalls}
    chance = _by_chance(placed, places, draws, number)
    return {
        ACCURACY: share_of(right.sum(0), asked),
        **{at(name, k): values[k] for name, values in named.items() for k in place},
        SPREAD: np.nanstd(recalls, axis=0),
        BIAS: np.abs(shares - golds).sum(0) / 2,
        BY_CHANCE: np.concatenate([[chance.mean()], chance]),
        UNPARSABLE: 1 - share_of(readable, asked),
    }


def _by_chance(placed: Placed, places: int, draws: Bootstrap, number: int) -> np.ndarray:
    """(resamples,) the bias of answers without a preference; NaN where none can be read."""
    read = placed.given >= 0
    right, options, correct = placed.right[read], placed.options[read], (placed.given == placed.right)[read]
    if not right.size:
        return np.full(draws.resamples, np.nan)
    gold = np.bincount(right, minlength=places) / right.size
    rng = np.random.default_rng((draws.seed, 2, number))
    at_once = max(1, LARGEST_DRAW // right.size)
    found = []
    for done in range(0, draws.resamples, at_once):
        shape = (min(at_once, draws.resamples - done), right.size)
        kept = rng.permuted(np.broadcast_to(correct, shape), axis=1)
        elsewhere = (right + 1 + (rng.random(shape) * (options - 1)).astype(np.int64)) % options
        given = np.where(kept, right, elsewhere)
        shares = np.stack([(given == place).mean(1) for place in range(places)], axis=1)
        found.append(np.abs(shares - gold).sum(1) / 2)
    return np.concatenate(found)
