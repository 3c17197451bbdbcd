"""Whether rewards lean to short or to long answers, and how far they choose by length alone.

A product of step scores falls with every step, and rewards that are added up rise: LPR (arXiv 2402.00658) prefers short
chains among right ones by the first, and gets ever longer ones from the second. Most of the variance of lengths lies
between questions, hard ones having long answers; what a choice or a pair sees is the variance within them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stepladder.evaluation.statistics import correlation, drawn_questions, share_of
from stepladder.evaluation.step_measures import Bootstrap, Measured, over_seeds, sums

STEPS, TOKENS = "steps", "tokens"
WITHIN, BETWEEN, RIGHT, SHORTER = "within", "between", "right", "shorter"
"""Of each unit of length: "within steps"."""
CHOSEN, ADJUSTED = "chosen", "chosen without length"


@dataclass(frozen=True)
class Rewarded:
    """The answers of one seed.

    Attributes:
        reward: (answers,).
        steps: (answers,) how many.
        tokens: (answers,) how many.
        correct: (answers,) whether right.
        question: (answers,) the question's number among those of all seeds.
    """

    reward: np.ndarray
    steps: np.ndarray
    tokens: np.ndarray
    correct: np.ndarray
    question: np.ndarray


def length_measures(seeds: Sequence[Rewarded], questions: int, draws: Bootstrap) -> dict[str, Measured]:
    """Every measure by its name; correlations are Spearman's, of ranks with tied values at their mean rank.

    within: correlation of rewards and lengths by their ranks among their question's answers. right: the same among its
    right answers. between: correlation of the questions' means. shorter: of pairs of right answers to one question with
    different rewards, the share whose higher reward is the shorter answer's; equal lengths count one half. chosen:
    chance that the answer of its question's highest reward is right, ties broken evenly. chosen without length: the
    same by the rest of :func:`without_length`.

    Args:
        questions: how many, over all seeds.
    """
    return over_seeds([_measures(each, questions, draws) for each in seeds], draws)


def without_length(answers: Rewarded) -> np.ndarray:
    """(answers,) rewards less their question's mean, with a linear function of steps and tokens taken off.

    The function is that of least squares over all answers, within questions. What is left is rounded to a millionth of
    the largest difference, so that rewards that are such a function all tie.
    """
    lengths = np.stack([answers.steps, answers.tokens], 1).astype(np.float64)
    apart, reward = (_centred(each, answers.question) for each in (lengths, answers.reward[:, None]))
    slopes = np.linalg.lstsq(apart, reward, rcond=None)[0]
    largest = np.abs(reward).max(initial=0.0)
    return np.round((reward - apart @ slopes)[:, 0] / (largest or 1.0), 6)


def ranks_within(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(values,) mean rank of each value in its group, as a share of the group between 0 and 1, their mean being 1/2."""
    order = np.lexsort((values, group))
    value, member = values[order], group[order]
    new_group = np.diff(member, prepend=member[:1] - 1) != 0
    new_value = new_group | (np.diff(value, prepend=value[:1]) != 0)
    first, size = np.flatnonzero(new_group), np.diff([*np.flatnonzero(new_group), len(order)])
    start, ties = np.flatnonzero(new_value), np.diff([*np.flatnonzero(new_value), len(order)])
    place, run = np.cumsum(new_group) - 1, np.cumsum(new_value) - 1
    ranks = np.empty(len(order))
    ranks[order] = (start[run] + ties[run] / 2 - first[place]) / size[place]
    return ranks


