"""From step scores to rewards, and from rewards to preference pairs."""

from typing import Literal

from pydantic import Field

from stepladder.study.fields import (
    Accumulation,
    NonNegativeFloat,
    PolicyNode,
    PositiveFloat,
    PositiveInt,
    PrmNode,
    RewardsNode,
    ScoresNode,
    Spec,
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
    shape: Shaping = Shaping()
    process_weight: NonNegativeFloat = 1.0
    outcome_weight: NonNegativeFloat = Field(0.0, description="0 is the published form")


class Pairs(Spec):
    """Preference pairs and their reference log-probs."""

    kind: Literal["outcome", "process", "random"] = Field(
        description="outcome: right over wrong; process: higher over lower reward at equal outcomes; random: a control"
    )
    rewards: RewardsNode
    reference: PolicyNode
    margin: NonNegativeFloat = Field(0.0, description="least gap of rewards in a process pair")
    among: Literal["correct", "any"] = Field("correct", description="process pairs among right answers only, or any")
    per_question: PositiveInt = 2
