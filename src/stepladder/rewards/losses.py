"""Losses of process reward models.

All of them take ``scores`` and ``labels`` of shape (batch, steps). Scores are logits of any sign, one per
step; labels are -100 at padding, which may hold any score, NaN included, without touching the loss or its
gradient. All return a scalar in float32 (float64 scores stay float64), which is 0 with a zero gradient if
every step is padding. Errors: ``StepladderError`` for shapes that differ and for labels outside their range.

Source of the rank losses: Li and Li, Process Reward Model with Q-value Rankings (PQM, arXiv 2410.11287).
Every row has a virtual step 0, the bare question, whose score is fixed at 0; it is ranked only in rows with a
wrong step. Labels are 1 (correct) or 0 (wrong), and are used as sets: a correct step after a wrong one stays
correct, unless ``after_first_error`` has changed that. The rank losses are not shift invariant: with margin
zeta the natural decision threshold of a score is -zeta / 2.

What a loss costs before training, when a zero head scores every step 0, is its value at scores of 0: a
training whose loss stays above that has learned nothing.
"""

from math import inf
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from stepladder.errors import StepladderError

PADDING = -100

OrmTarget = Literal["last_label", "no_error"]
Recoveries = Literal["raw", "monotone", "drop"]


def after_first_error(labels: Tensor, how: Recoveries) -> Tensor:
    """Labels in which rows that recover from a wrong step are treated as ``how`` says; shape and dtype stay.

    A step is wrong if its label is below one half. ``raw`` changes nothing. ``monotone`` calls every step after
    the first wrong one wrong, as PQM's theory assumes. ``drop`` makes them padding, so that a row ends with its
    first wrong step (Zhang et al., Lessons of developing process reward models, arXiv 2501.07301).
    """
    if how == "raw":
        return labels
    if how not in ("monotone", "drop"):
        raise StepladderError(f"unknown treatment of steps after the first error {how!r}; choose raw, monotone or drop")
    real = labels != PADDING
    wrong = (real & (labels < 0.5)).long()
    after = wrong.cumsum(1) - wrong > 0
    return labels.masked_fill(after & real, 0 if how == "monotone" else PADDING)


def rank_loss(scores: Tensor, labels: Tensor, zeta: float = 4.0, double_count: bool = False) -> Tensor:
    """PQM's loss (paper Eq. 10): correct steps rise one above the other, wrong ones fall ``zeta`` below.

    Mean over rows of the row's mean term. The term of correct step c is -log of e^r_c's share in: e^0 for the
    question, the correct steps up to c, and every wrong step at e^(r_w + zeta). ``double_count`` counts e^r_c
    twice from the second column on: the form of the code before February 2025, with which the published
    checkpoints were trained.
    """
    scores, correct, wrong = _ranked(scores, labels, zeta)
    terms = _terms_of_correct(scores, correct, wrong, _log_mass(scores + zeta, wrong), double_count)
    return _mean_over_rows(terms.sum(1), _counted(correct, wrong).sum(1))


def theory_rank_loss(scores: Tensor, labels: Tensor, zeta: float = 4.0, double_count: bool = False) -> Tensor:
    """PQM's loss over the full order (paper Eq. 9): as ``rank_loss``, and wrong steps fall one by one.

    Both sums are divided by the number of steps of the row. The term of wrong step w is -log of e^r_w's share
    in the wrong steps from w on, without a margin. ``double_count`` is the published form, see ``rank_loss``.
    """
    scores, correct, wrong = _ranked(scores, labels, zeta)
    terms = _terms_of_correct(scores, correct, wrong, _log_mass(scores + zeta, wrong), double_count)
    log_mass_from_here = _only(scores, wrong).flip(1).logcumsumexp(1).flip(1)
    terms_of_wrong = (log_mass_from_here - scores).where(wrong, 0.0)
    return _mean_over_rows(terms.sum(1) + terms_of_wrong.sum(1), (correct | wrong).sum(1))


def ablated_rank_loss(scores: Tensor, labels: Tensor, double_count: bool = False) -> Tensor:
    """PQM's ablation (paper Eq. 12): as ``rank_loss``, but of the wrong steps only the first, no margin.

    The published code takes the column after as many steps as are correct; here it is the first column
    labelled wrong. The two differ only in rows that hold a correct step after a wrong one.
    """
    scores, correct, wrong = _ranked(scores, labels, 0.0)
    first_wrong = wrong & (wrong.cumsum(1) == 1)
    terms = _terms_of_correct(scores, correct, wrong, _log_mass(scores, first_wrong), double_count)
    return _mean_over_rows(terms.sum(1), _counted(correct, wrong).sum(1))


