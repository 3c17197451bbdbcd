"""Evaluations: answers to a split, judged by process reward models."""

from typing import Annotated, Literal

from pydantic import Field

from stepladder.study.fields import (
    Count,
    EachOnce,
    Fraction,
    OptionOrder,
    PolicyNode,
    PositiveFloat,
    PositiveInt,
    PrmNode,
    QuestionsNode,
    Spec,
    TrajectoriesNode,
)


class SampledAnswers(Spec):
    """One policy's greedy and sampled answers to a split, judged by every PRM named."""

    method: Literal["sampled"]
    policy: PolicyNode
    questions: QuestionsNode
    split: str
    samples: Count = 8
    temperature: PositiveFloat = 1.0
    top_p: Fraction = 1.0
    max_tokens: PositiveInt = 72
    option_order: OptionOrder = Field(
        "as_given",
        description="in which options are shown; an answer is kept as the option that it names in the given order",
    )
    prms: Annotated[tuple[PrmNode, ...], EachOnce] = ()


class GivenAnswers(Spec):
    """Trajectories that are there already, judged by every PRM named; there is no greedy answer among them."""

    method: Literal["given"]
    trajectories: TrajectoriesNode = Field(description="a node of method sampled or candidates")
    prms: Annotated[tuple[PrmNode, ...], EachOnce] = ()


Evaluation = Annotated[SampledAnswers | GivenAnswers, Field(discriminator="method")]
