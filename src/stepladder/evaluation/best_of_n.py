"""Choosing among the samples of one question: exact best-of-n, pass@k and votes.

The oracle PRM, the ceiling of every other one, scores a sample by its correctness: its best-of-n is pass@n. A
PRM that knows nothing, the floor, scores all samples alike: ties being broken at random, its best-of-n is the
mean correctness and its weighted vote the majority vote.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from math import fsum, inf

import numpy as np
from numpy.typing import ArrayLike

from stepladder.errors import StepladderError

Answer = Hashable | None
"""A parsed answer, equal for equal answers; None where nothing could be parsed."""


def best_of_n(scores: ArrayLike, correct: ArrayLike, n: int) -> float | np.ndarray:
    """Expected correctness of the best-scored of ``n`` samples, over all subsets of the N samples given.

    ``scores`` and ``correct``: (..., N), higher is better, correctness in [0, 1]; one number comes back for each
    question, so a float for (N,). A sample whose correctness is NaN is padding, and its score is not read. Among
    samples that tie for the best score one is chosen at random, so the order of the samples does not matter.
    n = 1 is the mean correctness. Source: order statistics; with the scores sorted, the group at places [i, j)
    is best in C(j, n) - C(i, n) subsets.
    """
    scores, correct, real = _samples(scores, correct)
    sizes = real.sum(-1)
    if not 1 <= n <= sizes.min(initial=n):
        fewest = int(sizes.min(initial=n))
        raise StepladderError(f"best-of-n needs 1 <= n <= number of samples; got n={n} of {fewest}")
    order = np.lexsort((scores, real), axis=-1)
    scores, correct, real = (np.take_along_axis(each, order, -1) for each in (scores, correct, real))
    places = np.arange(scores.shape[-1])
    opens = np.ones(scores.shape, dtype=bool)
    opens[..., 1:] = (np.diff(real, axis=-1)) | (scores[..., 1:] != scores[..., :-1])
    closes = np.roll(opens, -1, axis=-1)
    start = np.maximum.accumulate(np.where(opens, places, 0), axis=-1)
    end = np.minimum.accumulate(np.where(closes, places + 1, len(places))[..., ::-1], axis=-1)[..., ::-1]
    within = _share_of_subsets_within(real, n)
    chance = (np.take_along_axis(within, end, -1) - np.take_along_axis(within, start, -1)) / (end - start)
    expected = (chance * correct).sum(-1)
    return expected if expected.ndim else float(expected)


def pass_at_k(n: int, c: ArrayLike, k: int) -> float | np.ndarray:
    """Chance that ``k`` of ``n`` samples, of which ``c`` are correct, hold a correct one; one for each ``c``.

    1 - C(n - c, k) / C(n, k). Source: Chen et al., Evaluating large language models trained on code, arXiv
    2107.03374, Eq. 1.
    """
    counts = np.asarray(c)
    if not (1 <= k <= n and np.all((counts >= 0) & (counts <= n)) and np.all(counts == counts.astype(int))):
        raise StepladderError(f"pass@k needs 0 <= c <= n and 1 <= k <= n; got n={n}, c={c}, k={k}")
    chance = 1.0 - _share_of_subsets_within(np.ones(n, dtype=bool), k)[n - counts.astype(int)]
    return chance if chance.ndim else float(chance)


def majority_vote(answers: Sequence[Answer]) -> Answer:
    """The most frequent answer (self-consistency, Wang et al., arXiv 2203.11171); see ``weighted_vote``."""
    return weighted_vote(answers, [1.0] * len(answers))


def weighted_vote(answers: Sequence[Answer], weights: Sequence[float]) -> Answer:
    """The answer with the greatest sum of weights; of tied answers the one that comes first.

    ``weights``: one finite number >= 0 per answer. None wins only if every answer is None.
    """
    return _winners(answers, weights)[0]


def vote_accuracy(answers: Sequence[Answer], correct: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Expected correctness of the vote, ties broken at random, so that the order of answers is irrelevant.

    ``correct``: that of each answer, in [0, 1]. ``weights``: those of ``weighted_vote``; without them one
    vote each.
    """
    if len(correct) != len(answers):
        raise StepladderError(f"answers and correct must be of one length; got {len(answers)} and {len(correct)}")
    winners = _winners(answers, [1.0] * len(answers) if weights is None else weights)
    by_answer: dict[Answer, list[float]] = defaultdict(list)
    for answer, value in zip(answers, correct, strict=True):
        by_answer[answer].append(float(value))
    return fsum(fsum(by_answer[winner]) / len(by_answer[winner]) for winner in winners) / len(winners)


def _samples(scores: ArrayLike, correct: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores and correctness, both 0 at padding, and the mask of real samples."""
    scores, correct = np.asarray(scores, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if scores.ndim < 1 or scores.shape != correct.shape:
        raise StepladderError(f"scores and correct must be of one length; got {scores.shape} and {correct.shape}")
    real = ~np.isnan(correct)
    scores, correct = np.where(real, scores, 0.0), np.where(real, correct, 0.0)
    if np.isnan(scores).any() or not np.all((correct >= 0) & (correct <= 1)):
        raise StepladderError("scores must be numbers and correctness must lie in [0, 1]")
    return scores, correct, real


def _winners(answers: Sequence[Answer], weights: Sequence[float]) -> list[Answer]:
    """All answers that tie for the greatest weight, in order of first appearance."""
    if len(answers) == 0 or len(answers) != len(weights):
        raise StepladderError(
            f"a vote needs at least one answer and a weight for each; got {len(answers)} and {len(weights)}"
        )
    if not all(0 <= weight < inf for weight in weights):
        raise StepladderError("weights of votes must be finite and not negative")
    votes: dict[Answer, list[float]] = defaultdict(list)
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            votes[answer].append(float(weight))
    if not votes:
        return [None]
    # fsum is exact before its one rounding, so equal weights in another order still tie.
    totals = {answer: fsum(cast) for answer, cast in votes.items()}
    greatest = max(totals.values())
    return [answer for answer, total in totals.items() if total == greatest]


def _share_of_subsets_within(real: np.ndarray, n: int) -> np.ndarray:
    """(..., N + 1) share of the n-subsets of the real samples that lie within the first 0 ... N places.

    ``real``: (..., N), padding first. With j real samples of M within, the share is C(j, n) / C(M, n).
    """
    rank = np.cumsum(real, axis=-1)
    factors = np.where(real, np.maximum(1.0 - n / np.maximum(rank, 1), 0.0), 1.0)
    within = np.cumprod(factors[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([within, np.ones((*real.shape[:-1], 1))], axis=-1)
