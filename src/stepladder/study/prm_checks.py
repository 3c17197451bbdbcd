"""Faults of process reward models: backbones that cannot read, labels that a head cannot count or mix in."""

from stepladder.study.faults import Fault
from stepladder.study.nodes import Nodes
from stepladder.study.specs.prms import Prm


def faults_of_prm(name: str, spec: Prm, nodes: Nodes) -> list[Fault]:
    """What keeps a PRM from being trained; nodes that are not there are passed over."""
    return _backbone(name, spec, nodes) + _classes(name, spec, nodes) + _replay(name, spec, nodes)


def tokenizer_of(nodes: Nodes, trajectories: str) -> str:
    """The policy whose tokenizer made the token ids of trajectories."""
    spec = nodes["trajectories", trajectories].spec
    return spec.policy if spec.method == "sampled" else spec.tokenizer


def _backbone(name: str, spec: Prm, nodes: Nodes) -> list[Fault]:
    """A pair head reads an encoder, and an encoder writes nothing: it is no policy."""
    node = nodes.get(("models", spec.backbone)) if spec.head == "pair" else None
    if node is None or node.spec.source != "new" or node.spec.architecture == "bert":
        return []
    said = f"models.{spec.backbone} is a {node.spec.architecture}; a pair head reads an encoder: architecture: bert"
    return [Fault(("prms", name, "backbone"), said)]


def _classes(name: str, spec: Prm, nodes: Nodes) -> list[Fault]:
    """The classes of a count are those of the labels' rollouts, or of a multiple of them."""
    labels = nodes.get(("labels", spec.labels))
    if spec.head != "last_token" or spec.loss != "classes" or labels is None or labels.spec.method != "monte_carlo":
        return []
    if spec.trials % labels.spec.rollouts == 0:
        return []
    said = f"labels.{spec.labels} count {labels.spec.rollouts} rollouts, which are no classes of {spec.trials}; "
    return [Fault(("prms", name, "trials"), said + "give both the same number, or take loss: counts")]


def _replay(name: str, spec: Prm, nodes: Nodes) -> list[Fault]:
    """Older labels are others, and their token ids are of the same tokenizer, which is that of a model."""
    if spec.replay is None:
        return []
    at = ("prms", name, "replay", "labels")
    if spec.replay.labels == spec.labels:
        return [Fault(at, f"labels.{spec.labels} are learnt from already; name those of an earlier round")]
    models = [_model_of(labels, nodes) for labels in (spec.labels, spec.replay.labels)]
    if None in models or len(set(models)) == 1:
        return []
    said = "labels.{} are in the token ids of models.{}, labels.{} in those of models.{}; take labels of one model"
    return [Fault(at, said.format(spec.replay.labels, models[1], spec.labels, models[0]))]


def _model_of(labels: str, nodes: Nodes) -> str | None:
    """The model whose tokenizer a labels node's trajectories are in; None where a node on the way is missing."""
    node = nodes.get(("labels", labels))
    if node is None or ("trajectories", node.spec.trajectories) not in nodes:
        return None
    policy, seen = tokenizer_of(nodes, node.spec.trajectories), set()
    while ("policies", policy) in nodes and policy not in seen:
        seen.add(policy)
        spec = nodes["policies", policy].spec
        if spec.method == "pretrain":
            return spec.model
        if spec.method == "select":
            chosen = nodes.get(("evaluations", spec.among[0]))
            if chosen is None or chosen.spec.method != "sampled":
                return None
            policy = chosen.spec.policy
        else:
            policy = spec.start
    return None
