"""From a study to its graph: nodes resolved, names checked, seeds expanded, every input and output a path."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from stepladder.study.canonical import canonical_json
from stepladder.study.checks import (
    cycles,
    faults_across_nodes,
    faults_of_settings,
    in_order,
    unknown_references,
)
from stepladder.study.faults import StudyFaults
from stepladder.study.inputs import inputs
from stepladder.study.jobs import job_texts, lineages
from stepladder.study.load import Sources, without_nulls
from stepladder.study.nodes import DIVIDED, Key, Nodes, as_written, read_nodes, read_settings, unknown_keys
from stepladder.study.resources import REQUESTED, launcher, request, training_work
from stepladder.study.settings import Resources, Settings, Work
from stepladder.study.sizes import billions_of
from stepladder.study.specs import SEEDLESS_STAGES

ARTEFACTS = {
    "questions": "questions.parquet",
    "audits": "audit.parquet",
    "models": "checkpoint",
    "policies": "checkpoint",
    "trajectories": "trajectories.parquet",
    "labels": "labels.parquet",
    "rollouts": "rollouts.parquet",
    "prms": "checkpoint",
    "scores": "scores.parquet",
    "rewards": "rewards.parquet",
    "pairs": "pairs.parquet",
    "evaluations": "answers.parquet",
    "tables": "table.csv",
}

_TEXTS = ("table.csv", "table.md", "table.tex", "table.html")
TABLE_FILES = {
    "answers": (*_TEXTS, "bars.png", "best_of_n.png"),
    "efficiency": (*_TEXTS, "efficiency.png", "courses.png", "courses.csv"),
    "steps": (*_TEXTS, "reliability.png", "by_position.png"),
    "values": (*_TEXTS, "by_step.png"),
    "ranking": _TEXTS,
    "positions": (*_TEXTS, "recall.png"),
    "lengths": _TEXTS,
    "contamination": _TEXTS,
}


class Study:
    """A study's nodes and where their files lie. Built by :func:`build`; every name in it resolves.

    It never changes, and Snakemake asks it the same for every job: what costs time is worked out once for all nodes.
    """

    def __init__(self, settings: Settings, nodes: Nodes):
        self.settings = settings
        self.nodes = nodes
        self.root = f"{settings.results}/{settings.study}"
        # Every node after all that it is made from.
        self.order = in_order({key: node.above for key, node in nodes.items()})

    def names(self, stage: str, kind: str | None = None) -> list[str]:
        """The names of a stage's nodes, of one kind where it is given."""
        return [name for its_stage, name in self.nodes if its_stage == stage and kind in (None, self.kind(stage, name))]

    def kind(self, stage: str, name: str) -> str | None:
        """The method, head or kind of a node; None where all nodes of its stage are alike."""
        return getattr(self.spec(stage, name), DIVIDED[stage]) if stage in DIVIDED else None

    def spec(self, stage: str, name: str) -> Any:
        """The validated spec of a node."""
        return self.nodes[stage, name].spec

    def folder(self, stage: str, name: str, seed: int | str) -> str:
        """The one folder that a node's job for one seed writes."""
        base = f"{self.root}/{stage}/{name}"
        return base if stage in SEEDLESS_STAGES else f"{base}/seed{seed}"

    def artefact(self, stage: str, name: str, seed: int | str) -> str:
        """The file or checkpoint folder that other nodes read."""
        return f"{self.folder(stage, name, seed)}/{ARTEFACTS[stage]}"

    def log(self, stage: str, name: str, seed: int | str, job: str = "job") -> str:
        """The log of one job of a node; a node that has several jobs names them."""
        its_seed = "" if stage in SEEDLESS_STAGES else f".seed{seed}"
        return f"{self.root}/logs/{stage}/{name}{its_seed}.{job}.log"

    def seeds(self, stage: str) -> tuple[int, ...]:
        """The seeds that a stage's nodes have results for; 0 alone stands for none."""
        return (0,) if stage in SEEDLESS_STAGES else self.settings.seeds

    def jobs(self) -> Iterator[tuple[str, str, int]]:
        """Every node with every seed, each after all that it is made from."""
        return ((stage, name, seed) for stage, name in self.order for seed in self.seeds(stage))

    def jobs_above(self, stage: str, name: str, seed: int) -> Iterator[tuple[str, str, int]]:
        """What one job is made from: for its own seed, or for all seeds where it or the other has none."""
        for above, its_name in self.nodes[stage, name].above:
            own = stage not in SEEDLESS_STAGES and above not in SEEDLESS_STAGES
            for its_seed in (seed,) if own else self.seeds(above):
                yield above, its_name, its_seed

    def job(self, stage: str, name: str) -> str:
        """Canonical JSON of all that a node's result depends on beside its input files."""
        return self._jobs[stage, name]

    @cached_property
    def _jobs(self) -> dict[Key, str]:
        return job_texts(self.settings, self.nodes)

    def lineage(self, stage: str, name: str) -> str:
        """Digest of a node's job and of all it is made from: the key of its checkpoints."""
        return self._lineages[stage, name]

    @cached_property
    def _lineages(self) -> dict[Key, str]:
        return lineages(self._jobs, self.nodes, self.order)

    def checkpoint(self, stage: str, name: str, seed: int | str) -> str:
        """Where a job keeps unfinished work: outside its outputs, under a key of all that it is made from."""
        return f"{self.root}/checkpoints/{stage}-{name}-seed{seed}-{self.lineage(stage, name)}"

    def request(self, work: Work, stage: str | None, name: str | None, attempt: int = 1) -> Mapping[str, int | str]:
        """What one job of a node asks of the machine or the cluster, by the names of :data:`resources.REQUESTED`.

        Args:
            work: kind of the rule's work. Light work asks for the same whatever the node, and a training of no steps is
                light.
            attempt: from 1.
        """
        if work == "train" and stage in ("policies", "prms"):
            work = training_work(self.nodes[stage, name])
        billions = 0.0 if work == "light" else self._billions[stage, name]
        return request(work, self.settings.scale, billions, attempt)

    def requests(self, work: Work, stage: str | None, kind: str | None = None) -> dict[str, int | str | None]:
        """What the jobs of a stage's nodes ask for; None where that differs between nodes or between attempts.

        Snakemake calls a function for every job and every resource that is one, so most should be none.
        """
        names = self.names(stage, kind) if stage else [None]
        asked = [self.request(work, stage, name, attempt) for name in names for attempt in (1, 2)]
        values = {name: {each.get(name) for each in asked} for name in REQUESTED}
        return {name: min(each) if len(each) == 1 else None for name, each in values.items() if each != {None}}

    @cached_property
    def _billions(self) -> dict[Key, float]:
        return billions_of(self.nodes, self.order)

    def engine(self) -> str:
        """Canonical JSON of how the sampling engine runs at this scale."""
        scale = self.settings.scale
        return canonical_json({"batch_sequences": scale.batch_sequences, "tensor_parallel": scale.tensor_parallel})

    def launcher(self, stage: str, name: str) -> str:
        """The command that starts a training job on its ranks."""
        node = self.nodes[stage, name]
        work = training_work(node)
        asked = self.settings.scale.resources.get(work, Resources())
        return launcher(asked, 1 if work == "light" else node.spec.optimisation.processes)

    def reference_policy(self, pairs: str, seed: int | str) -> str:
        """The checkpoint of the reference policy of a pairs node."""
        return self.artefact("policies", self.spec("pairs", pairs).reference, seed)

    def table_files(self) -> list[str]:
        """Every table in every form, with its figures."""
        return [
            f"{self.folder('tables', name, 0)}/{file}"
            for name in self.names("tables")
            for file in TABLE_FILES[self.spec("tables", name).kind]
        ]

    def metrics_files(self) -> list[str]:
        """Every node's metrics.json, for every seed."""
        return [
            f"{self.folder(stage, name, seed)}/metrics.json" for stage, name in self.nodes for seed in self.seeds(stage)
        ]

    def cost_files(self) -> list[str]:
        """Every job's account of its time: the nodes' metrics, and those of the reference log-probs of pairs."""
        pairs = [self.folder("pairs", name, seed) for name in self.names("pairs") for seed in self.settings.seeds]
        return self.metrics_files() + [f"{folder}/reference.json" for folder in pairs]

    def inputs(self, stage: str, name: str, seed: int | str) -> dict[str, str | list[str]]:
        """What the node's job reads, by the names that its rule gives to its inputs."""
        return inputs(self.nodes[stage, name], self.nodes, self.settings, self.artefact, seed)


def build(config: dict[str, Any], sources: Sources) -> Study:
    """The study that a merged configuration describes.

    Args:
        config: the merged content of all study files and command-line settings.
        sources: the files, to name the one in which a fault stands.

    Raises:
        StudyFaults: with one line per fault, when anything in the study is wrong.
    """
    faults = unknown_keys(config)
    nodes, wrong_nodes = read_nodes(config)
    # Under a mistyped stage every name of it would look unknown.
    unknown = [] if faults else unknown_references(nodes, config)
    settings, wrong_settings = read_settings(config)
    faults += wrong_settings + wrong_nodes + unknown + cycles(nodes) + faults_across_nodes(nodes)
    if settings is not None:
        faults += faults_of_settings(settings, nodes)
    if faults:
        written = without_nulls(config)
        places = dict.fromkeys(as_written(fault, config) for fault in faults)
        raise StudyFaults([fault.line(sources.file_of(fault.location, written)) for fault in places])
    return Study(settings, nodes)
