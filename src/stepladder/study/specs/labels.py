"""Step labels: from rollouts, or read with the solutions that others have labelled."""

from typing import Annotated, Literal

from pydantic import Field

from stepladder.study.fields import Fraction, PolicyNode, PositiveFloat, PositiveInt, Spec, TrajectoriesNode


class MonteCarlo(Spec):
    """Monte Carlo step labels: every state's share of rollouts that end in the right answer."""

    method: Literal["monte_carlo"]
    trajectories: TrajectoriesNode
    policy: PolicyNode = Field(description="the policy that finishes the rollouts")
    per_question: PositiveInt | None = Field(None, description="label only the first samples of each question")
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