def _measures(answers: Rewarded, questions: int, draws: Bootstrap) -> dict[str, np.ndarray]:
    """(1 + resamples,) of every measure: of all questions once, then of each resample."""
    units = {STEPS: answers.steps, TOKENS: answers.tokens}
    right = answers.correct.astype(bool)
    columns = [_chosen(answers.reward, answers, questions), _chosen(without_length(answers), answers, questions)]
    columns.append(np.bincount(answers.question, minlength=questions) > 0)
    for length in units.values():
        columns += _products(answers.reward, length, answers.question, questions)
        columns += _products(answers.reward[right], length[right], answers.question[right], questions)
        columns += _shorter(answers.reward[right], length[right], answers.question[right], questions)
    chosen, adjusted, asked, *rest = sums(np.stack(columns, 1), draws).T
    found = {CHOSEN: share_of(chosen, asked), ADJUSTED: share_of(adjusted, asked)}
    for number, (unit, length) in enumerate(units.items()):
        both, of_reward, of_length, r_both, r_reward, r_length, wins, pairs = rest[8 * number : 8 * number + 8]
        found |= {
            f"{WITHIN} {unit}": correlation(both, of_reward, of_length),
            f"{BETWEEN} {unit}": _between(answers.reward, length, answers.question, questions, draws),
            f"{RIGHT} {unit}": correlation(r_both, r_reward, r_length),
            f"{SHORTER} {unit}": share_of(wins, pairs),
        }
    return found


def _chosen(scores: np.ndarray, answers: Rewarded, questions: int) -> np.ndarray:
    """(questions,) chance that the best-scored answer is right; 0 where there is no answer."""
    best = np.full(questions, -np.inf)
    np.maximum.at(best, answers.question, scores)
    top = scores == best[answers.question]
    tied, right = (np.bincount(answers.question[each], minlength=questions) for each in (top, top & answers.correct))
    return right / np.maximum(tied, 1)


def _products(x: np.ndarray, y: np.ndarray, question: np.ndarray, questions: int) -> list[np.ndarray]:
    """(questions,) each: sums of the products and squares of ranks within the question, less their mean."""
    one, other = (ranks_within(each, question) - 0.5 for each in (x, y))
    return [np.bincount(question, each, questions) for each in (one * other, one**2, other**2)]


def _shorter(reward: np.ndarray, length: np.ndarray, question: np.ndarray, questions: int) -> list[np.ndarray]:
    """(questions,) each: pairs whose higher reward is the shorter answer's, and pairs of different rewards."""
    found = np.zeros((2, questions))
    for place, members in _groups(question):
        higher = reward[members][:, None] > reward[members]
        longer_by = length[members] - length[members][:, None]
        found[:, place] = (higher * (1 + np.sign(longer_by)) / 2).sum(), higher.sum()
    return list(found)


def _groups(question: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The places of each question's answers."""
    order = np.argsort(question, kind="stable")
    numbers, starts = np.unique(question[order], return_index=True)
    if len(order):
        yield from zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)


def _between(x: np.ndarray, y: np.ndarray, question: np.ndarray, questions: int, draws: Bootstrap) -> np.ndarray:
    """(1 + resamples,) correlation of the ranks of questions' means, ranked anew in each resample."""
    answers = np.bincount(question, minlength=questions)
    there = answers > 0
    means = [np.bincount(question, each, questions)[there] / answers[there] for each in (x, y)]
    counts = drawn_questions(questions, draws.resamples, draws.seed)
    return np.concatenate([_spearman(*means, each[:, there]) for each in (np.ones((1, questions)), *counts)])


def _spearman(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(resamples,) rank correlation, each of (things,) counting as often as (resamples, things) say."""
    whole = counts.sum(1, keepdims=True)
    # Counts divided by their sum give ranks between 0 and 1 and means as sums.
    weights = share_of(counts, np.broadcast_to(whole, counts.shape))
    one, other = (_weighted_ranks(each, weights) - 0.5 for each in (x, y))
    return correlation(*((weights * each).sum(1) for each in (one * other, one**2, other**2)))


def _weighted_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(resamples, values): the weight of all smaller values and half of that of equal ones."""
    order = np.argsort(values, kind="stable")
    up_to = np.zeros((len(weights), len(values) + 1))
    np.cumsum(weights[:, order], axis=1, out=up_to[:, 1:])
    below, not_above = (np.searchsorted(values[order], values, side) for side in ("left", "right"))
    return (up_to[:, below] + up_to[:, not_above]) / 2


def _centred(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(values, columns) less the means of their groups."""
    size = np.maximum(np.bincount(group), 1)
    means = np.stack([np.bincount(group, column) / size for column in values.T], 1)
    return values - means[group]
