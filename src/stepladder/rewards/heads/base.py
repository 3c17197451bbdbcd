"""What every process reward model offers: it reads a trajectory, and gives each of its steps a score."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from stepladder.errors import StepladderError
from stepladder.progress import Progress
from stepladder.rewards.format import KEY, Format
from stepladder.training.batches import batches_by_tokens


@dataclass(frozen=True)
class Reading:
    """What one pass reads of a trajectory: the whole of it, or one of its steps. Equal ones are scored once.

    Attributes:
        ids: token ids.
        step_ends: position one past the last token of every step that it scores.
        types: token types, where the tokenizer has them.
        cut: whether tokens were left out, since the text is too long.
    """

    ids: tuple[int, ...]
    step_ends: tuple[int, ...]
    types: tuple[int, ...] = ()
    cut: bool = False


class ProcessRewardModel(nn.Module, ABC):
    """A transformers classifier with its tokenizer and its format.

    Args:
        tokenizer: the model's own.
        reader: the tokenizer of the trajectories that it scores; the model's own, or one that cuts text otherwise.
    """

    def __init__(
        self,
        classifier: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        format: Format,
        reader: PreTrainedTokenizerFast | None = None,
    ):
        super().__init__()
        self.classifier, self.tokenizer, self.format = classifier, tokenizer, format
        self.reader = reader or tokenizer

    @property
    def backbone(self) -> nn.Module:
        """The model without its head."""
        return self.classifier.base_model

    @property
    @abstractmethod
    def head(self) -> nn.Module:
        """From hidden state to outputs."""

    @abstractmethod
    def read(self, trajectories: Sequence[dict[str, Any]]) -> list[list[Reading]]:
        """What the passes over each trajectory read; together their steps are its steps, in order.

        Args:
            trajectories: rows with prompt_ids, token_ids and step_ends, as the reader has them.
        """

    @abstractmethod
    def read_texts(self, answers: Sequence[tuple[str, str]]) -> list[list[Reading]]:
        """What the passes over each answer read, cut into steps as the format says; prompts and answers as texts."""

    @abstractmethod
    def forward(self, readings: Sequence[Reading]) -> Tensor:
        """(readings, steps, outputs) in fp32; what stands at padded steps has no meaning."""

    @abstractmethod
    def step_logits(self, outputs: Tensor) -> Tensor:
        """(..., outputs) to (...): the log-odds of a step's score."""

    def score(self, trajectories: Sequence[dict[str, Any]], label: str = "") -> list[list[float]]:
        """Every step's score as log-odds; its sigmoid is in [0, 1].

        Args:
            trajectories: rows with prompt_ids, token_ids and step_ends, as the reader has them.
            label: what the progress bar says; empty for no bar.

        Raises:
            StepladderError: when one is longer than the backbone reads.
        """
        return self.score_readings(self.read(trajectories), label)

    def score_texts(self, answers: Sequence[tuple[str, str]], label: str = "") -> list[list[float]]:
        """What :meth:`score` gives, of prompts and answers as texts."""
        return self.score_readings(self.read_texts(answers), label)

    def fits(self, readings: Sequence[Reading]) -> bool:
        """Whether the backbone has a position for every token; behind the last one its scores mean nothing."""
        return all(len(reading.ids) <= self.positions for reading in readings)

    @property
    def positions(self) -> float:
        """Most tokens of one pass; infinite where the backbone names no limit."""
        return getattr(self.classifier.config, "max_position_embeddings", inf)

    @torch.inference_mode()
    def score_readings(self, read: Sequence[list[Reading]], label: str = "") -> list[list[float]]:
        """What :meth:`score` gives, of what the passes over each trajectory read."""
        for readings in read:
            if not self.fits(readings):
                longest = max(len(reading.ids) for reading in readings)
                raise StepladderError(
                    f"an answer has {longest} tokens with its prompt, and the PRM reads {self.positions} at most; "
                    "lower max_tokens, leave such answers out, or take a backbone that reads more"
                )
        distinct = list(dict.fromkeys(reading for readings in read for reading in readings))
        found: dict[Reading, list[float]] = {}
        bar = Progress(label, len(distinct), "sequences") if label else None
        for batch in batches_by_tokens([len(reading.ids) for reading in distinct]):
            chosen = [distinct[place] for place in batch]
            for reading, steps in zip(chosen, self.step_logits(self(chosen)).tolist(), strict=True):
                found[reading] = steps[: len(reading.step_ends)]
            if bar:
                bar.update(len(found))
        if bar:
            bar.close()
        return [[score for reading in readings for score in found[reading]] for readings in read]

    def cut(self, trajectories: Sequence[dict[str, Any]]) -> int:
        """In how many passes over the trajectories tokens are left out."""
        return sum(reading.cut for readings in self.read(trajectories) for reading in readings)

    def save(self, folder: Path) -> None:
        """Writes an ordinary Hugging Face checkpoint with the model's tokenizer and its format."""
        setattr(self.classifier.config, KEY, self.format.model_dump(mode="json"))
        self.classifier.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def padded(rows: Sequence[Sequence[int]], device: torch.device, filling: int = 0) -> Tensor:
    """Rows of whole numbers as (rows, longest), at least one wide, filled up on the right."""
    longest = max(1, *map(len, rows))
    return torch.tensor([[*row, *[filling] * (longest - len(row))] for row in rows], device=device)


def log_odds(logits: Tensor, good: Sequence[int]) -> Tensor:
    """(..., classes) to (...): log of the chance of the classes in ``good`` over that of the others."""
    inside = torch.zeros(logits.size(-1), dtype=torch.bool, device=logits.device)
    inside[list(good)] = True
    return logits[..., inside].logsumexp(-1) - logits[..., ~inside].logsumexp(-1)
