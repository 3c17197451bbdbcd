"""Process reward models: made on a backbone, or loaded from a checkpoint that was trained."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from stepladder.errors import StepladderError
from stepladder.pretrained import load_config, load_model
from stepladder.reasoning.reencoding import same_ids
from stepladder.reasoning.tokens import load_tokenizer, open_tokenizer
from stepladder.rewards.format import Format, read_format
from stepladder.rewards.heads.base import ProcessRewardModel
from stepladder.rewards.heads.pair import CLASSES, Pair
from stepladder.rewards.heads.step_ends import LastToken, PerStep
from stepladder.study.specs import prms as specs


def new_prm(spec: specs.Prm, backbone: Path, step_style: str, read_with: Path, seed: int = 0) -> ProcessRewardModel:
    """An untrained PRM on a backbone.

    Args:
        read_with: checkpoint whose tokenizer made the ids of the trajectories that it will read.
        seed: of a head that is drawn.

    Raises:
        StepladderError: when the backbone cannot be loaded, or reads no pairs of the lengths asked for.
    """
    torch.manual_seed(seed % 2**63)
    common: dict[str, Any] = {"head": spec.head, "step_style": step_style}
    match spec:
        case specs.PerStep():
            model = _build(Format(loss=spec.loss, **common), backbone, read_with)
            if spec.initial_head == "zero":
                nn.init.zeros_(model.head.weight)
                nn.init.zeros_(model.head.bias)
        case specs.Pair():
            lengths = {"max_length": spec.max_length, "scoring_length": spec.scoring_length}
            model = _build(Format(loss="classes", **lengths, **common), backbone, read_with)
            _check_pairs(model, backbone)
        case specs.LastToken():
            classes = {"trials": spec.trials, "good": spec.good}
            model = _build(Format(loss=spec.loss, **classes, **common), backbone, read_with)
    return model


def load_prm(checkpoint: Path, step_style: str, read_with: Path) -> ProcessRewardModel:
    """A trained PRM, ready to score a study's trajectories.

    Args:
        step_style: how the study cuts steps.
        read_with: checkpoint whose tokenizer made the ids of the trajectories.

    Raises:
        StepladderError: when the checkpoint is no PRM, or was trained on other steps or prompts.
    """
    return _trained(checkpoint, read_format(load_config(checkpoint), checkpoint, step_style), read_with)


def open_prm(checkpoint: Path, read_with: Path | None = None) -> ProcessRewardModel:
    """A trained PRM, ready to score texts, cut into steps as it was trained on them.

    Args:
        read_with: as in :func:`load_prm`; None: trajectories have the ids of the model's own tokenizer.

    Raises:
        StepladderError: when the checkpoint is no PRM, or was trained on other prompts.
    """
    return _trained(checkpoint, read_format(load_config(checkpoint), checkpoint, None), read_with or checkpoint)


def _trained(checkpoint: Path, format: Format, read_with: Path) -> ProcessRewardModel:
    on_gpu = torch.cuda.is_available()
    model = _build(format, checkpoint, read_with, "auto" if on_gpu else torch.float32)
    return (model.cuda() if on_gpu else model).eval()


def _build(
    format: Format, checkpoint: Path, read_with: Path, dtype: torch.dtype | str = torch.float32
) -> ProcessRewardModel:
    match format.head:
        case "per_step":
            kind, classifier, classes = PerStep, AutoModelForTokenClassification, 1
        case "pair":
            kind, classifier, classes = Pair, AutoModelForSequenceClassification, len(CLASSES)
        case "last_token":
            kind, classifier, classes = LastToken, AutoModelForSequenceClassification, format.trials + 1
    reader = load_tokenizer(read_with)
    own = open_tokenizer(checkpoint)
    loaded = load_model(classifier, checkpoint, num_labels=classes, dtype=dtype)
    return kind(loaded, own, format, own if same_ids(own, reader) else reader)


def _check_pairs(model: Pair, backbone: Path) -> None:
    alone = [model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("1", "2")]
    if len(model.tokenizer("1", "2")["input_ids"]) <= sum(map(len, alone)):
        raise StepladderError(f"{backbone}: its tokenizer puts nothing between two texts; take an encoder such as BERT")
    longest = max(model.format.max_length, model.format.scoring_length)
    context = getattr(model.classifier.config, "max_position_embeddings", longest)
    if longest > context:
        raise StepladderError(
            f"{backbone}: reads {context} tokens at most; set max_length and scoring_length, now up to {longest}, below"
        )
