"""Rollouts that are kept one by one: the truth that values of states are judged by."""

from pydantic import Field

from stepladder.study.fields import Count, Fraction, PolicyNode, PositiveFloat, PositiveInt, Spec, TrajectoriesNode


class StateRollouts(Spec):
    """Many rollouts of some states, and of alternative next steps, each kept: what values of states are judged by."""

    trajectories: TrajectoriesNode
    policy: PolicyNode = Field(description="the policy that finishes the rollouts")
    per_question: PositiveInt | None = Field(None, description="take states of the first samples of each question only")
    limit: PositiveInt | None = Field(None, description="of at most so many questions, drawn at random")
    states: PositiveInt | None = Field(
        None, description="at most so many distinct states of each question, drawn at random; the bare question is one"
    )
    alternatives: Count = Field(
        0, description="next steps of each of these states, as its rollouts begin; their states are rolled out, too"
    )
    rollouts: PositiveInt = Field(256, description="of each state")
    temperature: PositiveFloat = Field(1.0, description="that at which the policy is trained")
    top_p: Fraction = Field(1.0, gt=0, description="likewise")
    critic: bool = Field(False, description="ask the policy's critic for the value of each state")
    max_tokens: PositiveInt = Field(72, description="of a whole answer; a state has those that it has not used")
