"""Policy alone, or policy and critic as one module, so that one optimiser and one checkpoint hold both."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel

from stepladder.policies.language import load_policy
from stepladder.pretrained import load_model, loading
from stepladder.training.batches import batches_by_tokens
from stepladder.training.sequences import TokenSequence, collate, first_target, hidden_states, token_logprobs
from stepladder.training.trainer import Trainer

# The critic's folder in a checkpoint of its policy, and the file of its head there.
CRITIC, _VALUE_HEAD = "critic", "value_head.safetensors"
# What a rank reads while others read their last sequences.
_OTHERS_PASS = TokenSequence((0, 0), 1)


class Actor(nn.Module):
    """A causal policy without a critic."""

    def __init__(self, policy: nn.Module):
        super().__init__()
        self.policy = policy

    @classmethod
    def load(cls, checkpoint: Path) -> Self:
        """From a policy's checkpoint."""
        return cls(load_policy(checkpoint))

    def save_pretrained(self, folder: Path) -> None:
        """Writes the policy as a Hugging Face checkpoint."""
        self.policy.save_pretrained(folder)

    def forward(self, ids: Tensor, attention: Tensor, first: int, temperature: float) -> tuple[Tensor, ...]:
        """Log-prob of every token from position ``first`` on, (batch, longest - first)."""
        return (token_logprobs(self.policy, ids, attention, first, temperature),)


class ActorCritic(Actor):
    """A causal policy and a separate critic with a scalar head; the critic's body starts as the policy's."""

    def __init__(self, policy: nn.Module, critic: nn.Module):
        super().__init__(policy)
        self.critic = critic
        self.value_head = nn.Linear(critic.config.hidden_size, 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)

    @classmethod
    def load(cls, checkpoint: Path) -> Self:
        """Both from one policy checkpoint."""
        policy = load_policy(checkpoint)
        return cls(policy, load_model(AutoModel, checkpoint, dtype=policy.dtype))

    def save_pretrained(self, folder: Path) -> None:
        """Writes the policy as a Hugging Face checkpoint, and the critic into a folder of it."""
        super().save_pretrained(folder)
        self.critic.save_pretrained(folder / CRITIC)
        save_file(self.value_head.state_dict(), folder / CRITIC / _VALUE_HEAD)

    def forward(self, ids: Tensor, attention: Tensor, first: int, temperature: float) -> tuple[Tensor, ...]:
        """Log-prob of every token from position ``first`` on, and the value of the state before it.

        Both are (batch, longest - first).
        """
        hidden = hidden_states(self.critic, ids, attention)
        with torch.autocast(hidden.device.type, enabled=False):
            values = self.value_head(hidden[:, first - 1 : -1].to(self.value_head.weight.dtype)).float().squeeze(-1)
        return *super().forward(ids, attention, first, temperature), values


@torch.inference_mode()
def critic_values(checkpoint: Path, states: Sequence[Sequence[int]]) -> list[float]:
    """What the critic beside a trained policy says of states, each by its token ids.

    Raises:
        StepladderError: when there is no critic, or a broken one.
    """
    folder, device = checkpoint / CRITIC, torch.device("cuda" if torch.cuda.is_available() else "cpu")
    critic = load_model(AutoModel, folder).to(device).eval()
    with loading(folder):
        head = {name: tensor.to(device) for name, tensor in load_file(folder / _VALUE_HEAD).items()}
    found = [0.0] * len(states)
    for batch in batches_by_tokens([len(state) for state in states]):
        ids, attention, _ = collate([TokenSequence(tuple(states[i]), len(states[i])) for i in batch], device)
        hidden = hidden_states(critic, ids, attention)
        last = hidden[torch.arange(len(batch)), attention.sum(1) - 1].to(head["weight"].dtype)
        for i, value in zip(batch, (last @ head["weight"].T + head["bias"])[:, 0].tolist(), strict=True):
            found[i] = value
    return found


@torch.inference_mode()
def frozen_logprobs(
    model: nn.Module, sequences: Sequence[TokenSequence], temperature: float, top_p: float = 1.0
) -> list[Tensor]:
    """Log-probs of each sequence's targets under a policy that does not learn: one (targets,) tensor a sequence."""

    def forward(ids: Tensor, attention: Tensor, first: int) -> tuple[Tensor, ...]:
        return (token_logprobs(model, ids, attention, first, temperature, top_p),)

    return _of_targets(sequences, forward, next(model.parameters()).device)[0]


def logprobs_as_trained(
    trainer: Trainer, model: nn.Module, sequences: Sequence[TokenSequence], temperature: float, top_p: float = 1.0
) -> list[Tensor]:
    """:func:`frozen_logprobs` in the precision in which the trainer's own module computes.

    Accelerate wraps that module's forward and no other. Under bf16 a policy would else differ from itself.
    """
    with trainer.accelerator.autocast():
        return frozen_logprobs(model, sequences, temperature, top_p)


@torch.no_grad()
def before_update(
    model: Actor, sequences: Sequence[TokenSequence], temperature: float, passes: int = 0
) -> list[list[Tensor]]:
    """Of each sequence's targets the log-probs, and the values where there is a critic; (targets,) tensors.

    Args:
        passes: least forward passes; where ZeRO-3 splits the weights, all ranks must do as many.
    """

    def forward(ids: Tensor, attention: Tensor, first: int) -> tuple[Tensor, ...]:
        return model(ids, attention, first, temperature)

    device = next(model.parameters()).device
    for _ in range(passes - len(batches_by_tokens([len(sequence.ids) for sequence in sequences]))):
        forward(*collate([_OTHERS_PASS], device)[:2], 1)
    return _of_targets(sequences, forward, device)


def _of_targets(
    sequences: Sequence[TokenSequence],
    forward: Callable[[Tensor, Tensor, int], tuple[Tensor, ...]],
    device: torch.device,
) -> list[list[Tensor]]:
    """What ``forward`` gives at the targets of every sequence, for each of its outputs."""
    found: dict[int, list[Tensor]] = {}
    for batch in batches_by_tokens([len(sequence.ids) for sequence in sequences]):
        chosen = [sequences[i] for i in batch]
        ids, attention, _ = collate(chosen, device)
        first = first_target(chosen)
        outputs = forward(ids, attention, first)
        for row, i in enumerate(batch):
            places = slice(sequences[i].first_target - first, len(sequences[i].ids) - first)
            found[i] = [output[row, places].float().cpu().clone() for output in outputs]
    return [list(column) for column in zip(*(found[i] for i in range(len(sequences))), strict=True)]


def pad(rows: Sequence[Tensor], sequences: Sequence[TokenSequence], first: int, width: int) -> Tensor:
    """Values at targets as (batch, width), where column 0 is the token at position ``first``; 0 elsewhere."""
    padded = torch.zeros(len(rows), width)
    for place, (row, sequence) in enumerate(zip(rows, sequences, strict=True)):
        padded[place, sequence.first_target - first : sequence.first_target - first + len(row)] = row
    return padded
