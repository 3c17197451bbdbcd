"""Credit: how the reward of an episode becomes the advantage of each of its tokens."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator

from stepladder.study.fields import Count, Fraction, NonNegativeFloat, PositiveFloat, PositiveInt, Spec


class Critic(Spec):
    """Generalised advantage estimation with a learnt critic, of a reward with the last token or of one with each step.

    With step rewards (LPR's process PPO) the rewards node says which PRM and which steps, and neither its accumulation
    nor its shaping.
    """

    kind: Literal["critic"]
    gamma: Fraction = 1.0
    lam: Fraction = Field(0.95, description="lambda of generalised advantage estimation")
    value_clip: PositiveFloat = 0.2
    learning_rate: PositiveFloat | None = Field(None, description="of the critic; none: that of the policy")
    warmup: Count = Field(0, description="first iterations in which only the critic learns")
    step_reward: Literal["none", "scores", "differences"] = Field(
        "none",
        description="none: the node's reward, with the last token; at the end of each step the PRM's probability, or it"
        " less that of the step before (potential-based)",
    )
    outcome_weight: NonNegativeFloat = Field(
        0.0, description="beside step rewards: of a right answer, with the last token"
    )

    @field_validator("step_reward")
    @classmethod
    def _differences_telescope(cls, value: str, info: ValidationInfo) -> str:
        if value == "differences" and info.data.get("gamma", 1.0) < 1:
            raise ValueError("differences of steps are potential-based at gamma: 1 alone, which is of tokens here")
        return value

    @field_validator("outcome_weight")
    @classmethod
    def _goes_with_step_rewards(cls, value: float, info: ValidationInfo) -> float:
        if value and info.data.get("step_reward") == "none":
            raise ValueError("goes with step_reward; the reward of whole answers has an outcome_weight in rewards")
        return value


class Adaptive(Spec):
    """Rollouts in rounds: after the first, the least certain states get more, within a budget of K a state."""

    first: PositiveInt = Field(3, description="rollouts of every state in the first round")
    further: PositiveInt = Field(3, description="of an uncertain state in each later round")
    most: PositiveInt = Field(24, description="of one state")
    enough: PositiveFloat = Field(0.12, description="a state has enough when its value's deviation is no larger")

    def lasting(self, rollouts: int | None) -> Self:
        """Itself, when so many rollouts a state can be the mean of what states get.

        Raises:
            ValueError: when every state would have more, or none as many.
        """
        if rollouts and not self.first <= rollouts <= self.most:
            raise ValueError(f"the {rollouts} rollouts must lie between first ({self.first}) and most ({self.most})")
        return self


class Estimation(Spec):
    """How rollouts of a state become its value."""

    estimator: Literal[
        "mean", "shrinkage", "probability_weighted", "sequence_probability", "importance_weighted", "similarity"
    ] = Field("mean", description="from rollouts to a value; similarity leaves the rewards' range: for comparison only")
    prior_strength: PositiveFloat = Field(2.0, description="shrinkage: the question's mean counts as so many rollouts")
    alpha: NonNegativeFloat = Field(0.7, description="probability_weighted: power of the length")
    divisor: PositiveFloat = Field(2.0, description="probability_weighted: divides the log-prob")


class Rollouts(Estimation):
    """Gains in value from step to step, each value from rollouts of its state (VinePPO, ProbPPO); no critic."""

    kind: Literal["rollouts"]
    rollouts: PositiveInt = Field(9, description="K, of each distinct unfinished state of an iteration's episodes")
    adaptive: Adaptive | None = Field(None, description="K is then the mean that states may have; none: each has K")
    first_value: Literal["rollouts", "episodes"] = Field(
        "rollouts", description="of the bare question: from rollouts of its own, or from its other episodes' rewards"
    )

    endings: bool = Field(
        False,
        description="endings of a question's other episodes through a state count as rollouts of it; an episode's own"
        " never does, which would bias its advantages",
    )

    @field_validator("endings")
    @classmethod
    def _endings_are_plain_samples(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("estimator", "mean") != "mean":
            raise ValueError("endings join the mean of rollouts: choose estimator: mean")
        return value

    @field_validator("adaptive")
    @classmethod
    def _the_budget_lasts(cls, value: Adaptive | None, info: ValidationInfo) -> Adaptive | None:
        return value and value.lasting(info.data.get("rollouts"))


class GroupRelative(Spec):
    """One advantage per episode: its reward against those of its question's episodes (GRPO)."""

    kind: Literal["group_relative"]
    normalise: bool = Field(True, description="divide by the group's deviation; false: Dr. GRPO")


class LeaveOneOut(Spec):
    """One advantage per episode: its reward minus the mean of its question's other episodes (RLOO)."""

    kind: Literal["leave_one_out"]


class Process(Spec):
    """Rewards of a PRM at the ends of steps, each step credited with its own and all later ones (LPR); no critic."""

    kind: Literal["process"]
    step_reward: Literal["scores", "differences"] = Field(
        "scores", description="the PRM's probability, or gamma times it less that of the step before (potential-based)"
    )
    gamma: Fraction = 1.0
    outcome_weight: NonNegativeFloat = Field(0.0, description="reward of a right answer, with the last step")
    normalise: bool = Field(True, description="standardise step rewards over all steps of the question's episodes")


Credit = Annotated[Critic | Rollouts | GroupRelative | LeaveOneOut | Process, Field(discriminator="kind")]
