"""One spec per stage: what a node of that stage is made from and how. Every key of a study file is declared here."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stepladder.study.fields import (
    Accumulation,
    Count,
    Dataset,
    EachOnce,
    EvaluationNode,
    Fraction,
    LabelsNode,
    ModelNode,
    NonNegativeFloat,
    OneLine,
    PairsNode,
    PolicyNode,
    PositiveFloat,
    PositiveInt,
    PrmNode,
    QuestionsNode,
    RewardsNode,
    ScoresNode,
    Spec,
    SplitName,
    TrajectoriesNode,
)
from stepladder.study.optimisation import Optimisation


class Difficulty(Spec):
    """Knobs of the generated world."""

    operations: PositiveInt = Field(2, ge=2, le=4, description="most additions and subtractions in one question")
    largest_count: PositiveInt = Field(99, ge=60, le=150, description="largest number that is only compared")
    largest_operand: PositiveInt = Field(20, ge=12, le=35, description="largest number that is added or taken away")
    largest_factor: PositiveInt = Field(12, ge=4, le=12, description="largest size of a pack in a multiplication")
    hasty: NonNegativeFloat = Field(1.0, ge=0, le=1.25, description="factor on the share of hasty demonstrations")


class Questions(Spec):
    """A question set with its splits, made once, by question."""

    source: Literal["generated", "local", "hub"] = Field(description="where the questions come from")
    sets: Annotated[tuple[Dataset, ...], EachOnce] = Field(min_length=1, description="the data sets in it")
    splits: dict[SplitName, PositiveFloat] = Field(
        min_length=1, description="questions per set in each split; a value below 1 is a share of the set"
    )
    limit: PositiveInt | None = Field(None, description="use at most this many questions of a set")
    seed: Count = Field(0, description="which world is generated, and how local sets are split")
    instruction: bool = Field(False, description="put the instruction paragraph before the scaffold of the prompt")
    difficulty: Difficulty = Difficulty()
    allow_overlap: tuple[str, ...] = Field((), description="pairs of splits, as 'a/b', that may share questions")


class NewModel(Spec):
    """An untrained model from its config, with its own tokenizer trained on the generated world."""

    source: Literal["new"]
    architecture: Literal["llama", "qwen2"] = "llama"
    vocab_size: PositiveInt = Field(1024, ge=512)
    hidden_size: PositiveInt = 64
    intermediate_size: PositiveInt = 160
    layers: PositiveInt = 3
    heads: PositiveInt = 4
    kv_heads: PositiveInt = 2
    head_size: PositiveInt = Field(32, multiple_of=32, description="width of a head; the CPU engine wants 32, 64, ...")
    max_length: PositiveInt = Field(1024, description="longest sequence, in tokens")
    init_std: PositiveFloat = 0.05


# Left out of a job's params: another number of weights asks for other resources and gives the same result.
Weights = Annotated[
    PositiveFloat, Field(exclude=True, description="number of weights; memory and time of its jobs grow with it")
]


class HubModel(Spec):
    """A published checkpoint."""

    source: Literal["hub"]
    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name on the hub")
    revision: str = Field("main", description="commit or tag; pin it")
    parameters: Weights = 7e9


class LocalModel(Spec):
    """A checkpoint on disk, in the folder that the setting `models_dir` names."""

    source: Literal["local"]
    folder: str = Field(pattern=r"^\w[\w.-]*$", description="name of the checkpoint's folder inside models_dir")
    parameters: Weights = 7e9


Model = Annotated[NewModel | HubModel | LocalModel, Field(discriminator="source")]


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


class Trajectories(Spec):
    """Sampled answers of a policy to the questions of a split."""

    policy: PolicyNode
    questions: QuestionsNode
    split: str
    samples: PositiveInt = 8
    temperature: NonNegativeFloat = 1.0
    top_p: Fraction = 1.0
    max_tokens: PositiveInt = 72
    stop: tuple[str, ...] = ()


class Labels(Spec):
    """Monte Carlo step labels: every state's share of rollouts that end in the right answer."""

    trajectories: TrajectoriesNode
    policy: PolicyNode = Field(description="the policy that finishes the rollouts")
    per_question: PositiveInt | None = Field(None, description="label only the first samples of each question")
    rollouts: PositiveInt = 4
    temperature: PositiveFloat = 1.0
    top_p: Fraction = 1.0
    max_tokens: PositiveInt = 72


