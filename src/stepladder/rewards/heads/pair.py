"""An encoder that reads a step behind the one before it, and tells wrong, neutral or correct (PSPO)."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stepladder.reasoning.reencoding import step_texts
from stepladder.reasoning.steps import split_steps
from stepladder.rewards.heads.base import ProcessRewardModel, Reading, log_odds, padded

CLASSES = ("wrong", "neutral", "correct")
_CORRECT = CLASSES.index("correct")


class Pair(ProcessRewardModel):
    """One pass a step. The score is the chance of ``correct``; the prompt is not read."""

    @property
    def head(self) -> nn.Module:
        """From hidden state to classes."""
        return self.classifier.classifier

    def read(self, trajectory: dict[str, Any]) -> list[Reading]:
        """One reading a step, of the length for scoring."""
        return self.pairs(step_texts(self.reader, trajectory), self.format.scoring_length)

    def read_text(self, prompt: str, answer: str) -> list[Reading]:
        """One reading a step, of the length for scoring; a step begins where the one before it ends."""
        ends = [span.end for span in split_steps(answer, self.format.step_style)]
        steps = [answer[start:end].strip() for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []
        return self.pairs(steps, self.format.scoring_length)

    def pairs(self, steps: Sequence[str], longest: int) -> list[Reading]:
        """Every step behind the one before it, as the tokenizer joins two texts; the first step stands alone.

        Args:
            longest: most tokens; of longer pairs the longer text is cut.
        """
        options = {"truncation": "longest_first", "max_length": longest}
        if not steps:
            return []
        encoded = self.tokenizer(steps[:1], **options).encodings
        if len(steps) > 1:
            encoded = [*encoded, *self.tokenizer(list(steps[:-1]), list(steps[1:]), **options).encodings]
        return [Reading(each.ids, (len(each.ids),), each.type_ids, bool(each.overflowing)) for each in encoded]

    def forward(self, readings: Sequence[Reading]) -> Tensor:
        """(readings, 1, classes) in fp32."""
        device = self.classifier.device
        lengths = [len(reading.ids) for reading in readings]
        inputs = {
            "input_ids": padded([reading.ids for reading in readings], device, self.tokenizer.pad_token_id),
            "attention_mask": padded([[1] * length for length in lengths], device),
            "token_type_ids": padded([reading.types for reading in readings], device),
        }
        known = inspect.signature(self.classifier.forward).parameters
        return self.classifier(**{name: each for name, each in inputs.items() if name in known}).logits.float()[:, None]

    def step_logits(self, outputs: Tensor) -> Tensor:
        """Log-odds of ``correct``."""
        return log_odds(outputs, [_CORRECT])


def classes_of(soft: Sequence[float]) -> Tensor:
    """The class of each soft label: that of 0, one half or 1, whichever is next; a quarter is neutral."""
    return torch.tensor(soft).mul(2).add(0.5).floor().long()
