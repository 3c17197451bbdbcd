"""Process reward models: one spec per head."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stepladder.study.fields import (
    Count,
    EachOnce,
    Fraction,
    LabelsNode,
    ModelNode,
    NonNegativeFloat,
    PolicyNode,
    PositiveFloat,
    PositiveInt,
    Spec,
)
from stepladder.study.optimisation import Optimisation


class Lora(Spec):
    """Low-rank adapters in place of training all weights; they are merged into the checkpoint."""

    rank: PositiveInt = 8
    alpha: PositiveFloat = Field(16.0, description="the adapters' output is scaled by alpha / rank")
    dropout: Fraction = 0.0


class Replay(Spec):
    """Labels of an earlier round, a part of whose questions is learnt again (LPR's second round)."""

    labels: LabelsNode
    share: Fraction = Field(0.1, gt=0, description="of their questions, drawn at random, without those held out")


class _Trained(Spec):
    """What all heads share."""

    labels: LabelsNode
    replay: Replay | None = Field(None, description="mixes in older labels, from which the model is not judged")
    heldout: Fraction = Field(0.1, gt=0, lt=1, description="share of questions kept for judging the model")
    head_learning_rate: PositiveFloat | None = Field(None, description="the head's own learning rate")
    optimisation: Optimisation = Optimisation()


class PerStep(_Trained):
    """A scalar head on a policy's backbone, read at step ends (PQM)."""

    head: Literal["per_step"]
    backbone: PolicyNode
    loss: Literal["bce", "mse", "orm", "rank", "theory_rank", "ablated_rank", "bce_as_published"] = Field(
        "bce",
        description="bce_as_published: for the comparison table only; its sigmoid in bfloat16 loses the gradient of "
        "the worst mistakes",
    )
    target: Literal["soft", "posterior", "hard", "threshold"] = Field(
        "soft",
        description="soft: mean of the rollouts; posterior: mean of what they say of the chance from a uniform prior, "
        "(right + 1) / (rollouts + 2); hard: any rollout right; threshold: mean >= 0.5",
    )
    recoveries: Literal["raw", "monotone", "drop"] = Field(
        "raw", description="steps after the first wrong one: as labelled, all wrong, or left out"
    )
    orm_target: Literal["last_label", "no_error"] = Field(
        "last_label", description="what the orm loss learns: the outcome, or whether no step is wrong (as published)"
    )
    zeta: NonNegativeFloat = Field(4.0, description="margin of the rank losses")
    double_count: bool = Field(False, description="the rank losses as the published checkpoints were trained")
    initial_head: Literal["zero", "random"] = Field("zero", description="zero: training starts at the closed form")
    lora: Lora | None = None

    model_config = Spec.model_config | {"validate_default": True}

    @field_validator("target")
    @classmethod
    def _fits_the_loss(cls, value: str, info: ValidationInfo) -> str:
        if value == "soft" and info.data.get("loss", "").endswith("rank"):
            raise ValueError("the rank losses need steps that are right or wrong: use threshold or hard")
        if value == "posterior" and info.data.get("loss", "bce") not in ("bce", "mse"):
            raise ValueError("a posterior mean is a chance between 0 and 1: take loss bce or mse")
        return value


class Pair(_Trained):
    """An encoder that reads a step behind the one before it and tells wrong, neutral or correct (PSPO)."""

    head: Literal["pair"]
    backbone: ModelNode = Field(description="an encoder, such as BERT")
    max_length: PositiveInt = Field(256, description="most tokens of a pair in training; longer ones are cut")
    scoring_length: PositiveInt = Field(512, description="most tokens of a pair in scoring")

    @field_validator("optimisation")
    @classmethod
    def _reads_both_ways(cls, value: Optimisation) -> Optimisation:
        if value.packed:
            raise ValueError("an encoder reads both ways, and packed rows are read causally: take packed out")
        return value


class LastToken(_Trained):
    """A head on a prefix's last token that tells how many of K rollouts are right (LPR)."""

    head: Literal["last_token"]
    backbone: PolicyNode
    trials: PositiveInt = Field(3, description="K; the head has K + 1 classes")
    loss: Literal["counts", "classes"] = Field(
        "counts", description="counts: neighbouring counts share their mass; classes: cross-entropy, as published"
    )
    good: Annotated[tuple[Count, ...], EachOnce] = Field(
        (2, 3), min_length=1, description="the counts whose chances add up to the score of a step"
    )
    lora: Lora | None = None

    @field_validator("good")
    @classmethod
    def _counts_of_the_trials(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if max(value) > info.data.get("trials", max(value)):
            raise ValueError(f"no count can be above the {info.data['trials']} trials")
        return value


Prm = Annotated[PerStep | Pair | LastToken, Field(discriminator="head")]
