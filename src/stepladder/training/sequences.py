"""Token sequences as batches, and what a causal model gives at their tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from stepladder.training.packing import packed, places_in_row, reads_packed


@dataclass(frozen=True)
class TokenSequence:
    """A prompt with an answer.

    Attributes:
        ids: token ids of both.
        first_target: the position from which on tokens are targets of the loss.
        context: positions after it that are no targets all the same.
    """

    ids: tuple[int, ...]
    first_target: int
    context: frozenset[int] = frozenset()

    @property
    def targets(self) -> int:
        """Number of tokens that the loss is taken over."""
        return len(self.ids) - self.first_target - len(self.context)


def first_target(sequences: Sequence[TokenSequence]) -> int:
    """The first position that is a target in any of the sequences."""
    return min(sequence.first_target for sequence in sequences)


def collate(sequences: Sequence[TokenSequence], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Right-padded ids, attention mask and target mask, each (batch, longest)."""
    longest = max(len(sequence.ids) for sequence in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    attention = torch.zeros(len(sequences), longest, dtype=torch.long)
    targets = torch.zeros(len(sequences), longest, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        length = len(sequence.ids)
        ids[row, :length] = torch.tensor(sequence.ids)
        attention[row, :length] = 1
        targets[row, sequence.first_target : length] = True
        targets[row, list(sequence.context)] = False
    return ids.to(device), attention.to(device), targets.to(device)


def token_logprobs(
    model: nn.Module, ids: Tensor, attention: Tensor, first: int = 1, temperature: float = 1.0, top_p: float = 1.0
) -> Tensor:
    """Log-prob of every token from position ``first`` on given those before it, in fp32: (batch, longest - first).

    Logits before ``first`` are never made: with a large vocabulary they are most of the work. Below a ``top_p`` of 1
    the log-probs are those of the cut distribution, for tokens that it holds. Those of padding mean nothing.
    """
    wanted = ids[:, first:]
    if reads_packed(model):
        real = attention[:, first:].bool()
        before = places_in_row(attention)[:, first:][real] - 1
        logits = model(**packed(ids, attention), logits_to_keep=before).logits[0]
        found = _logprobs(logits, wanted[real], temperature, top_p)
        return found.new_zeros(wanted.shape).masked_scatter(real, found)
    kept = wanted.size(1) + 1
    logits = model(input_ids=ids, attention_mask=attention, use_cache=False, logits_to_keep=kept).logits[:, :-1]
    return _logprobs(logits, wanted, temperature, top_p)


def _logprobs(logits: Tensor, tokens: Tensor, temperature: float, top_p: float) -> Tensor:
    """(..., vocabulary) and (...) to (...)."""
    logits = logits.float()
    if temperature != 1.0:
        logits = logits / temperature
    whole = -cross_entropy(logits.flatten(0, -2), tokens.flatten(), reduction="none").view(tokens.shape)
    return whole if top_p == 1.0 else whole - nucleus(logits, top_p).log()


def hidden_states(model: nn.Module, ids: Tensor, attention: Tensor) -> Tensor:
    """What a model without a head ends in at every token, (batch, longest, hidden); at padding it means nothing."""
    if reads_packed(model):
        row = model(**packed(ids, attention)).last_hidden_state[0]
        return row[places_in_row(attention)]
    return model(input_ids=ids, attention_mask=attention, use_cache=False).last_hidden_state


def nucleus(logits: Tensor, top_p: float) -> Tensor:
    """(..., tokens) to (...): probability of the fewest likeliest tokens that together have at least ``top_p``."""
    likeliest = logits.softmax(-1).sort(descending=True).values
    return likeliest.where(likeliest.cumsum(-1) - likeliest < top_p, 0.0).sum(-1)


def answer_logprobs(
    model: nn.Module, sequences: Sequence[TokenSequence], device: torch.device, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probs of each sequence's targets, 0 elsewhere, and their mask, both (batch, tokens from first target on)."""
    ids, attention, targets = collate(sequences, device)
    first = first_target(sequences)
    mask = targets[:, first:]
    return token_logprobs(model, ids, attention, first, temperature).where(mask, 0.0), mask
