"""What a result depends on beside the input files: the text that a job is given, and the key of its lineage."""

from collections.abc import Iterable, Mapping

from stepladder.study.canonical import canonical_json, digest
from stepladder.study.inputs import trajectories_of
from stepladder.study.nodes import Key, Node, Nodes
from stepladder.study.settings import Settings
from stepladder.study.specs import STAGES
from stepladder.study.spending import learner, spent_by

# Raise a stage's number when a change of code changes what it writes: its nodes, and what is made from them, rerun.
CODE_VERSIONS = dict.fromkeys(STAGES, 1) | {
    "questions": 2,
    "policies": 6,
    "trajectories": 2,
    "labels": 4,
    "prms": 5,
    "scores": 2,
    "pairs": 5,
    "evaluations": 6,
    "tables": 7,
    "rollouts": 2,
}


def job_texts(settings: Settings, nodes: Nodes) -> dict[Key, str]:
    """For every node, the canonical JSON of all that its result depends on beside its input files."""
    return {key: _job_text(settings, nodes, node) for key, node in nodes.items()}


def _job_text(settings: Settings, nodes: Nodes, node: Node) -> str:
    data = {
        "study": settings.study,
        "stage": node.stage,
        "name": node.name,
        "spec": node.as_data(),
        "step_style": settings.step_style,
        "code": CODE_VERSIONS[node.stage],
    }
    if node.stage == "policies" and node.spec.method == "ppo" and node.spec.rewards:
        data["rewards"] = nodes["rewards", node.spec.rewards].as_data()
    if node.stage == "labels" and node.spec.method == "published":
        data["trajectories"] = nodes["trajectories", node.spec.trajectories].as_data()
    if node.stage in ("trajectories", "labels", "rollouts", "evaluations"):
        data["chunk"] = settings.scale.chunk
    if node.stage == "tables":
        data["seeds"] = list(settings.seeds)
        if node.spec.kind == "lengths":
            data["trajectories"] = [trajectories_of(row.rewards, nodes) for row in node.spec.rows]
        if node.spec.kind == "efficiency":
            spent = spent_by(node.spec, nodes)
            # By row, and not by label: these are no names for a tracking server.
            data["spent"] = [[f"{stage}/{name}" for stage, name in spent[row.label]] for row in node.spec.rows]
            data["learners"] = [learner(row, nodes) for row in node.spec.rows]
    return canonical_json(data)


def lineages(texts: Mapping[Key, str], nodes: Nodes, order: Iterable[Key]) -> dict[Key, str]:
    """For every node, a digest of its job and of the lineages of all that it is made from.

    Args:
        texts: of :func:`job_texts`.
        order: the nodes, each after those that it is made from.
    """
    found: dict[Key, str] = {}
    for key in order:
        found[key] = digest([texts[key], [found[above] for above in nodes[key].above]])
    return found
