"""What the loss tests share: the reference rows of PQM and a plain re-derivation of its loss, in exponential space."""

import math

import torch
from torch import tensor

from stepladder.rewards.losses import (
    ablated_rank_loss,
    bce_loss,
    mse_loss,
    orm_loss,
    rank_loss,
    theory_rank_loss,
)

EPS = 1e-5
ROWS = {
    "E1": ([0, 0], [1, 0]),
    "E2": ([1, 2, -3, -1], [1, 1, 0, 0]),
    "E3": ([0.5, -0.5, 1], [1, 1, 1]),
    "E4": ([-5, -6], [0, 0]),
    "E6": ([0, 0, 0], [1, 1, 1]),
    "E7": ([0], [1]),
    "E8": ([0, 0, 0, 0], [1, 1, 0, 0]),
    "E9": ([1, 2, -3, -1, 7, 9], [1, 1, 0, 0, -100, -100]),
}
LOSSES = [rank_loss, theory_rank_loss, ablated_rank_loss, bce_loss, mse_loss, orm_loss]
RANK_LOSSES = LOSSES[:3]


def row(name: str, dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    scores, labels = ROWS[name]
    return tensor([scores], dtype=dtype), tensor([labels])


def published(scores, labels, zeta=4.0, eps=EPS, double_count=False, wrong_mass=None) -> tuple[float, int]:
    """Sum and number of the terms of the question and the correct steps of a row, in exponential space."""
    wrong = [math.exp(r + zeta) for r, y in zip(scores, labels, strict=True) if y == 0]
    mass = sum(wrong) if wrong_mass is None else wrong_mass
    total, count, below = (math.log(1 + mass + eps), 1, 1.0) if wrong else (0.0, 0, 1.0)
    for column, (r, y) in enumerate(zip(scores, labels, strict=True)):
        if y == 1:
            below += math.exp(r)
            twice = math.exp(r) if double_count and column >= 1 else 0.0
            total += math.log(below + twice + mass + eps) - r
            count += 1
    return total, count
