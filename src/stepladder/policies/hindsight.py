"""What a model says of rollouts that were kept, once the engine that sampled them has left the device."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stepladder.policies.actor_critic import critic_values, frozen_logprobs
from stepladder.policies.language import load_reference
from stepladder.training.sequences import TokenSequence


def with_critic(rows: Sequence[dict[str, Any]], policy: Path) -> list[dict[str, Any]]:
    """Rows of the rollout table with the value that the policy's critic gives to each state.

    Raises:
        StepladderError: when the policy has no critic, or a broken one.
    """
    values = critic_values(policy, [row["state_ids"] for row in rows])
    return [row | {"critic": value} for row, value in zip(rows, values, strict=True)]


def with_sampler_logprobs(
    rows: Sequence[dict[str, Any]], policy: Path, temperature: float, top_p: float = 1.0
) -> list[dict[str, Any]]:
    """Rows of the rollout table with the log-prob of each rollout as it was sampled.

    The engine tells those at temperature 1 and top_p 1 only; where others were sampled from, ``logprobs`` become those
    of the policy at their temperature, too.
    """
    if temperature == top_p == 1:
        return [row | {"sampler_logprobs": row["logprobs"]} for row in rows]
    model = load_reference(policy)
    sequences = [
        TokenSequence((*row["state_ids"], *ids), len(row["state_ids"])) for row in rows for ids in row["rollout_ids"]
    ]
    whole, cut = (
        iter([each.sum().item() for each in frozen_logprobs(model, sequences, temperature, share)])
        for share in (1.0, top_p)
    )
    return [
        row | {"logprobs": [next(whole) for _ in row["tokens"]], "sampler_logprobs": [next(cut) for _ in row["tokens"]]}
        for row in rows
    ]
