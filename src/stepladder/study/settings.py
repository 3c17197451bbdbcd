"""What a study file says beside its nodes: its name, its seeds, its scale and where things lie."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from stepladder.study.fields import Count, EachOnce, Folder, PositiveInt, Spec, StepStyle

_SQLITE_FILE = re.compile(r"sqlite:///[^?#@\x00-\x1f]+")
_SERVER = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?(/[\w./~-]*)?|https?://\[[0-9a-f:.]+\](:\d+)?(/[\w./~-]*)?")

# light: tables of rows; train: SFT, DPO and PRMs; sample: answers, rollouts and evaluations; score: one model's forward
# passes over a table; reinforce: PPO.
Work = Literal["light", "train", "sample", "score", "reinforce"]


class Resources(Spec):
    """What one job of a kind of work asks of the machine or the cluster; on every node where there are several."""

    threads: PositiveInt = Field(1, description="CPU cores")
    mem_mb: PositiveInt = Field(2000, description="main memory in MB, whatever the model's size")
    mem_mb_per_billion: Count = Field(
        0, description="MB more for every billion weights of the largest model that the job loads"
    )
    runtime: PositiveInt = Field(60, description="minutes, whatever the model's size")
    runtime_per_billion: Count = Field(
        0, description="minutes more for every billion weights of the largest model that the job loads"
    )
    gpu: Count = Field(0, description="GPUs; a training has as many ranks as GPUs on all its nodes")
    nodes: PositiveInt = Field(1, description="nodes that one training runs on; more than 1 needs Slurm")


class Scale(Spec):
    """An overlay for one size of machine: models, sizes and resources change, the graph does not."""

    name: str = Field("cpu", pattern=r"^[\w-]+$")
    override: dict[str, dict[str, Any]] = Field(
        {},
        description="per stage, and per method, head or kind if it has several: keys for every node; null removes one",
    )
    resources: dict[Work, Resources] = Field({}, description="per kind of work: what one job of it asks for")
    max_mem_mb: PositiveInt | None = Field(None, description="most MB that one node grants; no retry asks for more")
    max_runtime: PositiveInt | None = Field(
        None, description="most minutes that the cluster grants; no retry asks for more"
    )
    gpu_model: str | None = Field(None, pattern=r"^[A-Za-z0-9_.]+$", description="the cluster's name of its GPUs")
    shards: PositiveInt = Field(
        1, description="jobs that share one sampling or labelling node, each with an engine of its own (data parallel)"
    )
    chunk: PositiveInt = Field(256, description="questions sampled at a time; part of what a result depends on")
    batch_sequences: PositiveInt = Field(1024, description="sequences that the engine decodes together")
    tensor_parallel: PositiveInt = Field(1, description="GPUs over which one engine spreads its model")


class Settings(Spec):
    """The keys of a study file that are not stages."""

    study: str = Field(pattern=r"^[a-z][\w-]*$", description="name of the study; results/<study> is its folder")
    seeds: Annotated[tuple[Count, ...], Field(min_length=1), EachOnce] = Field(
        (0,), description="a list, or how many: 3 means 0, 1, 2"
    )
    step_style: StepStyle = Field("line", description="how every stage of this study cuts text into steps")
    data_dir: Folder = Field("data", description="folder of the local data sets")
    models_dir: Folder = Field("models", description="folder of local checkpoints")
    results: Folder = Field("results", description="folder that everything is written to")
    tracking: str | None = Field(None, description="MLflow tracking URI; sqlite in the results folder when absent")
    live: bool = Field(False, description="on-policy trainings send their points to the MLflow server as they train")
    scale: Scale = Scale()

    @field_validator("live")
    @classmethod
    def _many_jobs_write(cls, value: bool, info: ValidationInfo) -> bool:
        if value and not _SERVER.fullmatch(info.data.get("tracking") or ""):
            raise ValueError("needs tracking: the http(s)://host:port of an MLflow server; a file has one writer")
        return value

    @field_validator("tracking")
    @classmethod
    def _names_a_store_and_no_secret(cls, value: str | None) -> str | None:
        if value is None or _SQLITE_FILE.fullmatch(value) or _SERVER.fullmatch(value):
            return value
        # The value is not repeated: it may hold a password.
        if "@" in value:
            raise ValueError(
                "a tracking URI holds no user and no password; set MLFLOW_TRACKING_USERNAME and"
                " MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment"
            )
        raise ValueError(
            "must be sqlite:///path/to/mlflow.db or the http(s)://host:port of an MLflow server; any other database"
            " stands behind such a server"
        )

    @field_validator("seeds", mode="before", json_schema_input_type=tuple[Count, ...] | PositiveInt)
    @classmethod
    def _count_means_range(cls, value: Any) -> Any:
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return value
        if value < 1:
            raise ValueError(f"must be a list of seeds or a number of them above 0, got {value}")
        return tuple(range(value))
