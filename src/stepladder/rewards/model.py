"""Process reward models: a causal backbone with a scalar head in fp32, read at the last token of every step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification

from stepladder.errors import StepladderError
from stepladder.pretrained import load_config, load_model
from stepladder.progress import Progress
from stepladder.reasoning.tokens import load_tokenizer
from stepladder.training.batches import batches_by_tokens

HEAD = "per_step"


class ProcessRewardModel(nn.Module):
    """One forward pass scores every step of a trajectory.

    A checkpoint is an ordinary Hugging Face token classifier with one label; its config also says how text was cut
    into steps, so that training and scoring cannot disagree.
    """

    def __init__(self, classifier: nn.Module):
        super().__init__()
        self.classifier = classifier
        self.head.float()

    @property
    def backbone(self) -> nn.Module:
        """The model without its head."""
        return self.classifier.base_model

    @property
    def head(self) -> nn.Linear:
        """From hidden state to step score."""
        return self.classifier.score

    @property
    def step_style(self) -> str:
        """How text must be cut into steps for this model."""
        return self.classifier.config.step_style

    def forward(self, ids: Tensor, attention: Tensor, step_ends: Tensor) -> Tensor:
        """Step scores as logits, in fp32.

        Args:
            ids: (batch, tokens), right-padded.
            attention: (batch, tokens), 1 at real tokens.
            step_ends: (batch, steps), position one past each step's last token; 0 is padding.

        Returns:
            (batch, steps); what stands at padded steps has no meaning.
        """
        hidden = self.backbone(input_ids=ids, attention_mask=attention, use_cache=False).last_hidden_state
        places = (step_ends - 1).clamp(min=0)
        at_ends = hidden.gather(1, places.unsqueeze(-1).expand(-1, -1, hidden.size(-1)))
        with torch.autocast(hidden.device.type, enabled=False):
            return self.head(at_ends.to(self.head.weight.dtype)).float().squeeze(-1)


def new_prm(backbone: Path, step_style: str, loss: str) -> ProcessRewardModel:
    """A PRM on a policy's backbone; its head is zero, so that training starts at the loss's closed form."""
    classifier = load_model(AutoModelForTokenClassification, backbone, num_labels=1, dtype=torch.float32)
    classifier.config.step_style, classifier.config.prm_head, classifier.config.prm_loss = step_style, HEAD, loss
    nn.init.zeros_(classifier.score.weight)
    nn.init.zeros_(classifier.score.bias)
    return ProcessRewardModel(classifier)


def load_prm(checkpoint: Path, step_style: str) -> ProcessRewardModel:
    """A trained PRM, ready to score.

    Raises:
        StepladderError: when the checkpoint is no PRM, or cuts steps in another way than the study does.
    """
    config = load_config(checkpoint)
    trained = getattr(config, "step_style", None)
    if trained is None or getattr(config, "prm_head", None) != HEAD:
        raise StepladderError(f"{checkpoint}: not a process reward model with a {HEAD} head")
    if trained != step_style:
        raise StepladderError(f"{checkpoint}: trained on steps of style {trained!r}, the study cuts {step_style!r}")
    on_gpu = torch.cuda.is_available()
    dtype = "auto" if on_gpu else torch.float32
    classifier = load_model(AutoModelForTokenClassification, checkpoint, dtype=dtype)
    return ProcessRewardModel(classifier.cuda() if on_gpu else classifier).eval()


def save_prm(
    model: ProcessRewardModel, tokenizer_of: Path, folder: Path, state: dict[str, Tensor] | None = None
) -> None:
    """Writes the PRM as a Hugging Face checkpoint with the tokenizer of its backbone."""
    own = None if state is None else {name.removeprefix("classifier."): value for name, value in state.items()}
    model.classifier.save_pretrained(folder, state_dict=own)
    load_tokenizer(tokenizer_of).save_pretrained(folder)


def collate_steps(trajectories: Sequence[dict[str, Any]], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Right-padded (ids, attention, step ends in the whole sequence) of trajectories."""
    longest = max(len(row["prompt_ids"]) + len(row["token_ids"]) for row in trajectories)
    steps = max(len(row["step_ends"]) for row in trajectories)
    ids = torch.zeros(len(trajectories), longest, dtype=torch.long)
    attention = torch.zeros(len(trajectories), longest, dtype=torch.long)
    ends = torch.zeros(len(trajectories), max(steps, 1), dtype=torch.long)
    for place, row in enumerate(trajectories):
        sequence = [*row["prompt_ids"], *row["token_ids"]]
        ids[place, : len(sequence)] = torch.tensor(sequence)
        attention[place, : len(sequence)] = 1
        shifted = [len(row["prompt_ids"]) + end for end in row["step_ends"]]
        ends[place, : len(shifted)] = torch.tensor(shifted, dtype=torch.long)
    return ids.to(device), attention.to(device), ends.to(device)


@torch.inference_mode()
def score_steps(model: ProcessRewardModel, trajectories: Sequence[dict[str, Any]], label: str) -> list[list[float]]:
    """The step scores (logits) of every trajectory, in the order given.

    Args:
        trajectories: rows with prompt_ids, token_ids and step_ends.
        label: what the progress bar says; empty for no bar.
    """
    device = next(model.parameters()).device
    lengths = [len(row["prompt_ids"]) + len(row["token_ids"]) for row in trajectories]
    scores: list[list[float]] = [[] for _ in trajectories]
    bar = Progress(label, len(trajectories), "trajectories") if label else None
    done = 0
    for chosen in batches_by_tokens(lengths):
        logits = model(*collate_steps([trajectories[i] for i in chosen], device)).tolist()
        for place, row in zip(chosen, logits, strict=True):
            scores[place] = row[: len(trajectories[place]["step_ends"])]
        done += len(chosen)
        if bar:
            bar.update(done)
    if bar:
        bar.close()
    return scores
