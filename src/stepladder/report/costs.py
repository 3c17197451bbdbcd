"""What a study has cost: GPU-hours, time, tokens and memory of every job, and their sums by stage."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from stepladder.errors import StepladderError
from stepladder.progress import format_clock
from stepladder.records import read_json
from stepladder.report.layout import NOTHING, Layout
from stepladder.study.specs import STAGES

_HEADER = ["stage", "jobs", "time", "longest", "GPU-hours", "tokens generated", "tokens trained", "most memory"]
_NOTES = [
    "Time is that of all jobs together, which may run side by side; a job's time is that of all attempts whose work it"
    " goes on from, as far as they ended by themselves. longest: the longest job; shards of one node count as one.",
    "GPU-hours: time of a job times the GPUs it computed on. Most memory: of one process, in GB, without that of the"
    f" GPU. {NOTHING}: not known, or none.",
]


@dataclass(frozen=True)
class Cost:
    """What one job has cost; with its shards, where it puts some together. None: not known, or none.

    ``gpu_seconds``: seconds times GPUs. ``max_memory_mb``: of one process.
    """

    study: str
    stage: str
    name: str
    seed: int
    wall_seconds: float
    gpu_seconds: float | None
    generated_tokens: int | None
    trained_tokens: int | None
    max_memory_mb: int | None
    attempts: int | None
    device: str
    host: str | None
    slurm_job: str | None


def read_cost(path: Path) -> Cost:
    """The cost that a job's metrics.json, or the reference.json of pairs, tells.

    Raises:
        StepladderError: when the file is not what a job writes.
    """
    content = read_json(path)
    try:
        job, metrics = content["job"], content["metrics"]
        gpus = content.get("gpus")
        own = None if gpus is None else gpus * content["wall_seconds"]
        return Cost(
            study=job["study"],
            stage=_stage(job, path),
            name=job["name"],
            seed=content["seed"],
            wall_seconds=content["wall_seconds"] + metrics.get("shard_seconds", 0.0),
            gpu_seconds=_sum([own, metrics.get("shard_gpu_seconds", 0.0)]) if own is not None else None,
            generated_tokens=metrics.get("generated_tokens"),
            trained_tokens=metrics.get("trained_tokens"),
            max_memory_mb=_most([content.get("max_memory_mb"), metrics.get("shard_max_memory_mb")]),
            attempts=content.get("attempts"),
            device=content["device"],
            host=content.get("host"),
            slurm_job=content.get("slurm_job"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise StepladderError(
            f"{path}: not what a job writes ({type(error).__name__}: {error}); delete it and run again to make it anew"
        ) from None


def _stage(job: dict[str, Any], path: Path) -> str:
    kind = "reference" if path.name == "reference.json" else job["spec"].get("method")
    return f"{job['stage']} ({kind})" if kind else job["stage"]


def render_costs_csv(costs: Sequence[Cost]) -> str:
    """Tidy: one line a job, empty where nothing is known."""
    text = io.StringIO()
    names = [field.name for field in fields(Cost)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for cost in costs:
        values = (getattr(cost, name) for name in names)
        writer.writerow(["" if value is None else value for value in values])
    return text.getvalue()


def lay_out_costs(costs: Sequence[Cost]) -> Layout:
    """One line a stage, and a method where its nodes have one, in the order in which data flows; then their sum."""
    order = list(STAGES)
    stages = sorted({cost.stage: None for cost in costs}, key=lambda stage: order.index(stage.partition(" ")[0]))
    groups = {stage: [cost for cost in costs if cost.stage == stage] for stage in stages} | {"all": list(costs)}
    return Layout(
        title=f"What {costs[0].study} has cost",
        header=_HEADER,
        rows=[_words(stage, group) for stage, group in groups.items()],
        reported=[False] * len(groups),
        notes=_NOTES,
    )


def _words(stage: str, costs: Sequence[Cost]) -> list[str]:
    gpu_seconds = _sum(cost.gpu_seconds for cost in costs)
    memory = _most(cost.max_memory_mb for cost in costs)
    return [
        stage,
        str(len(costs)),
        format_clock(sum(cost.wall_seconds for cost in costs)),
        format_clock(max(cost.wall_seconds for cost in costs)),
        f"{gpu_seconds / 3600:.2f}" if gpu_seconds else NOTHING,
        _count(_sum(cost.generated_tokens for cost in costs)),
        _count(_sum(cost.trained_tokens for cost in costs)),
        f"{memory / 1024:.1f}" if memory else NOTHING,
    ]


def _count(number: float | None) -> str:
    return f"{number:,}" if number else NOTHING


def _sum(numbers: Iterable[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _most(numbers: Iterable[int | None]) -> int | None:
    return max((number for number in numbers if number is not None), default=None)
