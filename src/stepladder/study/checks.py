"""Faults that no single spec shows: names, splits, lengths and rows that must agree between nodes."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from stepladder.study.audit_checks import faults_of_audit, faults_of_clean_rows
from stepladder.study.choice_checks import faults_of_choice, faults_of_reports
from stepladder.study.faults import Fault, did_you_mean, short
from stepladder.study.fields import OPTION_SETS
from stepladder.study.nodes import DIVIDED, Key, Nodes
from stepladder.study.prm_checks import faults_of_prm
from stepladder.study.question_checks import LOCAL_FILES, faults_of_questions
from stepladder.study.resources import faults_of_resources
from stepladder.study.settings import Settings
from stepladder.study.specs import STAGES
from stepladder.study.specs.evaluations import SampledAnswers
from stepladder.study.specs.policies import Dpo, RestEm
from stepladder.study.specs.rollouts import StateRollouts
from stepladder.study.specs.trajectories import Candidates, Solutions
from stepladder.study.step_checks import faults_of_kinds
from stepladder.study.table_checks import faults_of_table
from stepladder.study.validation import members


def reported_file(name: str) -> str:
    """The file of a paper's own numbers."""
    return f"config/reported/{name}.csv"


def published_files(spec: Candidates | Solutions, settings: Settings) -> list[str]:
    """The local files of published answers or solutions; none where the hub has them."""
    return [f"{settings.data_dir}/{file}" for file in _published(spec)]


def _published(spec: Candidates | Solutions) -> tuple[str, ...]:
    if spec.source != "local":
        return ()
    return spec.files if spec.method == "solutions" else (spec.file,)


def unknown_references(nodes: Nodes, config: dict[str, Any]) -> list[Fault]:
    """Names of nodes that the study does not have. A node that is written but wrong has its own fault."""
    faults = []
    for node in nodes.values():
        for key, stage, name in node.references:
            written = config.get(stage) or {}
            if isinstance(written, dict) and written.get(name) is None:
                hint = did_you_mean(name, [str(other) for other in written]) or f"; the study has no {stage}"
                faults.append(Fault((node.stage, node.name, *key), f"no node {name!r} in {stage}{hint}"))
    return faults


def cycles(nodes: Nodes) -> list[Fault]:
    """Nodes that are made from themselves: one fault for each circle that shares no node with another."""
    faults = []
    above = {key: node.above for key, node in nodes.items()}
    while True:
        for key in in_order(above):
            above.pop(key, None)
        if not above:
            return faults
        trail = [next(iter(above))]
        while (following := next(key for key in above[trail[-1]] if key in above)) not in trail:
            trail.append(following)
        circle = trail[trail.index(following) :]
        names = [".".join(key) for key in (*circle, following)]
        faults.append(Fault(following, f"nodes are made from each other in a circle: {' -> '.join(names)}"))
        for key in circle:
            del above[key]


def in_order(above: Mapping[Key, Iterable[Key]]) -> list[Key]:
    """Everything named, each after all that is above it; without what stands in a circle or below one."""
    sorter = TopologicalSorter(above)
    with suppress(CycleError):
        sorter.prepare()
    order: list[Key] = []
    while ready := sorter.get_ready():
        order += ready
        sorter.done(*ready)
    return order


def faults_of_settings(settings: Settings, nodes: Nodes) -> list[Fault]:
    """Overrides that fit no stage, launches that fit no GPUs, kinds that no step has, and files that are not there."""
    faults = _overrides(settings) + faults_of_resources(settings.scale, nodes)
    return faults + faults_of_kinds(settings.step_style, nodes) + _missing_files(settings, nodes)


def faults_across_nodes(nodes: Nodes) -> list[Fault]:
    """All faults that appear only when nodes are seen together. Names of nodes that are not there are passed over."""
    faults = []
    for (stage, name), node in nodes.items():
        faults += _split(stage, name, node.spec, nodes)
        match stage:
            case "questions":
                faults += faults_of_questions(name, node.spec)
            case "audits":
                faults += faults_of_audit(name, node.spec, nodes)
            case "policies" if node.spec.method == "dpo":
                faults += _references(name, node.spec, nodes)
            case "policies" if node.spec.method == "restem":
                faults += _own_answers(name, node.spec, nodes)
            case "policies" if node.spec.method == "select":
                faults += faults_of_choice(name, node.spec, nodes)
            case "labels" | "evaluations" if node.spec.method != "sampled":
                faults += _trajectories_of(stage, name, node.spec, nodes, node.spec.method == "published")
            case "evaluations":
                faults += _options_of(name, node.spec, nodes)
            case "rollouts":
                faults += _trajectories_of(stage, name, node.spec, nodes, published=False)
                faults += _critic_of(name, node.spec, nodes)
            case "prms":
                faults += faults_of_prm(name, node.spec, nodes)
            case "tables":
                faults += faults_of_table(name, node.spec, nodes)
                if node.spec.kind in ("answers", "efficiency", "positions"):
                    faults += faults_of_reports(name, node.spec, nodes)
                if node.spec.kind == "answers":
                    faults += faults_of_clean_rows(name, node.spec, nodes)
    return faults


