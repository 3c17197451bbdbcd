"""Result tables: what answers are right, and how well step scores tell right steps from wrong ones."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stepladder.study.fields import (
    Accumulation,
    AuditNode,
    EvaluationNode,
    LabelsNode,
    NonNegativeFloat,
    OneLine,
    PositiveFloat,
    PositiveInt,
    PrmNode,
    RolloutsNode,
    ScoresNode,
    Spec,
)
from stepladder.study.specs.bias_tables import LengthsTable, PositionsTable
from stepladder.study.specs.credit import Adaptive, Estimation


class AnswersRow(Spec):
    """One row: how an evaluation's answers become one accuracy per data set."""

    label: OneLine
    evaluation: EvaluationNode
    answer: Literal["greedy", "mean_sample", "majority", "best_of_n", "weighted_majority", "pass"] = "greedy"
    n: PositiveInt = 1
    grading: Literal["strict", "published"] = Field(
        "strict", description="what is right; published: by the rule of released code, of single answers alone"
    )
    reference_prm: Literal["oracle", "random"] | None = Field(
        None, description="in place of a PRM: one that knows which answers are right, or one that knows nothing"
    )
    prm: PrmNode | None = None
    accumulate: Accumulation = "last"

    @field_validator("accumulate")
    @classmethod
    def _weights_are_of_chances(cls, value: str, info: ValidationInfo) -> str:
        if value == "sum" and info.data.get("answer") == "weighted_majority":
            raise ValueError("votes weigh as the log-odds of a score between 0 and 1, which a sum is not")
        return value

    weight: Literal["sigmoid", "softmax", "rank"] = Field(
        "sigmoid", description="what a weighted majority makes of the log-odds of scores"
    )
    temperature: PositiveFloat = Field(1.0, description="divides the log-odds of weights")
    clean: AuditNode | None = Field(
        None, description="over the questions alone that this audit of the evaluation's split has not found seen"
    )
    reported: str | None = Field(None, description="row of the reported table to print beside this one")

    @field_validator("grading")
    @classmethod
    def _votes_count_equal_values(cls, value: str, info: ValidationInfo) -> str:
        if value == "published" and info.data.get("answer") not in ("greedy", "mean_sample", "pass"):
            raise ValueError("published rules judge single answers: take greedy, mean_sample or pass")
        return value

    @field_validator("prm")
    @classmethod
    def _needed_by_choice(cls, value: str | None, info: ValidationInfo) -> str | None:
        chooses = info.data.get("answer") in ("best_of_n", "weighted_majority")
        if chooses and (value is None) == (info.data.get("reference_prm") is None):
            raise ValueError("rows that choose or weigh by a PRM must name it, or a reference_prm")
        return value

    model_config = Spec.model_config | {"validate_default": True}


class AnswersTable(Spec):
    """Accuracies: rows of evaluations, columns of data sets, intervals and paired differences."""

    kind: Literal["answers"]
    title: OneLine
    baseline: str = Field(description="label of the row that paired differences are taken to")
    rows: tuple[AnswersRow, ...] = Field(min_length=1)
    reported: str | None = Field(
        None, pattern=r"^[\w-]+$", description="name of a file in config/reported, without its ending"
    )
    resamples: PositiveInt = Field(2000, description="bootstrap resamples of questions and seeds")


class EfficiencyRow(Spec):
    """One row: an evaluation of a policy, which the row's cost is that of."""

    label: OneLine
    evaluation: EvaluationNode = Field(description="of method sampled")
    answer: Literal["greedy", "mean_sample"] = "greedy"


class EfficiencyTable(Spec):
    """Accuracy beside what it took: tokens and time of all that the baseline's policy was not made from."""

    kind: Literal["efficiency"]
    title: OneLine
    baseline: str = Field(description="label of the row that paired differences are taken to, and costs counted from")
    rows: tuple[EfficiencyRow, ...] = Field(min_length=1)
    resamples: PositiveInt = Field(2000, description="bootstrap resamples of questions and seeds")


class StepsRow(Spec):
    """One row: a PRM's scores beside labels of the same trajectories."""

    label: OneLine
    scores: ScoresNode
    labels: LabelsNode
    margin: NonNegativeFloat = Field(0.0, description="zeta of the PRM: wrong steps should score below -zeta")


class StepsTable(Spec):
    """Step scores against step labels: rows of PRMs, columns of measures, intervals and paired differences."""

    kind: Literal["steps"]
    title: OneLine
    baseline: str = Field(description="label of the row that paired differences are taken to")
    rows: tuple[StepsRow, ...] = Field(min_length=1)
    validation: float = Field(0.3, gt=0, lt=1, description="share of problems that fit the threshold of first errors")
    resamples: PositiveInt = Field(1000, description="bootstrap resamples of questions and seeds")


class RankingRow(Estimation):
    """One row: values from rollouts of their states, or those of the policy's critic."""

    label: OneLine
    rollouts: RolloutsNode = Field(description="whose states are valued, and whose other rollouts values are judged by")
    k: PositiveInt = Field(9, description="rollouts that one value is made from")
    critic: bool = Field(False, description="in place of an estimator: the critic of the policy that rolls out")


class ValuesRow(RankingRow):
    """One row: values as above, or a PRM's scores of the steps that lead to the states."""

    scores: ScoresNode | None = Field(None, description="in place of an estimator: of the same trajectories")
    adaptive: Adaptive | None = Field(None, description="k is then the mean that states may have; none: each has k")

    @field_validator("adaptive")
    @classmethod
    def _the_budget_lasts(cls, value: Adaptive | None, info: ValidationInfo) -> Adaptive | None:
        if value and (info.data.get("critic") or info.data.get("scores")):
            raise ValueError("goes with rollouts; a critic and scores read none")
        return value and value.lasting(info.data.get("k"))


class ValuesTable(Spec):
    """Values of states against many rollouts: bias, squared and absolute error, correlation within and between."""

    kind: Literal["values"]
    title: OneLine
    baseline: str = Field(description="label of the row that paired differences are taken to")
    rows: tuple[ValuesRow, ...] = Field(min_length=1)
    redraws: PositiveInt = Field(8, description="most values of each state, each from other rollouts")
    resamples: PositiveInt = Field(1000, description="bootstrap resamples of questions and seeds")


class RankingTable(Spec):
    """How well values rank the alternatives to a step: the best one found, and pairs in order."""

    kind: Literal["ranking"]
    title: OneLine
    baseline: str = Field(description="label of the row that paired differences are taken to")
    rows: tuple[RankingRow, ...] = Field(min_length=1)
    redraws: PositiveInt = Field(8, description="most values of each state, each from other rollouts")
    resamples: PositiveInt = Field(1000, description="bootstrap resamples of questions and seeds")


class ContaminationRow(Spec):
    """One row: an audit."""

    label: OneLine
    audit: AuditNode


class ContaminationTable(Spec):
    """How many questions of a split were seen in what was trained on, by data set."""

    kind: Literal["contamination"]
    title: OneLine
    rows: tuple[ContaminationRow, ...] = Field(min_length=1)


Table = Annotated[
    AnswersTable
    | EfficiencyTable
    | StepsTable
    | ValuesTable
    | RankingTable
    | PositionsTable
    | LengthsTable
    | ContaminationTable,
    Field(discriminator="kind"),
]
