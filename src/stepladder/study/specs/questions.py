"""Question sets: where they come from and how they are split."""

from typing import Annotated, Literal

from pydantic import Field

from stepladder.study.fields import (
    Count,
    Dataset,
    EachOnce,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Spec,
    SplitName,
)


class Difficulty(Spec):
    """Knobs of the generated world."""

    operations: PositiveInt = Field(2, ge=2, le=4, description="most additions and subtractions in one question")
    largest_count: PositiveInt = Field(99, ge=60, le=150, description="largest number that is only compared")
    largest_operand: PositiveInt = Field(20, ge=12, le=35, description="largest number that is added or taken away")
    largest_factor: PositiveInt = Field(12, ge=4, le=12, description="largest size of a pack in a multiplication")
    hasty: NonNegativeFloat = Field(1.0, ge=0, le=1.25, description="factor on the share of hasty demonstrations")


class Questions(Spec):
    """A question set with its splits, made once, by question."""

    source: Literal["generated", "local", "hub"] = Field(description="where the questions come from")
    sets: Annotated[tuple[Dataset, ...], EachOnce] = Field(min_length=1, description="the data sets in it")
    splits: dict[SplitName, PositiveFloat] = Field(
        min_length=1, description="questions per set in each split; a value below 1 is a share of the set"
    )
    limit: PositiveInt | None = Field(None, description="use at most this many questions of a set")
    seed: Count = Field(0, description="which world is generated, and how local sets are split")
    instruction: bool = Field(False, description="put the instruction paragraph before the scaffold of the prompt")
    difficulty: Difficulty = Difficulty()
    allow_overlap: tuple[str, ...] = Field((), description="pairs of splits, as 'a/b', that may share questions")