def bce_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of sigmoid(score) to labels in [0, 1], soft ones allowed; mean over all real steps."""
    scores, targets, real = _pointwise(scores, labels)
    terms = binary_cross_entropy_with_logits(scores, targets, reduction="none").where(real, 0.0)
    return terms.sum() / real.sum().clamp(min=1)


def bce_loss_in_bf16(scores: Tensor, labels: Tensor) -> Tensor:
    """``bce_loss`` as PQM's code computes it, for comparison only: the sigmoid, then its logarithm, in bfloat16.

    A wrong step above about 6.3 has a sigmoid of exactly 1: its loss is cut to 100 and its gradient is 0, so the
    worst mistakes teach nothing. The mean over steps is taken in the precision of the other losses.
    """
    scores, targets, real = _pointwise(scores, labels)
    chances = scores.bfloat16().sigmoid()
    terms = binary_cross_entropy(chances, targets.bfloat16(), reduction="none").to(scores.dtype).where(real, 0.0)
    return terms.sum() / real.sum().clamp(min=1)


def mse_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Squared distance of sigmoid(score) to labels in [0, 1]; mean over all real steps."""
    scores, targets, real = _pointwise(scores, labels)
    return (scores.sigmoid() - targets).square().where(real, 0.0).sum() / real.sum().clamp(min=1)


def orm_loss(scores: Tensor, labels: Tensor, target: OrmTarget = "last_label") -> Tensor:
    """Outcome reward model: cross-entropy of the last real step's score; mean over rows with a step.

    ``last_label`` learns the label of the last step, that of the finished answer. ``no_error`` is PQM's
    published target: 1 if no step's label is below one half, else 0. They differ in rows that recover from a
    wrong step.
    """
    scores, targets, real = _pointwise(scores, labels)
    last = real.cumsum(1).argmax(1, keepdim=True)
    match target:
        case "last_label":
            outcome = targets.gather(1, last)
        case "no_error":
            outcome = ((targets >= 0.5) | ~real).all(1, keepdim=True).to(scores.dtype)
        case _:
            raise StepladderError(f"unknown target of the outcome model {target!r}; choose last_label or no_error")
    terms = binary_cross_entropy_with_logits(scores.gather(1, last), outcome, reduction="none")
    return _mean_over_rows(terms.squeeze(1), real.any(1).long())


def _checked(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Scores in the precision of the loss, 0 at padding, and the mask of real steps."""
    if scores.ndim != 2 or scores.shape != labels.shape:
        raise StepladderError(
            f"scores and labels must be (batch, steps); got {tuple(scores.shape)} and {tuple(labels.shape)}"
        )
    real = labels != PADDING
    precise = scores if scores.dtype == torch.float64 else scores.float()
    return precise.where(real, 0.0), real


def _ranked(scores: Tensor, labels: Tensor, zeta: float) -> tuple[Tensor, Tensor, Tensor]:
    scores, real = _checked(scores, labels)
    correct, wrong = labels == 1, labels == 0
    if not torch.equal(correct | wrong, real):
        raise StepladderError("rank losses need labels 0, 1 or -100 (padding); threshold soft labels first")
    if not 0 <= zeta < inf:
        raise StepladderError(f"zeta must be a number of at least 0; got {zeta}")
    return scores, correct, wrong


def _pointwise(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    scores, real = _checked(scores, labels)
    targets = labels.where(real, 0).to(scores.dtype)
    if not ((targets >= 0) & (targets <= 1)).all():
        raise StepladderError("step labels must lie in [0, 1], with -100 at padding")
    return scores, targets, real


def _terms_of_correct(scores: Tensor, correct: Tensor, wrong: Tensor, log_wrong: Tensor, double_count: bool) -> Tensor:
    """(batch, 1 + steps) terms of the question and the correct steps; ``log_wrong``: (batch,)."""
    question = scores.new_zeros(len(scores), 1)
    own = torch.cat([question, scores], 1)
    log_share_of_correct = torch.cat([question, _only(scores, correct)], 1).logcumsumexp(1)
    log_total = torch.logaddexp(log_share_of_correct, log_wrong[:, None])
    if double_count:
        log_total = torch.cat([log_total[:, :2], torch.logaddexp(log_total, own)[:, 2:]], 1)
    return (log_total - own).where(_counted(correct, wrong), 0.0)


def _counted(correct: Tensor, wrong: Tensor) -> Tensor:
    return torch.cat([wrong.any(1, keepdim=True), correct], 1)


def _only(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores that vanish from a log-sum-exp outside the mask; finite, as -inf gives NaN gradients."""
    return scores.where(mask, torch.finfo(scores.dtype).min / 4)


def _log_mass(scores: Tensor, mask: Tensor) -> Tensor:
    return _only(scores, mask).logsumexp(1)


def _mean_over_rows(totals: Tensor, counts: Tensor) -> Tensor:
    """Mean of totals / counts over the rows that have something to count."""
    rows = (totals / counts.clamp(min=1)).where(counts > 0, 0.0)
    return rows.sum() / (counts > 0).sum().clamp(min=1)
