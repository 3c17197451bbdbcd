"""An encoder that reads a step behind the one before it, and tells wrong, neutral or correct (PSPO)."""

import inspect
from collections.abc import Iterator, Sequence
from itertools import islice
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

    def read(self, trajectories: Sequence[dict[str, Any]]) -> list[list[Reading]]:
        """One reading a step, of the length for scoring."""
        return self.pairs([step_texts(self.reader, row) for row in trajectories], self.format.scoring_length)

    def read_texts(self, answers: Sequence[tuple[str, str]]) -> list[list[Reading]]:
        """One reading a step, of the length for scoring; a step begins where the one before it ends."""
        return self.pairs([self._steps(answer) for _, answer in answers], self.format.scoring_length)

    def _steps(self, answer: str) -> list[str]:
        ends = [span.end for span in split_steps(answer, self.format.step_style)]
        return [answer[start:end].strip() for start, end in zip([0, *ends], ends, strict=False)]

    def pairs(self, answers: Sequence[Sequence[str]], longest: int) -> list[list[Reading]]:
        """Every step behind the one before it, as the tokenizer joins two texts; an answer's first step stands alone.

        Args:
            answers: the steps of each.
            longest: most tokens; of longer pairs the longer text is cut.
        """
        firsts = self._encoded([steps[0] for steps in answers if steps], None, longest)
        behind = [before for steps in answers for before in steps[:-1]]
        others = self._encoded(behind, [step for steps in answers for step in steps[1:]], longest)
        return [[*islice(firsts, bool(steps)), *islice(others, max(0, len(steps) - 1))] for steps in answers]

    def _encoded(self, texts: list[str], seconds: list[str] | None, longest: int) -> Iterator[Reading]:
        encoded = self.tokenizer(texts, seconds, truncation="longest_first", max_length=longest) if texts else None
        for each in encoded.encodings if encoded else ():
            yield Reading(tuple(each.ids), (len(each.ids),), tuple(each.type_ids), bool(each.overflowing))

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
