"""How large the models are that a node's jobs load, in billions of weights: what memory and time grow with."""

from collections.abc import Iterable, Mapping

from stepladder.study.nodes import Key, Node, Nodes
from stepladder.study.specs.models import Model, NewModel

# The keys that a node's own weights come from; scores and rewards stand for the PRM behind them.
_MADE_FROM = {
    "policies": ("model", "from", "among"),
    "evaluations": ("policy",),
    "prms": ("backbone",),
    "scores": ("prm",),
    "rewards": ("scores",),
}
# The keys of what its jobs load; all others name tables of rows.
_LOADED = {
    "policies": ("model", "from", "rewards"),
    "trajectories": ("policy",),  # of published ones only the tokenizer is loaded
    "labels": ("policy",),
    "rollouts": ("policy",),
    "prms": ("backbone",),
    "scores": ("prm",),
    "pairs": ("reference",),
    "evaluations": ("policy", "prms"),
}


def weights_of(model: Model) -> float:
    """The number of weights of a model: counted from the sizes of a new one, as declared for any other."""
    if not isinstance(model, NewModel):
        return model.parameters
    queries, keys = model.heads * model.head_size, model.kv_heads * model.head_size
    attention = 2 * model.hidden_size * (queries + keys)
    biases = queries + 2 * keys if model.architecture == "qwen2" else 0
    layer = attention + biases + 3 * model.hidden_size * model.intermediate_size + 2 * model.hidden_size
    return model.vocab_size * model.hidden_size + model.layers * layer + model.hidden_size


def billions_of(nodes: Nodes, order: Iterable[Key]) -> dict[Key, float]:
    """For every node, the size of the largest model that its jobs load; 0 where they load none.

    Args:
        order: the nodes, each after those that it is made from.
    """
    own: dict[Key, float] = {}
    loaded: dict[Key, float] = {}
    for key in order:
        node = nodes[key]
        own[key] = weights_of(node.spec) / 1e9 if node.stage == "models" else _largest(node, _MADE_FROM, own)
        loaded[key] = own[key] if node.stage == "models" else _largest(node, _LOADED, own)
    return loaded


def _largest(node: Node, through: Mapping[str, tuple[str, ...]], own: Mapping[Key, float]) -> float:
    keys = through.get(node.stage, ())
    return max((own[stage, name] for at, stage, name in node.references if at[0] in keys), default=0.0)
