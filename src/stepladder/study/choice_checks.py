"""Faults of a choice among policies: evaluations that cannot be compared, and questions that would be used twice."""

from stepladder.study.faults import Fault
from stepladder.study.nodes import Nodes
from stepladder.study.specs.policies import Select


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
