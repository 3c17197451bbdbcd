"""Trajectories: sampled from a policy, or written by others."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stepladder.study.fields import (
    DataFile,
    EachOnce,
    Fraction,
    NonNegativeFloat,
    PolicyNode,
    PositiveInt,
    QuestionsNode,
    Spec,
)


class Sampled(Spec):
    """Sampled answers of a policy to the questions of a split."""

    method: Literal["sampled"]
    policy: PolicyNode
    questions: QuestionsNode
    split: str
    samples: PositiveInt = 8
    temperature: NonNegativeFloat = 1.0
    top_p: Fraction = 1.0
    max_tokens: PositiveInt = 72
    stop: tuple[str, ...] = ()


class Candidates(Spec):
    """Published answers to the questions of a split, several to each, graded as sampled ones are."""

    method: Literal["candidates"]
    format: Literal["gsm8k", "pqm"] = Field(
        description="gsm8k: the four solutions of its test questions; pqm: its 128 answers a question"
    )
    source: Literal["local", "hub"] = "local"
    file: DataFile = Field(description="the file inside data_dir, or its name in the published folder")
    revision: str = Field("main", description="pqm on the hub: commit or tag; pin it")
    questions: QuestionsNode
    split: str
    tokenizer: PolicyNode = Field(description="the policy whose tokenizer and longest sequence they are cut by")


class Solutions(Spec):
    """Published solutions whose steps others have labelled; labels of method published read their labels.

    Several files or parts make one set; of ProcessBench each is a subset, a local one by its name without the ending.
    """

    method: Literal["solutions"]
    format: Literal["math_shepherd", "prm800k", "stepwise", "human_steps", "process_bench"]
    source: Literal["local", "hub"] = "local"
    files: Annotated[tuple[DataFile, ...], EachOnce] = Field((), description="local: the files inside data_dir")
    repository: str | None = Field(None, pattern=r"^[\w.-]+/[\w.-]+$", description="stepwise on the hub: owner/name")
    revision: str = Field("main", description="stepwise on the hub: commit or tag; pin it")
    parts: Annotated[tuple[str, ...], EachOnce] = Field(
        (), description="on the hub: splits of stepwise, parts of prm800k, subsets of process_bench"
    )
    limit: PositiveInt | None = Field(None, description="use at most this many problems, chosen by their hash")
    tokenizer: PolicyNode = Field(description="the policy whose tokenizer and longest sequence they are cut by")

    model_config = Spec.model_config | {"validate_default": True}

    @field_validator("files")
    @classmethod
    def _local_needs_files(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not value and info.data.get("source") == "local":
            raise ValueError("a local source needs its files, by their places in data_dir")
        return value

    @field_validator("source")
    @classmethod
    def _published_where(cls, value: str, info: ValidationInfo) -> str:
        if value == "hub" and info.data.get("format") == "human_steps":
            raise ValueError("human steps are on no hub: take local files")
        return value

    @field_validator("repository")
    @classmethod
    def _hub_needs_a_repository(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and (info.data.get("source"), info.data.get("format")) == ("hub", "stepwise"):
            raise ValueError("stepwise data on the hub need their repository, such as trl-lib/prm800k")
        return value

    @field_validator("parts")
    @classmethod
    def _hub_needs_parts(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not value and info.data.get("source") == "hub" and info.data.get("format") != "math_shepherd":
            raise ValueError("data on the hub need their parts, such as train, phase2_train or gsm8k")
        return value


Trajectories = Annotated[Sampled | Candidates | Solutions, Field(discriminator="method")]
