"""Preference losses, direct preference optimisation and its family, and how far they move a policy."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from stepladder.errors import StepladderError

PreferenceKind = Literal["sigmoid", "conservative", "hinge", "ipo", "dpo_positive"]


def preference_loss(
    kind: PreferenceKind,
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float,
    label_smoothing: float = 0.0,
    positive_weight: float = 50.0,
) -> Tensor:
    """Mean loss over pairs; the four log-probabilities of whole responses are (pairs,), in nats.

    They are sums over the response's tokens, but for ``ipo`` means: its target gap of 1 / (2 beta) does not
    grow with length. The loss is float32, or float64 for float64 log-probabilities. With d the policy's
    log-ratio of chosen to rejected minus the reference's:

    * ``sigmoid``: -log sigmoid(beta d). Rafailov et al., arXiv 2305.18290, Eq. 7.
    * ``conservative``: the same, with the share ``label_smoothing`` (below one half) of labels taken to be
      flipped. Mitchell, A note on DPO with noisy preferences, 2023.
    * ``hinge``: max(0, 1 - beta d). Zhao et al., SLiC-HF, arXiv 2305.10425.
    * ``ipo``: (d - 1 / (2 beta))^2. Azar et al., arXiv 2310.12036, Eq. 17.
    * ``dpo_positive``: -log sigmoid(beta (d - positive_weight * max(0, reference_chosen - policy_chosen))),
      which forbids to win by making both less likely. Pal et al., arXiv 2402.13228.
    """
    if not beta > 0:
        raise StepladderError(f"beta must be above 0; got {beta}")
    chosen, reference = _precise(policy_chosen), _precise(reference_chosen)
    gap = (chosen - _precise(policy_rejected)) - (reference - _precise(reference_rejected))
    match kind:
        case "sigmoid":
            terms = -logsigmoid(beta * gap)
        case "conservative":
            if not 0 <= label_smoothing < 0.5:
                raise StepladderError(f"label_smoothing must be in [0, 0.5); got {label_smoothing}")
            terms = -(1 - label_smoothing) * logsigmoid(beta * gap) - label_smoothing * logsigmoid(-beta * gap)
        case "hinge":
            terms = torch.relu(1 - beta * gap)
        case "ipo":
            terms = (gap - 1 / (2 * beta)).square()
        case "dpo_positive":
            fallen = torch.relu(reference - chosen)
            terms = -logsigmoid(beta * (gap - positive_weight * fallen))
        case _:
            raise StepladderError(
                f"unknown preference loss {kind!r}; choose sigmoid, conservative, hinge, ipo or dpo_positive"
            )
    return terms.mean()


def drifts(policy: Tensor, reference: Tensor, tokens: Tensor) -> dict[str, Tensor]:
    """How far the policy has gone from the reference on both sides of every pair; each (pairs,).

    ``chosen_drift``, ``rejected_drift``: log-ratio of policy to reference, in nats an answer. ``chosen_kl``,
    ``rejected_kl``: the estimate k1 of KL(reference || policy), in nats a token. Its mean is right over all that the
    reference samples; over one side of pairs, which were picked, it may be below 0.

    Args:
        policy, reference: summed log-probs of the chosen and the rejected answers, (pairs, 2).
        tokens: their lengths, (pairs, 2).
    """
    ratios = policy.detach() - reference
    by_token = -ratios / tokens.clamp(min=1)
    return {
        "chosen_drift": ratios[:, 0],
        "rejected_drift": ratios[:, 1],
        "chosen_kl": by_token[:, 0],
        "rejected_kl": by_token[:, 1],
    }


def _precise(logprobs: Tensor) -> Tensor:
    return logprobs if logprobs.dtype == torch.float64 else logprobs.float()
