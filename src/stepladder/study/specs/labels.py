"""Step labels: from rollouts, or read with the solutions that others have labelled."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stepladder.study.fields import (
    Count,
    EachOnce,
    Fraction,
    PolicyNode,
    PositiveFloat,
    PositiveInt,
    Spec,
    StepKind,
    TrajectoriesNode,
)


class States(Spec):
    """Which unfinished states are rolled out: some of those in a part of each trajectory (LPR)."""

    start: Fraction = Field(0.0, description="the first one: after the step at this share of the unfinished steps")
    end: Fraction = Field(1.0, description="the part ends before the step at this share of them")
    share: Fraction = Field(1.0, gt=0, description="the chance of each state in the part to be labelled")
    least_steps: Count = Field(0, description="of a trajectory of fewer steps none is labelled but the last one")
    kinds: Annotated[tuple[StepKind, ...], EachOnce] = Field(
        (), description="only after steps of these kinds, where steps have any (step_style: react); none: of any"
    )

    @field_validator("end")
    @classmethod
    def _a_part_has_a_length(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("start", 0.0):
            raise ValueError(f"must be above start ({info.data['start']:g})")
        return value

    model_config = Spec.model_config | {"validate_default": True}


class MonteCarlo(Spec):
    """Monte Carlo step labels: every state's share of rollouts that end in the right answer."""

    method: Literal["monte_carlo"]
    trajectories: TrajectoriesNode
    policy: PolicyNode = Field(description="the policy that finishes the rollouts")
    per_question: PositiveInt | None = Field(None, description="label only the first samples of each question")
    question_share: Fraction = Field(
        1.0, gt=0, description="label this share of the questions only; a larger share holds the smaller ones"
    )
    states: States | None = Field(
        None, description="label the states after some steps only; the last step always is, by its outcome; none: all"
    )
    rollouts: PositiveInt = 4
    temperature: PositiveFloat = 1.0
    top_p: Fraction = 1.0
    max_tokens: PositiveInt = 72


class Published(Spec):
    """The labels that others gave to the steps of published solutions."""

    method: Literal["published"]
    trajectories: TrajectoriesNode = Field(description="a node of method solutions")
    neutral: Literal["correct", "wrong", "half"] = Field(
        "correct", description="what a neutral step counts as, where a person could say so: 1, 0 or one half"
    )


Labels = Annotated[MonteCarlo | Published, Field(discriminator="method")]
