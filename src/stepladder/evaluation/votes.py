"""Self-consistency: what a PRM's scores weigh, and the expected majority vote."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from math import comb, fsum
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from stepladder.errors import StepladderError
from stepladder.evaluation.best_of_n import Answer

Weighting = Literal["sigmoid", "softmax", "rank"]

MOST_ANSWERS = 1000
"""More than these are refused: the number of their subsets is beyond a float."""


def vote_weights(scores: ArrayLike, how: Weighting = "sigmoid", temperature: float = 1.0) -> np.ndarray:
    """(N,) weights of the votes of N answers to one question, from their scores.

    ``scores``: (N,) logits, one an answer. ``sigmoid``: sigmoid(score / temperature), PQM's weight at 1; logits
    have no scale of their own, and far from 0 all weights are alike. ``softmax``: of score / temperature over
    the N answers. ``rank``: the mean rank among the N, from 1 / N for the lowest to 1; it reads the order of the
    scores only, and no temperature.
    """
    numbers = np.asarray(scores, dtype=np.float64)
    if numbers.ndim != 1 or not np.all(np.isfinite(numbers)):
        raise StepladderError(f"votes are weighed by one finite score an answer; got shape {numbers.shape}")
    if not temperature > 0:
        raise StepladderError(f"the temperature of vote weights must be positive; got {temperature}")
    match how:
        case "sigmoid":
            return np.exp(-np.logaddexp(0.0, -numbers / temperature))
        case "softmax":
            powers = np.exp((numbers - numbers.max(initial=-np.inf)) / temperature)
            return powers / powers.sum()
        case "rank":
            _, group, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
            return (np.cumsum(sizes) - (sizes - 1) / 2)[group] / numbers.size
        case _:
            raise StepladderError(f"unknown weight of votes {how!r}; choose sigmoid, softmax or rank")


def log_odds(scores: ArrayLike) -> np.ndarray:
    """(N,) logits of scores in [0, 1], as ``vote_weights`` takes them.

    Nothing lies between 1 and 1 - 2^-53 and little below 2e-308: these are what 1 and 0 are read as, so logits lie
    between -708 and 37.
    """
    numbers = np.asarray(scores, dtype=np.float64)
    if not np.all((numbers >= 0) & (numbers <= 1)):
        raise StepladderError("log-odds are those of scores in [0, 1]")
    numbers = np.clip(numbers, float(np.finfo(np.float64).tiny), 1 - 2.0**-53)
    return np.log(numbers) - np.log1p(-numbers)


def expected_majority(answers: Sequence[Answer], correct: Sequence[float]) -> np.ndarray:
    """(N,) expected correctness of the majority vote of n of the N answers, for n = 1 ... N.

    The mean over all subsets of n answers, ties broken at random, so that neither a draw nor an order matters.
    None never wins while another answer is there. ``correct``: that of each answer, in [0, 1]; a winner is as
    correct as its answers are on average. Exact: for each number of votes with which a cluster can win, the
    subsets are the coefficients of a product of polynomials, one a cluster, in the number of answers drawn.
    """
    if not 1 <= len(answers) <= MOST_ANSWERS or len(answers) != len(correct):
        raise StepladderError(
            f"a vote needs 1 to {MOST_ANSWERS} answers and the correctness of each;"
            f" got {len(answers)} and {len(correct)}"
        )
    values: dict[Answer, list[float]] = defaultdict(list)
    for answer, value in zip(answers, correct, strict=True):
        values[answer].append(float(value))
    unread = values.pop(None, [])
    size = len(answers)
    subsets = _binomials(size)[1:]
    wins = _binomials(len(unread), size)[1:] * (fsum(unread) / len(unread)) if unread else np.zeros(size)
    sizes = Counter(len(members) for members in values.values())
    for members in values.values():
        worth = fsum(members) / len(members)
        if worth > 0:
            others = tuple(sorted((sizes - Counter([len(members)])).elements()))
            wins = wins + worth * _winning_subsets(len(members), others, len(unread))
    return wins / subsets


@lru_cache(maxsize=4096)
def _winning_subsets(own: int, others: tuple[int, ...], unread: int) -> np.ndarray:
    """(N,) number of subsets of 1 ... N answers that a cluster of ``own`` wins; a tie of t counts 1 / t."""
    size = own + sum(others) + unread
    subsets = np.zeros(size + 1)
    for votes in range(1, own + 1):
        free = unread + sum(other for other in others if other < votes)
        ways = np.convolve(_not_more(votes, [other for other in others if other >= votes]), _binomials(free))
        subsets[votes : votes + len(ways)] += comb(own, votes) * ways
    return subsets[1:]


def _not_more(votes: int, others: Sequence[int]) -> np.ndarray:
    """Ways to draw 0, 1, ... answers from clusters of at least ``votes``, at most ``votes`` from each.

    A way with t clusters of exactly ``votes`` counts 1 / (t + 1), the integral of y^t over [0, 1]: a factor y
    marks each of them, and Gauss's rule integrates exactly.
    """
    nodes, weights = np.polynomial.legendre.leggauss(len(others) // 2 + 1)
    ways = np.zeros((len(nodes), votes * len(others) + 1))
    ways[:, 0] = weights / 2
    for other in others:
        counts = np.tile(_binomials(other, votes), (len(nodes), 1))
        counts[:, votes] *= (nodes + 1) / 2
        product = np.zeros_like(ways)
        for drawn in range(votes + 1):
            product[:, drawn:] += counts[:, drawn, None] * ways[:, : ways.shape[1] - drawn]
        ways = product
    return ways.sum(0)


def _binomials(n: int, upto: int | None = None) -> np.ndarray:
    """C(n, 0) ... C(n, upto), by default up to n."""
    return np.array([comb(n, k) for k in range((n if upto is None else upto) + 1)], dtype=np.float64)