def _overrides(settings: Settings) -> list[Fault]:
    at = ("scale", "override")
    faults = [
        Fault((*at, stage), f"unknown stage {stage!r}{did_you_mean(stage, STAGES)}")
        for stage in settings.scale.override
        if stage not in STAGES
    ]
    for stage, tag in DIVIDED.items():
        kinds = members(STAGES[stage])
        for kind, keys in settings.scale.override.get(stage, {}).items():
            if kind not in kinds:
                faults.append(Fault((*at, stage, kind), f"unknown {tag} {kind!r}{did_you_mean(kind, kinds)}"))
            elif not isinstance(keys, dict):
                faults.append(Fault((*at, stage, kind), f"must be a mapping of keys, got {short(keys)}"))
    return faults


def _missing_files(settings: Settings, nodes: Nodes) -> list[Fault]:
    faults = []
    for (stage, name), node in nodes.items():
        if stage == "questions" and node.spec.source == "local":
            for file in (file for dataset in node.spec.sets for file in LOCAL_FILES[dataset]):
                if not (Path(settings.data_dir) / file).is_file():
                    said = f"no file {file} in data_dir {settings.data_dir!r}; set data_dir or take source: hub"
                    faults.append(Fault((stage, name, "sets"), said))
        if stage == "trajectories" and node.spec.method != "sampled":
            for file in _published(node.spec):
                if not (Path(settings.data_dir) / file).is_file():
                    key = "files" if node.spec.method == "solutions" else "file"
                    said = f"no file {file} in data_dir {settings.data_dir!r}; set data_dir or mend its name"
                    faults.append(Fault((stage, name, key), said))
        if stage == "models" and node.spec.source == "local":
            folder = Path(settings.models_dir) / node.spec.folder
            if not (folder / "config.json").is_file():
                said = f"no checkpoint (config.json) in {folder}; set models_dir or mend the folder's name"
                faults.append(Fault((stage, name, "folder"), said))
        reported = node.spec.reported if stage == "tables" and node.spec.kind == "answers" else None
        if reported and not Path(reported_file(reported)).is_file():
            there = [path.stem for path in Path(reported_file("*")).parent.glob("*.csv")]
            said = f"no file {reported_file(reported)}{did_you_mean(reported, there)}"
            faults.append(Fault((stage, name, "reported"), said))
    return faults


def _split(stage: str, name: str, spec: Any, nodes: Nodes) -> list[Fault]:
    split = getattr(spec, "split", None)
    questions = nodes.get(("questions", spec.questions)) if split is not None else None
    if questions is None or split in questions.spec.splits:
        return []
    said = f"questions.{spec.questions} has no split {split!r}{did_you_mean(split, questions.spec.splits)}"
    return [Fault((stage, name, "split"), said)]


def _references(name: str, spec: Dpo, nodes: Nodes) -> list[Fault]:
    faults = []
    for index, pairs in enumerate(spec.pairs):
        node = nodes.get(("pairs", pairs))
        if node is not None and spec.start != name and node.spec.reference != spec.start:
            said = f"pairs.{pairs} has reference {node.spec.reference!r}; this policy starts from {spec.start!r}"
            faults.append(Fault(("policies", name, "pairs", str(index)), said))
    return faults


def _trajectories_of(stage: str, name: str, spec: Any, nodes: Nodes, published: bool) -> list[Fault]:
    """Published solutions have labels and no questions; all other trajectories have questions and no labels."""
    if ("trajectories", spec.trajectories) not in nodes:
        return []
    solutions = nodes["trajectories", spec.trajectories].spec.method == "solutions"
    if solutions == published:
        return []
    said = (
        f"trajectories.{spec.trajectories} are published solutions, which have no questions to grade answers by"
        if solutions
        else f"trajectories.{spec.trajectories} have no published labels; take a node of method solutions"
    )
    return [Fault((stage, name, "trajectories"), said)]


def _options_of(name: str, spec: SampledAnswers, nodes: Nodes) -> list[Fault]:
    """Only questions with options can be asked in another order."""
    node = nodes.get(("questions", spec.questions))
    if spec.option_order == "as_given" or node is None or set(OPTION_SETS) & set(node.spec.sets):
        return []
    said = f"no set of questions.{spec.questions} has options that could be {spec.option_order}; take as_given"
    return [Fault(("evaluations", name, "option_order"), said)]


def _critic_of(name: str, spec: StateRollouts, nodes: Nodes) -> list[Fault]:
    """Only a policy that was trained with a critic has one."""
    node = nodes.get(("policies", spec.policy))
    if not spec.critic or node is None or (node.spec.method == "ppo" and node.spec.credit.kind == "critic"):
        return []
    said = f"policies.{spec.policy} has no critic; only method ppo with credit of kind critic trains one"
    return [Fault(("rollouts", name, "critic"), said)]


def _own_answers(name: str, spec: RestEm, nodes: Nodes) -> list[Fault]:
    """RestEM learns what a policy has sampled: published answers have other tokens."""
    node = nodes.get(("trajectories", spec.trajectories))
    if node is None or node.spec.method == "sampled":
        return []
    said = f"trajectories.{spec.trajectories} are published ones; restem learns a policy's own: take a sampled node"
    return [Fault(("policies", name, "trajectories"), said)]