class Prm(Spec):
    """A process reward model: a policy's backbone with a scalar head read at step ends."""

    labels: LabelsNode
    backbone: PolicyNode
    loss: Literal["bce", "rank", "mse", "orm"] = "bce"
    target: Literal["soft", "hard", "threshold"] = Field(
        "soft", description="soft: mean of the rollouts; hard: any rollout right; threshold: mean >= 0.5"
    )
    zeta: NonNegativeFloat = Field(4.0, description="margin of the rank loss")
    double_count: bool = Field(False, description="the rank loss as the published checkpoints were trained")
    heldout: Fraction = Field(0.1, gt=0, lt=1, description="share of questions kept for judging the model")
    head_learning_rate: PositiveFloat | None = Field(None, description="the head's own learning rate")
    optimisation: Optimisation = Optimisation()

    model_config = Spec.model_config | {"validate_default": True}

    @field_validator("target")
    @classmethod
    def _ranks_need_right_and_wrong(cls, value: str, info: ValidationInfo) -> str:
        if value == "soft" and info.data.get("loss") == "rank":
            raise ValueError("the rank loss needs steps that are right or wrong: use threshold or hard")
        return value

    @field_validator("optimisation")
    @classmethod
    def _judged_whole(cls, value: Optimisation) -> Optimisation:
        if value.deepspeed == "zero3":
            raise ValueError("a PRM is judged with whole weights, which zero3 splits: use zero2 or none")
        return value


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


class Evaluation(Spec):
    """One policy's greedy and sampled answers to a split, judged by every PRM named."""

    policy: PolicyNode
    questions: QuestionsNode
    split: str
    samples: Count = 8
    temperature: PositiveFloat = 1.0
    top_p: Fraction = 1.0
    max_tokens: PositiveInt = 72
    prms: Annotated[tuple[PrmNode, ...], EachOnce] = ()


class Row(Spec):
    """One row of a table: how an evaluation's answers become one accuracy per data set."""

    label: OneLine
    evaluation: EvaluationNode
    answer: Literal["greedy", "mean_sample", "majority", "best_of_n", "weighted_majority", "pass"] = "greedy"
    n: PositiveInt = 1
    prm: PrmNode | None = None
    accumulate: Accumulation = "last"
    reported: str | None = Field(None, description="row of the reported table to print beside this one")

    @field_validator("prm")
    @classmethod
    def _needed_by_choice(cls, value: str | None, info) -> str | None:
        if value is None and info.data.get("answer") in ("best_of_n", "weighted_majority"):
            raise ValueError("rows that choose or weigh by a PRM must name it")
        return value

    model_config = Spec.model_config | {"validate_default": True}


class Table(Spec):
    """A result table: rows of evaluations, columns of data sets, intervals and paired differences."""

    title: OneLine
    baseline: str = Field(description="label of the row that paired differences are taken to")
    rows: tuple[Row, ...] = Field(min_length=1)
    reported: str | None = Field(
        None, pattern=r"^[\w-]+$", description="name of a file in config/reported, without its ending"
    )
    resamples: PositiveInt = Field(2000, description="bootstrap resamples of questions and seeds")


STAGES: dict[str, object] = {
    "questions": Questions,
    "models": Model,
    "policies": Policy,
    "trajectories": Trajectories,
    "labels": Labels,
    "prms": Prm,
    "scores": Scores,
    "rewards": Rewards,
    "pairs": Pairs,
    "evaluations": Evaluation,
    "tables": Table,
}
# Questions are the same for every seed, and a table is made from all seeds.
SEEDLESS_STAGES = ("questions", "tables")
