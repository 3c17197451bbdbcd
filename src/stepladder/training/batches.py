"""Which rows go into which optimizer step: decided before training, by the seed alone."""

import math
import random
from collections.abc import Sequence

from stepladder.study.optimisation import Optimisation

# Batches are drawn from windows of this many batches sorted by length: little padding, still well mixed.
_WINDOW = 16
# Tokens of one pass without gradients: enough to keep a device busy, small enough for a CPU's cache, in which a small
# model took 0.54 ms a row of 48 tokens with 4,096 and 0.93 ms with 16,384.
TOKENS_AT_ONCE = 4096
# Passes without gradients whose result a job keeps together, for a job that goes on where this one was stopped.
BATCHES_KEPT = 256


def plan_batches(lengths: Sequence[int], optimisation: Optimisation, seed: int) -> list[list[int]]:
    """The rows of every optimizer step.

    Each epoch is a fresh shuffle; inside a window of the shuffle, rows of like length share a batch, and the batches
    are shuffled again. Every row appears once an epoch.

    Args:
        lengths: tokens of each row.
        seed: of the shuffles.
    """
    rows, size = len(lengths), optimisation.batch_size
    if rows == 0:
        return []
    per_epoch = math.ceil(rows / size)
    total = optimisation.steps if optimisation.steps is not None else math.ceil(per_epoch * (optimisation.epochs or 1))
    rng = random.Random(seed)
    batches: list[list[int]] = []
    while len(batches) < total:
        order = list(range(rows))
        rng.shuffle(order)
        epoch: list[list[int]] = []
        for start in range(0, rows, size * _WINDOW):
            window = sorted(order[start : start + size * _WINDOW], key=lambda row: lengths[row])
            epoch += [window[i : i + size] for i in range(0, len(window), size)]
        rng.shuffle(epoch)
        batches += epoch
    return batches[:total]


def tokens_in(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> int:
    """Tokens that a training on the batches reads, padding left out; ``lengths``: tokens of each row."""
    return sum(lengths[row] for batch in batches for row in batch)


def batches_by_tokens(lengths: Sequence[int], tokens: int = TOKENS_AT_ONCE) -> list[list[int]]:
    """Rows for passes without gradients: shortest first, each batch at most ``tokens`` with its padding, or one row."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if batches and lengths[row] * (len(batches[-1]) + 1) <= tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def pieces_by_tokens(lengths: Sequence[int], batches: int = BATCHES_KEPT) -> list[list[int]]:
    """The rows of every so many consecutive batches of :func:`batches_by_tokens`.

    Cut into batches anew, a piece gives the same batches: to work piece by piece changes no result.
    """
    plan = batches_by_tokens(lengths)
    return [[row for batch in plan[start : start + batches] for row in batch] for start in range(0, len(plan), batches)]


def share_of_rank(batch: Sequence[int], rank: int, ranks: int, micro_batch: int | None) -> list[list[int]]:
    """One rank's micro-batches of a batch. Every rank gets as many as every other; some may be empty."""
    own = list(batch[rank::ranks])
    most = math.ceil(len(batch) / ranks)
    size = micro_batch or max(most, 1)
    return [own[i * size : (i + 1) * size] for i in range(max(math.ceil(most / size), 1))]
