"""Policies: every way to train one."""

import math
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stepladder.study.fields import (
    MIRRORED_SETS,
    Count,
    EachOnce,
    EvaluationNode,
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
    TrajectoriesNode,
    WorldSets,
)
from stepladder.study.optimisation import Optimisation
from stepladder.study.specs.credit import Credit, Critic, GroupRelative, LeaveOneOut, Process, Rollouts


class Pretrain(Spec):
    """Next-token training of a model on the generated world's atomic skills; loss on results only."""

    method: Literal["pretrain"]
    model: ModelNode
    drills: PositiveInt = Field(12000, description="rows of eight drills each")
    sets: WorldSets = Field(MIRRORED_SETS, description="families whose atomic skills are drilled")
    optimisation: Optimisation = Optimisation()


class Sft(Spec):
    """Supervised fine-tuning on the demonstrations of a split."""

    method: Literal["sft"]
    start: PolicyNode = Field(alias="from")
    questions: QuestionsNode
    split: str
    drills: Count = Field(0, description="rows of eight drills for the questions' sets, mixed in against forgetting")
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
    ipo_logprobs: Literal["mean", "sum"] = Field(
        "mean", description="over an answer's tokens; LPR's code sums them; used by that loss only"
    )
    last_pair_per_question: bool = Field(
        False,
        description="as LPR's code loads pairs: of a question's pairs, those of earlier nodes first, only the last is "
        "trained on, as often as there are pairs; for comparison",
    )
    optimisation: Optimisation = Optimisation()


class RestEm(Spec):
    """Fine-tuning on a policy's own right answers (RestEM): its token ids as they were sampled."""

    method: Literal["restem"]
    start: PolicyNode = Field(alias="from")
    trajectories: TrajectoriesNode
    per_question: PositiveInt = Field(8, description="most different right answers of one question")
    mean_over: Literal["tokens", "answers"] = Field(
        "tokens",
        description="what the loss is a mean over; answers: of the mean of each one's tokens, as VinePPO's code",
    )
    temperature: PositiveFloat = Field(
        1.0, description="of the log-probs in the loss; VinePPO's code takes that of the samples"
    )
    optimisation: Optimisation = Optimisation()


class Select(Spec):
    """One of several policies, by their accuracy on questions that no result is reported on; nothing is trained."""

    method: Literal["select"]
    among: Annotated[tuple[EvaluationNode, ...], EachOnce] = Field(
        min_length=2, description="evaluations, one of each policy, all of one split, in the order of rounds"
    )
    by: Literal["greedy", "mean_sample"] = "mean_sample"
    rule: Literal["best", "first_fall"] = Field(
        "best", description="the most accurate one, the earliest of equals; or the last one before accuracy first falls"
    )


class Ppo(Spec):
    """On-policy learning by the clipped surrogate; `credit` says how a reward becomes advantages."""

    method: Literal["ppo"]
    start: PolicyNode = Field(alias="from")
    questions: QuestionsNode
    split: str
    rewards: RewardsNode | None = Field(
        None,
        description="that node's PRM, accumulation and shaping; none: 1 for a right answer, 0 for any other",
    )
    iterations: PositiveInt = Field(20, description="most; fewer where a token budget is spent before")
    token_budget: PositiveInt | None = Field(
        None,
        description="tokens of episodes and rollouts; the iteration that reaches it is the last, and the learning rate"
        " follows its share instead of that of the iterations",
    )
    questions_per_iteration: PositiveInt = 64
    samples: PositiveInt = 8
    temperature: PositiveFloat = 1.0
    top_p: Fraction = Field(
        1.0,
        gt=0,
        description="of episodes and of rollouts; below 1 the log-probs in the loss stay those of all tokens, as in"
        " VinePPO's code",
    )
    max_tokens: PositiveInt = 72
    epochs: PositiveInt = Field(1, description="passes over the episodes of one iteration")
    clip: PositiveFloat = 0.2
    kl_coefficient: NonNegativeFloat = 0.02
    kl_estimator: Literal["k1", "k2", "k3"] = Field(
        "k3",
        description="of the KL to the start policy; in the loss k1 has no gradient on average, in the reward the KL's",
    )
    kl_in: Literal["loss", "reward"] = Field(
        "loss", description="a term of the loss, or taken from the reward of every token before credit is given"
    )
    kl_unit: Literal["token", "sequence_as_published"] = Field(
        "token",
        description="of the loss: a mean over tokens as the surrogate is, or VinePPO's mean over sequences of sums, in"
        " which a token's estimate is kept within 0 and 10",
    )
    credit: Credit = Critic(kind="critic")
    whiten: Literal["none", "scale", "full"] = Field("full", description="normalise advantages over the batch")
    importance_cap: PositiveFloat | None = Field(
        None, description="weigh each token by trainer's over sampler's probability, up to this; none: no correction"
    )
    optimisation: Optimisation = Optimisation()

    @field_validator("credit")
    @classmethod
    def _credit_has_what_it_needs(cls, value: Credit, info: ValidationInfo) -> Credit:
        iterations, samples = (info.data.get(key, math.inf) for key in ("iterations", "samples"))
        match value:
            case Critic(warmup=warmup) if warmup >= iterations:
                raise ValueError(f"warmup must be less than the {iterations} iterations")
            case Rollouts() if info.data.get("rewards"):
                raise ValueError("rollouts are judged by their answers alone: leave rewards out")
            case Process() | Critic(step_reward="scores" | "differences") if (
                "rewards" in info.data and info.data["rewards"] is None
            ):
                raise ValueError("step rewards come from a PRM: name rewards")
            case GroupRelative() | LeaveOneOut() | Rollouts(first_value="episodes") | Process(normalise=True) if (
                samples < 2
            ):
                raise ValueError("this credit compares the samples of a question: give samples: 2 or more")
        return value

    @field_validator("optimisation")
    @classmethod
    def _rollouts_are_weighed_by_whole_weights(cls, value: Optimisation, info: ValidationInfo) -> Optimisation:
        credit, plain = info.data.get("credit"), info.data.get("temperature") == info.data.get("top_p") == 1.0
        reads = ("importance_weighted", *(() if plain else ("probability_weighted", "sequence_probability")))
        if value.deepspeed == "zero3" and isinstance(credit, Rollouts) and credit.estimator in reads:
            raise ValueError(
                f"{credit.estimator} weighs rollouts with whole weights, which zero3 splits: use zero2 or none"
            )
        return value

    @field_validator("kl_unit")
    @classmethod
    def _only_a_loss_is_a_mean(cls, value: str, info: ValidationInfo) -> str:
        if value != "token" and info.data.get("kl_in") == "reward":
            raise ValueError("is of the loss: with kl_in: reward every token has its own")
        return value

    @field_validator("importance_cap")
    @classmethod
    def _log_probs_are_of_temperature_1(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and not info.data.get("temperature", 1.0) == info.data.get("top_p", 1.0) == 1.0:
            raise ValueError("needs temperature: 1 and top_p: 1, at which the sampler tells its log-probs")
        return value


Policy = Annotated[Pretrain | Sft | Dpo | RestEm | Select | Ppo, Field(discriminator="method")]
