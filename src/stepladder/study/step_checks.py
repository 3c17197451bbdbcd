"""Faults of nodes that look at steps by their kind, which only one step style gives."""

from typing import Any

from stepladder.study.faults import Fault
from stepladder.study.fields import StepStyle
from stepladder.study.nodes import Nodes
from stepladder.study.specs.labels import States
from stepladder.study.specs.rewards import Rewards


def faults_of_kinds(style: StepStyle, nodes: Nodes) -> list[Fault]:
    """Kinds of steps in a study whose steps have none."""
    if style == "react":
        return []
    said = f"steps of style {style!r} have no kinds; leave kinds out, or take step_style: react"
    return [
        Fault((stage, name, *key, "kinds"), said)
        for (stage, name), node in nodes.items()
        for key, spec in _choosers(stage, node.spec)
        if spec.kinds
    ]


def _choosers(stage: str, spec: Any) -> list[tuple[tuple[str, ...], States | Rewards]]:
    """What chooses steps in a node, and where it stands."""
    if stage == "labels" and spec.method == "monte_carlo" and spec.states:
        return [(("states",), spec.states)]
    return [((), spec)] if stage == "rewards" else []
