"""Heads on a causal backbone that are read at the last token of every step: one pass scores a whole trajectory."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stepladder.reasoning.reencoding import reencoded
from stepladder.reasoning.tokens import encode_answers, encode_prompts, step_ends
from stepladder.rewards.heads.base import ProcessRewardModel, Reading, log_odds, padded
from stepladder.training.packing import reads_packed
from stepladder.training.sequences import hidden_states


class ReadAtStepEnds(ProcessRewardModel):
    """What the causal heads share."""

    def __init__(self, *parts: Any):
        super().__init__(*parts)
        self.head.float()

    @property
    def head(self) -> nn.Linear:
        """From hidden state to outputs, in fp32."""
        return self.classifier.score

    def read(self, trajectories: Sequence[dict[str, Any]]) -> list[list[Reading]]:
        """One reading each: prompt and answer. Ids travel as they are where the reader is the model's own tokenizer."""
        if self.reader is not self.tokenizer:
            trajectories = [reencoded(row, self.reader, self.tokenizer) for row in trajectories]
        return [[_reading(row["prompt_ids"], row["token_ids"], row["step_ends"])] for row in trajectories]

    def read_texts(self, answers: Sequence[tuple[str, str]]) -> list[list[Reading]]:
        """One reading each: prompt and answer, which ends with the end-of-sequence token."""
        prompts = encode_prompts(self.tokenizer, [prompt for prompt, _ in answers])
        encoded = encode_answers(self.tokenizer, [answer for _, answer in answers])
        ends = [step_ends(self.tokenizer, ids, self.format.step_style)[1] for ids in encoded]
        return [[_reading(*each)] for each in zip(prompts, encoded, ends, strict=True)]

    def forward(self, readings: Sequence[Reading]) -> Tensor:
        """(readings, steps, outputs) in fp32; what stands at padded steps has no meaning.

        Padding is on the right, where causal attention does not see it: no mask is made, and the backbone takes its
        fastest attention.
        """
        device = self.head.weight.device
        ids = padded([reading.ids for reading in readings], device)
        places = padded([[end - 1 for end in reading.step_ends] for reading in readings], device)
        if reads_packed(self.backbone):
            hidden = hidden_states(self.backbone, ids, padded([[1] * len(reading.ids) for reading in readings], device))
        else:
            hidden = self.backbone(input_ids=ids, use_cache=False).last_hidden_state
        at_ends = hidden.gather(1, places.unsqueeze(-1).expand(-1, -1, hidden.size(-1)))
        with torch.autocast(hidden.device.type, enabled=False):
            return self.head(at_ends.to(self.head.weight.dtype)).float()


class PerStep(ReadAtStepEnds):
    """A scalar a step (PQM): its logit."""

    def step_logits(self, outputs: Tensor) -> Tensor:
        """The output itself."""
        return outputs.squeeze(-1)


class LastToken(ReadAtStepEnds):
    """K + 1 classes a step (LPR): how many of K rollouts from it are right."""

    def step_logits(self, outputs: Tensor) -> Tensor:
        """Log-odds of the classes that the format calls good."""
        return log_odds(outputs, self.format.good)


def _reading(prompt_ids: Sequence[int], token_ids: Sequence[int], ends: Sequence[int]) -> Reading:
    return Reading((*prompt_ids, *token_ids), tuple(len(prompt_ids) + end for end in ends))
