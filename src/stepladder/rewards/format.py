"""What a PRM's checkpoint says of itself in its config, so that training and scoring cannot disagree."""

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from stepladder.errors import StepladderError
from stepladder.questions.prompts import VERSION
from stepladder.study.fields import Count, PositiveInt, Spec, StepStyle

KEY = "prm"


class Format(Spec):
    """The ``prm`` section of a checkpoint's config.json.

    Attributes:
        head: which kind of model it is.
        loss: what it was trained with; for the record.
        step_style: how text is cut into steps.
        prompts: version of the template that its prompts were made with.
        max_length: most tokens of a pair in training (pair).
        scoring_length: most tokens of a pair in scoring (pair).
        trials: the K of its K + 1 classes (last_token).
        good: the classes whose chances add up to a step's score (last_token).
    """

    head: Literal["per_step", "pair", "last_token"]
    loss: str
    step_style: StepStyle
    prompts: int = VERSION
    max_length: PositiveInt | None = None
    scoring_length: PositiveInt | None = None
    trials: PositiveInt | None = None
    good: tuple[Count, ...] = ()


def read_format(config: Any, checkpoint: Path, step_style: str | None) -> Format:
    """The format that a checkpoint's config holds.

    Args:
        config: of transformers.
        step_style: how the study cuts steps; None: as the checkpoint does.

    Raises:
        StepladderError: when the checkpoint is no PRM, or was trained on other steps or prompts than are asked for.
    """
    section = getattr(config, KEY, None)
    if section is None:
        raise StepladderError(f"{checkpoint}: not a process reward model, its config.json has no section {KEY!r}")
    try:
        found = Format.model_validate(section)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, (KEY, *fault["loc"])))
        raise StepladderError(f"{checkpoint}: config.json: {where}: {fault['msg']}; train the model anew") from None
    if step_style is not None and found.step_style != step_style:
        raise StepladderError(
            f"{checkpoint}: trained on steps of style {found.step_style!r}, the study cuts {step_style!r}"
        )
    if found.prompts != VERSION:
        raise StepladderError(
            f"{checkpoint}: trained on prompts of version {found.prompts}, this code makes version {VERSION}; "
            "train the model anew"
        )
    return found
