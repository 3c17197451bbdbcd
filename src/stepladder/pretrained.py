"""Reading checkpoints that may come from anyone: safetensors, JSON and a tokenizer; never a pickle, never code."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate.utils import other as unwrapping
from safetensors import SafetensorError
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from stepladder.errors import StepladderError
from stepladder.weights import check_checkpoint

# What a checkpoint is made of. Nothing else is taken along when one is copied or fetched.
FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.md", "LICENSE*")
# How everything in a checkpoint is loaded: from the folder itself, and without the code that may lie in it.
SAFELY: dict[str, bool] = {"trust_remote_code": False, "local_files_only": True}

# A model that is saved is first taken out of what wraps it on several ranks. To know DeepSpeed's wrapper, accelerate
# would load all of DeepSpeed, which takes a second. Where nobody has loaded it yet, it wraps nothing.
unwrapping.is_deepspeed_available = lambda: "deepspeed" in sys.modules


def load_config(checkpoint: Path) -> PretrainedConfig:
    """A checkpoint's config.

    Raises:
        StepladderError: when there is none, or one that transformers does not know.
    """
    check_checkpoint(checkpoint)
    with loading(checkpoint):
        return AutoConfig.from_pretrained(checkpoint, **SAFELY)


def load_model(kind: type, checkpoint: Path, **options: Any) -> PreTrainedModel:
    """A checkpoint's model.

    Args:
        kind: one of transformers' ``AutoModel`` classes.
        options: given to its ``from_pretrained``.

    Raises:
        StepladderError: when the weights are no safetensors or broken, or their kind is one that transformers has not.
    """
    check_checkpoint(checkpoint)
    with loading(checkpoint):
        return kind.from_pretrained(checkpoint, use_safetensors=True, **SAFELY, **options)


@contextmanager
def loading(checkpoint: Path) -> Iterator[None]:
    """Turns whatever transformers says of a checkpoint into one line.

    Raises:
        StepladderError: when the checkpoint cannot be loaded.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if _brings_code(checkpoint):
            said = "it needs code of its own, which is never run"
        raise StepladderError(
            f"{checkpoint}: cannot be loaded ({said[:300]}); take another one, or make it anew"
        ) from error


def _brings_code(checkpoint: Path) -> bool:
    try:
        return "auto_map" in json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
