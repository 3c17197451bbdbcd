"""Faults of a choice among policies: evaluations that cannot be compared, and questions that would be used twice."""

from collections.abc import Iterator

from stepladder.study.faults import Fault
from stepladder.study.nodes import Nodes, with_all_above
from stepladder.study.specs.bias_tables import PositionsTable
from stepladder.study.specs.evaluations import Evaluation
from stepladder.study.specs.policies import Select
from stepladder.study.specs.tables import AnswersTable, EfficiencyTable

Asked = tuple[str, str]
"""A questions node and one of its splits."""


def asked_by(evaluation: Evaluation, nodes: Nodes) -> Asked | None:
    """The questions that an evaluation answers, as far as the study says it."""
    if evaluation.method == "sampled":
        return evaluation.questions, evaluation.split
    node = nodes.get(("trajectories", evaluation.trajectories))
    return None if node is None or node.spec.method == "solutions" else (node.spec.questions, node.spec.split)


def faults_of_choice(name: str, spec: Select, nodes: Nodes) -> list[Fault]:
    """What makes a choice impossible or dishonest; evaluations that are not there are passed over."""
    at = ("policies", name, "among")
    known = [(place, each) for place, each in enumerate(spec.among) if ("evaluations", each) in nodes]
    asked = {}
    faults = []
    for place, each in known:
        evaluation = nodes["evaluations", each].spec
        here = (*at, str(place))
        if evaluation.method != "sampled":
            faults.append(Fault(here, f"evaluations.{each} is of no policy; take one of method sampled"))
            continue
        asked[each] = (evaluation.questions, evaluation.split)
        if spec.by == "mean_sample" and not evaluation.samples:
            faults.append(Fault(here, f"evaluations.{each} has no samples; give it some, or choose by: greedy"))
    if len(set(asked.values())) > 1:
        told = ", ".join(f"{each} {questions}/{split}" for each, (questions, split) in asked.items())
        return [*faults, Fault(at, f"the evaluations answer different questions ({told}); take those of one split")]
    for (stage, other), node in nodes.items():
        if stage != "evaluations" or node.spec.method != "sampled" or node.spec.policy != name:
            continue
        if (node.spec.questions, node.spec.split) in asked.values():
            said = f"policies.{name} was chosen by split {node.spec.split!r}, so its accuracy there is no result"
            faults.append(Fault((stage, other, "split"), f"{said}; evaluate it on another split"))
    return faults


def faults_of_reports(name: str, spec: AnswersTable | EfficiencyTable | PositionsTable, nodes: Nodes) -> list[Fault]:
    """Rows of accuracies on questions by which something was chosen that their answers come from.

    That is a policy chosen among several anywhere above the row's policy, trajectories or PRM, whether its weights, its
    samples or its labels lead there. The chosen policy's own evaluation is a fault of that evaluation already.
    """
    faults = []
    for index, row in enumerate(spec.rows):
        node = nodes.get(("evaluations", row.evaluation))
        asked = None if node is None else asked_by(node.spec, nodes)
        if asked is None:
            continue
        own = ("policies", node.spec.policy) if node.spec.method == "sampled" else None
        start = [own or ("trajectories", node.spec.trajectories)]
        if spec.kind == "answers" and row.prm is not None:
            start.append(("prms", row.prm))
        above = set().union(*(with_all_above(key, nodes) for key in start))
        for chosen in sorted(above - {own}):
            if asked in _chosen_by(*chosen, nodes):
                said = (
                    f"row {row.label!r} comes from policies.{chosen[1]}, which was chosen by split {asked[1]!r} of"
                    f" questions.{asked[0]}, so its accuracy there is no result; take an evaluation of another split"
                )
                faults.append(Fault(("tables", name, "rows", str(index), "evaluation"), said))
    return faults


def _chosen_by(stage: str, name: str, nodes: Nodes) -> Iterator[Asked]:
    """What the evaluations ask that a policy was chosen by; nothing for any other node."""
    spec = nodes[stage, name].spec
    for each in spec.among if isinstance(spec, Select) else ():
        node = nodes.get(("evaluations", each))
        if node is not None and (asked := asked_by(node.spec, nodes)) is not None:
            yield asked
