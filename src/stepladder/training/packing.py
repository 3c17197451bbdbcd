"""Batches without padding: a model reads all sequences one after the other in a single row, each for itself."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from stepladder.errors import StepladderError

_BY_SEQUENCE = "by_sequence"
# What some models add to attention, by transformers' names, which a packed row would go without.
_ADDITIONS = ("softcap", "s_aux", "position_bias")


def read_packed(module: nn.Module) -> None:
    """From now on the transformers models in the module read batches as :func:`packed` makes them."""
    for part in module.modules():
        if isinstance(part, PreTrainedModel):
            part.set_attn_implementation(_BY_SEQUENCE)


def reads_packed(module: nn.Module) -> bool:
    """Whether the transformers model that is the module, or is in it, reads packed batches."""
    models = (part for part in module.modules() if isinstance(part, PreTrainedModel))
    return any(part.config._attn_implementation == _BY_SEQUENCE for part in models)


def packed(ids: Tensor, attention: Tensor) -> dict[str, Any]:
    """A right-padded batch as what a model is called with: one row of all real tokens.

    Args:
        ids: token ids, (batch, longest).
        attention: 1 at real tokens, (batch, longest).
    """
    real = attention.bool()
    positions = torch.arange(ids.size(1), device=ids.device).expand_as(ids)[real]
    return {
        "input_ids": ids[real][None],
        "position_ids": positions[None],
        "lengths": attention.sum(1).tolist(),
        "use_cache": False,
    }


def places_in_row(attention: Tensor) -> Tensor:
    """Where in the packed row each real token of a batch stands, (batch, longest); at padding it means nothing."""
    return (attention.flatten().cumsum(0) - 1).view_as(attention)


def attend_by_sequence(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    lengths: Sequence[int] | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Causal attention of a packed row; every sequence sees itself alone, and no mask is made.

    Args:
        query: (1, heads, tokens, width); ``key`` and ``value`` may have fewer heads.
        lengths: tokens of each sequence, in the row's order.

    Returns:
        (1, tokens, heads, width), and no weights.

    Raises:
        StepladderError: when the model's attention is another than that.
    """
    cuts = sliding_window is not None and max(lengths or [0]) > sliding_window
    if lengths is None or cuts or any(others.get(name) is not None for name in _ADDITIONS):
        raise StepladderError(
            f"the attention of {type(module).__name__} cannot be had of sequences in one row; "
            "take optimisation.packed out of the node"
        )
    attended = [
        scaled_dot_product_attention(*part, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=True)
        for part in zip(*(each.split(list(lengths), dim=2) for each in (query, key, value)), strict=True)
    ]
    return torch.cat(attended, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(_BY_SEQUENCE, attend_by_sequence)
