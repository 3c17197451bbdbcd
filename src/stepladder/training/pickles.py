"""Kept trainings are torch pickles of our own making; they are read back as tensors and plain values, never as code."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

from torch.serialization import safe_globals

from stepladder.errors import StepladderError

_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@contextmanager
def tensors_only(checkpoint: Path, deepspeed: bool) -> Iterator[None]:
    """Whatever torch loads in the block holds tensors and plain values, also where DeepSpeed asks for anything at all.

    Args:
        deepspeed: whether DeepSpeed's own three classes of optimiser state are plain values, too.

    Raises:
        StepladderError: when a file of the checkpoint holds something else, which is then not made.
    """
    before = os.environ.get(_FORCE)
    os.environ[_FORCE] = "1"
    try:
        with safe_globals(_deepspeed_classes() if deepspeed else []):
            yield
    except UnpicklingError as error:
        raise StepladderError(
            f"{checkpoint}: holds more than tensors and plain values, so Stepladder did not write it; delete it and run"
            " again"
        ) from error
    finally:
        if before is None:
            del os.environ[_FORCE]
        else:
            os.environ[_FORCE] = before


def _deepspeed_classes() -> list[type]:
    from deepspeed.runtime.fp16.loss_scaler import LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    return [LossScaler, ZeroStageEnum, fragment_address]
