"""From step scores to rewards, and from rewards to preference pairs."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stepladder.study.fields import (
    Accumulation,
    EachOnce,
    Fraction,
    LabelsNode,
    NonNegativeFloat,
    PolicyNode,
    PositiveFloat,
    PositiveInt,
    PrmNode,
    RewardsNode,
    ScoresNode,
    Spec,
    StepKind,
    TrajectoriesNode,
)


class Scores(Spec):
    """A PRM's step scores of trajectories."""

    prm: PrmNode
    trajectories: TrajectoriesNode


class Shaping(Spec):
    """How the number of steps shapes the accumulated score."""

    kind: Literal["none", "weibull", "exponential", "gaussian"] = "weibull"
    k: PositiveFloat = 1.5
    lam: PositiveFloat = 8.0
    mu: PositiveFloat = 4.0
    sigma: PositiveFloat = 2.0
    single_step: Literal["zero", "shape"] = Field("zero", description="the reward of an answer of one step")


class Rewards(Spec):
    """One reward per trajectory: accumulated step scores, shaped by length, plus an optional outcome term."""

    scores: ScoresNode
    accumulate: Accumulation = "geometric_mean"
    kinds: Annotated[tuple[StepKind, ...], EachOnce] = Field(
        (), description="only steps of these kinds count, where steps have any (step_style: react); none: all"
    )
    shape: Shaping = Shaping()
    process_weight: NonNegativeFloat = 1.0
    outcome_weight: NonNegativeFloat = Field(0.0, description="0 is the published form")


class Pairs(Spec):
    """Preference pairs and their reference log-probs."""

    kind: Literal["outcome", "process", "step", "random", "random_process"] = Field(
        description="outcome: right over wrong; process: higher over lower reward at equal outcomes; step: higher over "
        "lower step score after a shared prefix; controls: random: the outcome pairs, a coin decides their order; "
        "random_process: as many pairs of a question as process gives by the same keys, any two at equal outcomes, in "
        "an order that a coin decides"
    )
    rewards: RewardsNode
    reference: PolicyNode
    margin: NonNegativeFloat = Field(
        0.0, description="least gap of rewards in a process pair, of scores in a step pair"
    )
    among: Literal["correct", "any"] = Field(
        "correct", description="process pairs and their control: of right answers only, or any"
    )
    by: Literal["gap", "threshold", "rejection"] = Field(
        "gap",
        description="process pairs: any two that are far enough apart; or, of these, one above the threshold over one "
        "that is not; or one that rejection sampling by reward accepts over one that it refuses",
    )
    threshold: float | None = Field(None, description="by: threshold, of rewards")
    temperature: PositiveFloat = Field(
        0.1, description="by: rejection; accepts with exp((reward - the highest) / this)"
    )
    best: PositiveInt | None = Field(
        None, description="choose among so many right answers of highest reward; none: any"
    )
    hardest: PositiveInt | None = Field(
        None, description="outcome pairs: reject so many wrong answers of highest reward; none: any"
    )
    length_ratio: PositiveFloat | None = Field(
        None, ge=1, description="most that the longer side's tokens may be of the shorter one's; none: any"
    )
    leave_out: LabelsNode | None = Field(
        None, description="no pairs from questions that these labels are of, such as those the PRM was trained on"
    )
    question_share: Fraction = Field(
        1.0, gt=0, description="pairs from this share of the questions only; a larger share holds the smaller ones"
    )
    per_question: PositiveInt = 2
    copies: PositiveInt = Field(1, description="how often a pair counts in an epoch")

    @field_validator("threshold")
    @classmethod
    def _threshold_goes_with_its_rule(cls, value: float | None, info: ValidationInfo) -> float | None:
        if (info.data.get("by") == "threshold") != (value is not None):
            raise ValueError("give it with by: threshold, and with nothing else")
        return value

    model_config = Spec.model_config | {"validate_default": True}
