"""Tables of what should not matter: the place of an option, and the length of an answer."""

from typing import Literal

from pydantic import Field

from stepladder.study.fields import EvaluationNode, OneLine, PositiveInt, RewardsNode, Spec


class PositionsRow(Spec):
    """One row: an evaluation's greedy answers to questions with options."""

    label: OneLine
    evaluation: EvaluationNode = Field(description="of method sampled, in whatever order it shows options")


class PositionsTable(Spec):
    """Whether policies lean to a place among the options: answers and accuracy by place."""

    kind: Literal["positions"]
    title: OneLine
    baseline: str = Field(description="label of the row that paired differences are taken to")
    rows: tuple[PositionsRow, ...] = Field(min_length=1)
    resamples: PositiveInt = Field(1000, description="bootstrap resamples of questions and seeds")


class LengthsRow(Spec):
    """One row: rewards beside the lengths of their trajectories."""

    label: OneLine
    rewards: RewardsNode


class LengthsTable(Spec):
    """Whether rewards lean to short or to long answers, and what choosing by length alone would do."""

    kind: Literal["lengths"]
    title: OneLine
    baseline: str = Field(description="label of the row that paired differences are taken to")
    rows: tuple[LengthsRow, ...] = Field(min_length=1)
    resamples: PositiveInt = Field(1000, description="bootstrap resamples of questions and seeds")
