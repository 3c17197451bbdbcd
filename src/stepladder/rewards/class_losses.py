"""Losses of process reward models that give each step, or each prefix, one class of several.

Both take ``logits`` of shape (rows, classes), computed in float32 (float64 stays float64). Classes count from
0. For ``classes`` = K + 1 the class is the number of right rollouts of K (LPR, arXiv 2402.00658); for three
classes that a person chose it is wrong, neutral, correct (PSPO, arXiv 2411.11681). Rows whose class, or
number of trials, is -100 are padding. All return a scalar, 0 with a zero gradient if every row is padding.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from stepladder.errors import StepladderError
from stepladder.rewards.losses import PADDING


def class_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy to one class a row, mean over real rows: LPR's and PSPO's published loss.

    ``classes``: (rows,) whole numbers. It takes no notice of the order of the classes.
    """
    _check_shapes(logits, classes)
    real = classes != PADDING
    _check_range(logits, real & ((classes < 0) | (classes >= logits.size(1))))
    terms = cross_entropy(_precise(logits, real), classes.where(real, 0).long(), reduction="none")
    return terms.where(real, 0.0).sum() / real.sum().clamp(min=1)


def count_loss(logits: Tensor, successes: Tensor, trials: Tensor) -> Tensor:
    """Cross-entropy to what the trials seen say of K further ones, K being the number of classes less one.

    ``successes``, ``trials``: (rows,) right rollouts of how many; the number of trials may differ from row to
    row, and 0 trials say nothing. The target is the Beta-binomial distribution of the right ones among K more
    trials, from a uniform prior: neighbouring counts share their mass, the more of it the fewer the trials.
    """
    _check_shapes(logits, successes, trials)
    real = trials != PADDING
    _check_range(logits, real & ((successes < 0) | (successes > trials)))
    precise = _precise(logits, real)
    targets = _counts_to_come(successes.where(real, 0), trials.where(real, 0), logits.size(-1) - 1).to(precise)
    terms = cross_entropy(precise, targets, reduction="none")
    return terms.where(real, 0.0).sum() / real.sum().clamp(min=1)


def _counts_to_come(successes: Tensor, trials: Tensor, further: int) -> Tensor:
    """(rows, further + 1) chances of 0 ... ``further`` right ones among as many further trials."""
    right, wrong = successes.double()[:, None] + 1, (trials - successes).double()[:, None] + 1
    count = torch.arange(further + 1, dtype=torch.float64, device=trials.device)
    logarithms = (
        torch.lgamma(torch.tensor(further + 1.0, dtype=torch.float64))
        - torch.lgamma(count + 1)
        - torch.lgamma(further - count + 1)
        + _log_beta(right + count, wrong + further - count)
        - _log_beta(right, wrong)
    )
    return logarithms.exp()


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


def _precise(logits: Tensor, real: Tensor) -> Tensor:
    precise = logits if logits.dtype == torch.float64 else logits.float()
    return precise.where(real[:, None], 0.0)


def _check_shapes(logits: Tensor, *labels: Tensor) -> None:
    if logits.ndim != 2 or logits.size(1) < 2 or any(each.shape != logits.shape[:1] for each in labels):
        found = " and ".join(str(tuple(each.shape)) for each in labels)
        raise StepladderError(
            f"a class loss needs logits (rows, classes) and one label a row; got {tuple(logits.shape)} and {found}"
        )


def _check_range(logits: Tensor, faulty: Tensor) -> None:
    if faulty.any():
        row = int(faulty.nonzero()[0])
        raise StepladderError(f"row {row}: its class or count is out of range for {logits.size(1)} classes")
