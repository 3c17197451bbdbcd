"""The pieces of proximal policy optimisation (PPO; Schulman et al., arXiv 1707.06347) as pure functions.

Tensors are of one shape, (batch, tokens) as a rule. ``mask`` is true at the response tokens; elsewhere
anything may stand, NaN included, without touching a result or a gradient. ``count`` is the number of response
tokens of the whole optimiser batch, for a micro-batch that is only a part of it; without it, means are over
the tokens given. Nothing is gathered over processes: pass tensors, or a count, of all of them.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from stepladder.errors import StepladderError

KlEstimator = Literal["k1", "k2", "k3"]

SMALLEST_SCALE = 1e-3
"""Least deviation that whitening divides by: below it advantages are noise, not to be blown up."""


def masked_mean(x: Tensor, mask: Tensor, count: int | None = None) -> Tensor:
    """Mean of ``x`` over the mask, or its sum there divided by ``count``; 0 where there is nothing."""
    total = mask.sum() if count is None else torch.as_tensor(count, device=x.device)
    return x.where(mask.bool(), 0.0).sum() / total.clamp(min=1)


def whiten(x: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """``x`` scaled to unit deviation over the mask, 0 outside it.

    With ``shift_mean`` also to mean 0, over the standard deviation (n - 1). Without, over the root mean
    square: an advantage of 0 stays 0 and no sign changes, unlike in the published VinePPO and ProbPPO, which
    shift. Where all are equal nothing is left of them but 0 after the shift: no rounding to be blown up.
    """
    real = mask.bool()
    kept = x.where(real, 0.0)
    count = real.sum()
    if shift_mean and (x.masked_fill(~real, -math.inf).max() <= x.masked_fill(~real, math.inf).min()):
        return torch.zeros_like(kept)
    centred = (kept - kept.sum() / count.clamp(min=1)).where(real, 0.0) if shift_mean else kept
    degrees = count - 1 if shift_mean else count
    scale = (centred.square().sum() / degrees.clamp(min=1)).sqrt()
    return centred / scale.clamp(min=SMALLEST_SCALE)


def clipped_policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip: float,
    count: int | None = None,
) -> Tensor:
    """PPO's clipped surrogate (Eq. 7), to be minimised: mean of max(-A r, -A clamp(r, 1 - clip, 1 + clip)).

    r is the ratio of the new to the old probability of each token.
    """
    _check_clip(clip)
    real = mask.bool()
    ratio = (logprobs - old_logprobs).where(real, 0.0).exp()
    gain = advantages.where(real, 0.0)
    return masked_mean(torch.maximum(-gain * ratio, -gain * ratio.clamp(1 - clip, 1 + clip)), real, count)


def clipped_value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float, count: int | None = None
) -> Tensor:
    """Half the mean of the larger of two squared errors of the value.

    One is that of the value itself, one that of the value kept within ``clip`` of the old one.
    """
    _check_clip(clip)
    real = mask.bool()
    values, old_values, returns = (x.where(real, 0.0) for x in (values, old_values, returns))
    near = torch.clamp(values, old_values - clip, old_values + clip)
    return 0.5 * masked_mean(torch.maximum((values - returns).square(), (near - returns).square()), real, count)


def kl_estimate(logprobs: Tensor, reference_logprobs: Tensor, kind: KlEstimator) -> Tensor:
    """Estimates of KL(policy || reference), one per token that the policy sampled, of the shape of
    ``logprobs``.

    There is no mask, so padding must hold finite numbers. With D = reference - policy: k1 = -D (unbiased, of
    any sign), k2 = D^2 / 2 (biased, least variance), k3 = e^D - 1 - D (unbiased, never negative). Add them to
    a loss that is minimised: the gradients of k2 and k3 pull the policy to the reference. Source: Schulman,
    Approximating KL divergence, 2020.
    """
    difference = reference_logprobs - logprobs
    match kind:
        case "k1":
            return -difference
        case "k2":
            return 0.5 * difference.square()
        case "k3":
            return difference.expm1() - difference
        case _:
            raise StepladderError(f"unknown estimator of the KL divergence {kind!r}; choose k1, k2 or k3")


def _check_clip(clip: float) -> None:
    if not clip > 0:
        raise StepladderError(f"clip must be above 0; got {clip}")
