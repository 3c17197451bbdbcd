"""What the job of a node reads: the artefacts of the nodes that it names, and files from outside the study."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stepladder.study.checks import published_files, reported_file
from stepladder.study.nodes import Node, Nodes
from stepladder.study.prm_checks import tokenizer_of
from stepladder.study.question_checks import LOCAL_FILES
from stepladder.study.settings import Settings
from stepladder.study.specs.audits import seen_questions
from stepladder.study.specs.questions import Questions
from stepladder.study.spending import learner, spent_by

# The tables of steps and states are made from what their rows name under these keys, which are the names of stages.
_JUDGED_BY = {"steps": ("scores", "labels"), "values": ("rollouts", "scores"), "ranking": ("rollouts",)}


def inputs(
    node: Node, nodes: Nodes, settings: Settings, artefact: Callable[[str, str, int | str], str], seed: int | str
) -> dict[str, str | list[str]]:
    """The paths by the names that the node's rule gives to its inputs.

    Args:
        artefact: path of the file or folder that other nodes read, by stage, name and seed.
        seed: of the job; a table is made from all seeds.
    """
    spec = node.spec

    def at(other: str, its_name: str) -> str:
        return artefact(other, its_name, seed)

    match node.stage:
        case "questions":
            return {"files": _local_files(spec, settings)}
        case "audits":
            return {"questions": at("questions", spec.questions), "seen": at("questions", seen_questions(spec))}
        case "models":
            return {"files": _checkpoint_files(spec, settings)}
        case "policies":
            return _policy_inputs(spec, nodes, at)
        case "trajectories" if spec.method == "sampled":
            return {"policy": at("policies", spec.policy), "questions": at("questions", spec.questions)}
        case "trajectories":
            questions = [at("questions", spec.questions)] if spec.method == "candidates" else []
            return {
                "tokenizer": at("policies", spec.tokenizer),
                "questions": questions,
                "files": published_files(spec, settings),
            }
        case "labels" if spec.method == "published":
            return {
                "trajectories": at("trajectories", spec.trajectories),
                "files": published_files(nodes["trajectories", spec.trajectories].spec, settings),
            }
        case "labels" | "rollouts":
            trajectories = nodes["trajectories", spec.trajectories].spec
            return {
                "policy": at("policies", spec.policy),
                "trajectories": at("trajectories", spec.trajectories),
                "questions": at("questions", trajectories.questions),
            }
        case "prms":
            labels = nodes["labels", spec.labels].spec
            older = spec.replay.labels if spec.replay else None
            return {
                "backbone": at("models" if spec.head == "pair" else "policies", spec.backbone),
                "tokenizer": at("policies", tokenizer_of(nodes, labels.trajectories)),
                "labels": at("labels", spec.labels),
                "trajectories": at("trajectories", labels.trajectories),
                "replay": [at("labels", older), at("trajectories", nodes["labels", older].spec.trajectories)]
                if older
                else [],
            }
        case "scores":
            return {
                "prm": at("prms", spec.prm),
                "tokenizer": at("policies", tokenizer_of(nodes, spec.trajectories)),
                "trajectories": at("trajectories", spec.trajectories),
            }
        case "rewards":
            scores = nodes["scores", spec.scores].spec
            return {
                "scores": at("scores", spec.scores),
                "trajectories": at("trajectories", scores.trajectories),
            }
        case "pairs":
            scores = nodes["rewards", spec.rewards].spec.scores
            return {
                "rewards": at("rewards", spec.rewards),
                "trajectories": at("trajectories", trajectories_of(spec.rewards, nodes)),
                "scores": [at("scores", scores)] if spec.kind == "step" else [],
                "left_out": [at("labels", spec.leave_out)] if spec.leave_out else [],
            }
        case "evaluations" if spec.method == "given":
            trajectories = nodes["trajectories", spec.trajectories].spec
            return {
                "tokenizer": at("policies", tokenizer_of(nodes, spec.trajectories)),
                "trajectories": at("trajectories", spec.trajectories),
                "questions": at("questions", trajectories.questions),
                "prms": [at("prms", prm) for prm in spec.prms],
            }
        case "evaluations":
            return {
                "policy": at("policies", spec.policy),
                "questions": at("questions", spec.questions),
                "prms": [at("prms", prm) for prm in spec.prms],
            }
        case "tables" if spec.kind in _JUDGED_BY:
            return {
                key: [
                    artefact(key, each, its_seed)
                    for each in dict.fromkeys(getattr(row, key) for row in spec.rows)
                    for its_seed in settings.seeds
                    if each is not None
                ]
                for key in _JUDGED_BY[spec.kind]
            }
        case "tables" if spec.kind == "contamination":
            return _audits([row.audit for row in spec.rows], at)
        case "tables" if spec.kind == "efficiency":
            answers = [artefact("evaluations", row.evaluation, each) for row in spec.rows for each in settings.seeds]
            answers = list(dict.fromkeys(answers))
            spent = dict.fromkeys(key for keys in spent_by(spec, nodes).values() for key in keys)
            made = [(stage, artefact(stage, name, each)) for stage, name in spent for each in settings.seeds]
            learners = dict.fromkeys(learner(row, nodes) for row in spec.rows)
            learnt = [artefact("policies", name, each) for name in learners if name for each in settings.seeds]
            return {
                "answers": answers,
                "metrics": [_beside(path, "metrics.json") for path in answers],
                "costs": [_beside(path, "metrics.json") for _, path in made]
                + [_beside(path, "reference.json") for stage, path in made if stage == "pairs"],
                "histories": [_beside(path, "history.jsonl") for path in learnt],
                # Beside the histories, and read with them: which policy and seed they are of.
                "learnt": [_beside(path, "metrics.json") for path in learnt],
            }
        case "tables" if spec.kind == "lengths":
            rewards = dict.fromkeys(row.rewards for row in spec.rows)
            trajectories = dict.fromkeys(trajectories_of(name, nodes) for name in rewards)
            return {
                "rewards": [artefact("rewards", each, its_seed) for each in rewards for its_seed in settings.seeds],
                "trajectories": [
                    artefact("trajectories", each, its_seed) for each in trajectories for its_seed in settings.seeds
                ],
            }
        case _:
            evaluations = dict.fromkeys(row.evaluation for row in spec.rows)
            answers = [artefact("evaluations", each, seed) for each in evaluations for seed in settings.seeds]
            return {
                "answers": answers,
                # Beside the answers, and read with them: which evaluation and seed they are of.
                "metrics": [_beside(path, "metrics.json") for path in answers],
                "reported": [reported_file(spec.reported)] if spec.kind == "answers" and spec.reported else [],
            } | _audits([row.clean for row in spec.rows if spec.kind == "answers" and row.clean], at)


def _audits(names: Sequence[str], at: Callable[[str, str], str]) -> dict[str, str | list[str]]:
    """Audits, and beside each what says which one it is."""
    audits = [at("audits", name) for name in dict.fromkeys(names)]
    return {"audits": audits, "audited": [_beside(path, "metrics.json") for path in audits]}


def _beside(path: str, file: str) -> str:
    return str(Path(path).parent / file)


def trajectories_of(rewards: str, nodes: Nodes) -> str:
    """The node of the trajectories that rewards are of."""
    return nodes["scores", nodes["rewards", rewards].spec.scores].spec.trajectories


def _local_files(spec: Questions, settings: Settings) -> list[str]:
    if spec.source != "local":
        return []
    return [f"{settings.data_dir}/{file}" for dataset in spec.sets for file in LOCAL_FILES[dataset]]


def _checkpoint_files(spec: Any, settings: Settings) -> list[str]:
    return [f"{settings.models_dir}/{spec.folder}/config.json"] if spec.source == "local" else []


def _policy_inputs(spec: Any, nodes: Nodes, at: Callable[[str, str], str]) -> dict[str, str | list[str]]:
    if spec.method == "pretrain":
        return {"start": at("models", spec.model)}
    if spec.method == "select":
        rounds = [nodes["evaluations", name].spec for name in spec.among]
        return {
            "policies": [at("policies", each.policy) for each in rounds],
            "answers": [at("evaluations", name) for name in spec.among],
        }
    start = {"start": at("policies", spec.start)}
    if spec.method == "dpo":
        pairs = [at("pairs", name) for name in spec.pairs]
        return start | {"pairs": pairs, "reference": [str(Path(p).parent / "reference.parquet") for p in pairs]}
    if spec.method == "restem":
        return start | {"trajectories": at("trajectories", spec.trajectories)}
    questions = start | {"questions": at("questions", spec.questions)}
    if spec.method == "sft":
        return questions
    if spec.rewards is None:
        return questions | {"prm": []}
    prm = nodes["scores", nodes["rewards", spec.rewards].spec.scores].spec.prm
    return questions | {"prm": at("prms", prm)}
