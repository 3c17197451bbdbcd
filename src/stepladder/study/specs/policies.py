"""Policies: every way to train one."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stepladder.study.fields import (
    Count,
    EachOnce,
    Fraction,
    ModelNode,
    NonNegativeFloat,
    PairsNode,
    PolicyNode,
    PositiveFloat,
    PositiveInt,
    QuestionsNode,
    RewardsNode,
    Spec,
)
from stepladder.study.optimisation import Optimisation


class Pretrain(Spec):
    """Next-token training of a model on the generated world's atomic skills; loss on results only."""

    method: Literal["pretrain"]
    model: ModelNode
    drills: PositiveInt = Field(12000, description="rows of eight drills each")
    optimisation: Optimisation = Optimisation()


class Sft(Spec):
    """Supervised fine-tuning on the demonstrations of a split."""

    method: Literal["sft"]
    start: PolicyNode = Field(alias="from")
    questions: QuestionsNode
    split: str
    drills: Count = Field(0, description="rows of eight drills each, mixed in against forgetting")
    loss_on: Literal["chain", "answer"] = Field(
        "chain", description="'answer' masks the reasoning, as the published PSPO code does"
    )
    optimisation: Optimisation = Optimisation()


class Dpo(Spec):
    """Direct preference optimisation on pairs whose reference log-probs are already computed."""

    method: Literal["dpo"]
    start: PolicyNode = Field(alias="from")
    pairs: Annotated[tuple[PairsNode, ...], EachOnce] = Field(min_length=1)
    loss: Literal["sigmoid", "conservative", "hinge", "ipo", "dpo_positive"] = "sigmoid"
    beta: PositiveFloat = 0.1
    label_smoothing: Fraction = 0.0
    positive_weight: NonNegativeFloat = Field(50.0, description="lambda of DPO-Positive; used by that loss only")
    optimisation: Optimisation = Optimisation()


class Ppo(Spec):
    """PPO with a critic, generalised advantage estimation and a terminal reward (PSPO-WRS)."""

    method: Literal["ppo"]
    start: PolicyNode = Field(alias="from")
    questions: QuestionsNode
    split: str
    rewards: RewardsNode = Field(description="the reward function: that node's PRM, accumulation and shaping")
    iterations: PositiveInt = 20
    questions_per_iteration: PositiveInt = 64
    samples: PositiveInt = 8
    temperature: PositiveFloat = 1.0
    max_tokens: PositiveInt = 72
    epochs: PositiveInt = Field(1, description="passes over the episodes of one iteration")
    gamma: Fraction = 1.0
    lam: Fraction = Field(0.95, description="lambda of generalised advantage estimation")
    clip: PositiveFloat = 0.2
    value_clip: PositiveFloat = 0.2
    kl_coefficient: NonNegativeFloat = 0.02
    kl_estimator: Literal["k1", "k2", "k3"] = Field(
        "k3", description="estimator of the KL term in the loss; k1 is reported right but has no gradient on average"
    )
    whiten: Literal["none", "scale", "full"] = Field("full", description="normalise advantages over the batch")
    critic_learning_rate: PositiveFloat = 1e-3
    critic_warmup: Count = Field(0, description="first iterations in which only the critic learns")
    optimisation: Optimisation = Optimisation()

    @field_validator("critic_warmup")
    @classmethod
    def _the_policy_learns_too(cls, value: int, info: ValidationInfo) -> int:
        if value >= info.data.get("iterations", value + 1):
            raise ValueError(f"must be less than the {info.data['iterations']} iterations")
        return value

    @field_validator("optimisation")
    @classmethod
    def _weights_are_swapped_whole(cls, value: Optimisation) -> Optimisation:
        if value.deepspeed == "zero3":
            raise ValueError("ppo hands whole weights to the sampler, which zero3 splits: use zero2 or none")
        return value


Policy = Annotated[Pretrain | Sft | Dpo | Ppo, Field(discriminator="method")]
