"""The jobs of a study's graph, one by one: what each leaves when it is done, and what it is called elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stepladder.study.graph import Study
from stepladder.study.specs import SEEDLESS_STAGES

WHOLE = "job"
SHARDED = (("trajectories", "sampled"), ("labels", "monte_carlo"), ("rollouts", None))


@dataclass(frozen=True)
class Task:
    """One job of the graph: of a node, for a seed, and of a part where a node has several jobs.

    ``shard``: whether its result goes once the node's own is there; ``result``: the file that is there when it is done;
    ``comment``: what Slurm's queue says of its job.
    """

    stage: str
    name: str
    seed: int
    part: str
    shard: bool
    result: Path
    log: Path
    comment: str

    @property
    def title(self) -> str:
        """The node, with the part where it is not the job that makes the node's result."""
        return f"{self.stage}/{self.name}" + ("" if self.part == WHOLE else f" {self.part}")

    @property
    def seed_shown(self) -> str:
        """The seed, and nothing for a node that has none."""
        return "" if self.stage in SEEDLESS_STAGES else str(self.seed)


def tasks_of(study: Study, stage: str, name: str, seed: int) -> Iterator[Task]:
    """The jobs of a node for one seed, shards before the job that puts them together."""
    if (stage, study.kind(stage, name)) in SHARDED:
        shards = study.settings.scale.shards
        for number in range(1, shards + 1):
            part = f"{number}-of-{shards}"
            yield _task(study, (stage, name, seed), part, f"{stage}_shard", f"shards/{part}.json", shard=True)
    yield _task(study, (stage, name, seed), WHOLE, _rule(study, stage, name), "metrics.json")
    if stage == "pairs":
        yield _task(study, (stage, name, seed), "reference", "reference", "reference.json")


def _rule(study: Study, stage: str, name: str) -> str:
    """Every kind of a stage has its rule, but all heads of process reward models share one."""
    kind = study.kind(stage, name)
    return stage if kind is None or stage == "prms" else f"{stage}_{kind}"


def _task(study: Study, job: tuple[str, str, int], part: str, rule: str, result: str, shard: bool = False) -> Task:
    stage, name, seed = job
    wildcards = [name] if stage in SEEDLESS_STAGES else [name, str(seed)]
    if shard:
        wildcards.append(part)
    return Task(
        stage=stage,
        name=name,
        seed=seed,
        part=part,
        shard=shard,
        result=Path(study.folder(*job)) / result,
        log=Path(study.log(*job, part)),
        comment=f"rule_{rule}_wildcards_{'_'.join(wildcards)}",
    )
