"""The field types that specs are made of."""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Spec(BaseModel):
    """Base of every spec: unknown keys are faults, values never change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Reference:
    """Marks a field that holds the name of a node of ``stage``; the graph follows these fields."""

    stage: str


QuestionsNode = Annotated[str, Reference("questions")]
AuditNode = Annotated[str, Reference("audits")]
ModelNode = Annotated[str, Reference("models")]
PolicyNode = Annotated[str, Reference("policies")]
TrajectoriesNode = Annotated[str, Reference("trajectories")]
LabelsNode = Annotated[str, Reference("labels")]
RolloutsNode = Annotated[str, Reference("rollouts")]
PrmNode = Annotated[str, Reference("prms")]
ScoresNode = Annotated[str, Reference("scores")]
RewardsNode = Annotated[str, Reference("rewards")]
PairsNode = Annotated[str, Reference("pairs")]
EvaluationNode = Annotated[str, Reference("evaluations")]


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-6 as text, and pydantic true as 1: here the first is a number and the second is none."""
    if isinstance(value, bool):
        raise ValueError(f"must be a number, got {str(value).lower()}")
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value!r} is named twice")
    return values


def _one_line(value: str) -> str:
    if not (value and value.isprintable()):
        raise ValueError("must be one line of printable text")
    return value


def _split_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", value):
        raise ValueError("a split's name has letters, digits, '_' and '-' only and starts with a letter")
    return value


def _folder(value: str) -> str:
    if "{" in value or "}" in value:
        raise ValueError("a folder's name must hold no braces, which Snakemake reads as a wildcard")
    if value.startswith("-"):
        raise ValueError("a folder's name must not begin with '-', which programs read as an option; put ./ before it")
    return _one_line(value)


def _data_file(value: str) -> str:
    parts = value.split("/")
    if not all(part and not part.startswith((".", "-")) for part in parts) or not re.fullmatch(r"[\w./-]+", value):
        raise ValueError("a file inside data_dir is named by its place there, such as prm800k/phase2_train.jsonl")
    return value


Number = BeforeValidator(_number)
OneLine = Annotated[str, AfterValidator(_one_line)]
SplitName = Annotated[str, AfterValidator(_split_name)]
Folder = Annotated[str, AfterValidator(_folder)]
DataFile = Annotated[str, AfterValidator(_data_file)]
EachOnce = AfterValidator(_each_once)
PositiveInt = Annotated[int, Field(gt=0), Number]
Count = Annotated[int, Field(ge=0), Number]
PositiveFloat = Annotated[float, Field(gt=0), Number]
NonNegativeFloat = Annotated[float, Field(ge=0), Number]
Fraction = Annotated[float, Field(ge=0, le=1), Number]
Betas = tuple[Fraction, Fraction]

Mirrored = Literal["awpnli", "newsnli", "redditnli", "rte_quant", "stresstest", "qqa"]
"""The sets that the generated world mirrors."""
MIRRORED_SETS: tuple[str, ...] = Mirrored.__args__
WorldSet = Literal[Mirrored, "sums", "puzzles"]
"""The sets of the generated world."""
WORLD_SETS: tuple[str, ...] = WorldSet.__args__
# Families that came later take part where a study names them, so that a new one changes no model.
WorldSets = Annotated[tuple[WorldSet, ...], EachOnce, Field(min_length=1)]
Dataset = Literal[WorldSet, "gsm8k", "gsm_plus", "math500", "logiqa2", "reclor"]
DATASETS: tuple[str, ...] = Dataset.__args__
OPTION_SETS: tuple[str, ...] = (*MIRRORED_SETS, "puzzles", "logiqa2", "reclor")
"""The sets whose questions have options."""
OptionOrder = Literal["as_given", "reversed", "shuffled"]
StepStyle = Literal["line", "gsm8k", "math", "react", "numbered", "numbered_as_published"]
StepKind = Literal["Thought", "Action", "Observation"]
"""What a step of style `react` is."""
Accumulation = Literal["geometric_mean", "product", "min", "mean", "last", "sum"]
ACCUMULATIONS: tuple[str, ...] = Accumulation.__args__
