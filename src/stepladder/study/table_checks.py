"""Faults of tables: rows that fit neither each other nor what they are made from."""

from stepladder.study.faults import Fault, did_you_mean
from stepladder.study.fields import OPTION_SETS
from stepladder.study.nodes import Nodes
from stepladder.study.specs.bias_tables import LengthsRow, PositionsRow
from stepladder.study.specs.evaluations import Evaluation
from stepladder.study.specs.tables import (
    AnswersRow,
    ContaminationTable,
    EfficiencyRow,
    RankingRow,
    StepsRow,
    Table,
    ValuesRow,
)

# Published answers to each question, by format.
CANDIDATES = {"gsm8k": 4, "pqm": 128}


def faults_of_table(name: str, spec: Table, nodes: Nodes) -> list[Fault]:
    """Labels that are not one row's, and rows that ask for what the nodes they name do not have."""
    at = ("tables", name)
    faults = []
    labels = [row.label for row in spec.rows]
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        faults.append(Fault((*at, "rows"), f"two rows are labelled {label!r}"))
    if isinstance(spec, ContaminationTable):
        return faults
    if spec.baseline not in labels:
        said = f"no row is labelled {spec.baseline!r}{did_you_mean(spec.baseline, labels)}"
        faults.append(Fault((*at, "baseline"), said))
    for index, row in enumerate(spec.rows):
        place = (*at, "rows", str(index))
        if isinstance(row, StepsRow):
            faults += _one_set_of_steps(row, place, nodes)
        elif isinstance(row, RankingRow):
            faults += _rollouts(row, place, nodes)
        elif isinstance(row, EfficiencyRow):
            faults += _of_a_policy(row, place, nodes)
        elif isinstance(row, PositionsRow):
            faults += _of_options(row, place, nodes)
        elif not isinstance(row, LengthsRow):
            if row.reported and not spec.reported:
                said = f"row {row.label!r} names a reported row, and the table no file of reported numbers"
                faults.append(Fault((*place, "reported"), said))
            if ("evaluations", row.evaluation) in nodes:
                faults += _samples(row, place, nodes)
    return faults


def _one_set_of_steps(row: StepsRow, place: tuple[str, ...], nodes: Nodes) -> list[Fault]:
    scores, labels = nodes.get(("scores", row.scores)), nodes.get(("labels", row.labels))
    if scores is None or labels is None or scores.spec.trajectories == labels.spec.trajectories:
        return []
    said = (
        f"row {row.label!r}: scores.{row.scores} are of trajectories.{scores.spec.trajectories}, "
        f"labels.{row.labels} of trajectories.{labels.spec.trajectories}; take those of the same"
    )
    return [Fault((*place, "labels"), said)]


def _rollouts(row: RankingRow, place: tuple[str, ...], nodes: Nodes) -> list[Fault]:
    """Values that nothing is left to judge by, that the node's rollouts do not allow, or of other steps."""
    node = nodes.get(("rollouts", row.rollouts))
    if node is None:
        return []
    there, faults = f"rollouts.{row.rollouts}", []
    if isinstance(row, ValuesRow) and row.scores is not None:
        scores = nodes.get(("scores", row.scores))
        if scores is not None and scores.spec.trajectories != node.spec.trajectories:
            said = (
                f"row {row.label!r}: scores.{row.scores} are of trajectories.{scores.spec.trajectories}, {there} of "
                f"trajectories.{node.spec.trajectories}; take those of the same"
            )
            faults.append(Fault((*place, "scores"), said))
        return faults
    if not isinstance(row, ValuesRow) and not node.spec.alternatives:
        faults.append(Fault((*place, "rollouts"), f"{there} have no alternative next steps; give them alternatives: 5"))
    if row.critic:
        said = f"row {row.label!r}: {there} do not ask a critic; give them critic: true"
        return faults if node.spec.critic else [*faults, Fault((*place, "critic"), said)]
    adaptive = row.adaptive if isinstance(row, ValuesRow) else None
    key, most = (("adaptive", "most"), adaptive.most) if adaptive else (("k",), row.k)
    if most + 2 > node.spec.rollouts:
        said = f"row {row.label!r} reads {most} of {node.spec.rollouts} rollouts of {there}; leave 2 to judge by"
        faults.append(Fault((*place, *key), said))
    return faults


def _of_a_policy(row: EfficiencyRow, place: tuple[str, ...], nodes: Nodes) -> list[Fault]:
    node = nodes.get(("evaluations", row.evaluation))
    if node is None:
        return []
    if node.spec.method != "sampled":
        said = f"row {row.label!r}: evaluations.{row.evaluation} is of no policy; take one of method sampled"
        return [Fault((*place, "evaluation"), said)]
    if row.answer == "mean_sample" and not node.spec.samples:
        return [Fault((*place, "answer"), f"row {row.label!r}: evaluations.{row.evaluation} has no samples")]
    return []


def _of_options(row: PositionsRow, place: tuple[str, ...], nodes: Nodes) -> list[Fault]:
    """Greedy answers to questions of which some have options."""
    node = nodes.get(("evaluations", row.evaluation))
    if node is None:
        return []
    if node.spec.method != "sampled":
        said = f"row {row.label!r}: evaluations.{row.evaluation} has no greedy answers; take one of method sampled"
        return [Fault((*place, "evaluation"), said)]
    questions = nodes.get(("questions", node.spec.questions))
    if questions is None or set(OPTION_SETS) & set(questions.spec.sets):
        return []
    said = f"row {row.label!r}: no set of questions.{node.spec.questions} has options"
    return [Fault((*place, "evaluation"), said)]


def _samples(row: AnswersRow, place: tuple[str, ...], nodes: Nodes) -> list[Fault]:
    evaluation = nodes["evaluations", row.evaluation].spec
    faults = []
    if row.answer == "greedy":
        if evaluation.method == "given":
            said = f"row {row.label!r}: evaluations.{row.evaluation} has no greedy answers; choose among its samples"
            faults.append(Fault((*place, "answer"), said))
    elif (there := _number_of_samples(evaluation, nodes)) is not None and row.n > there:
        said = f"row {row.label!r} asks for {row.n} samples, evaluations.{row.evaluation} has {there}"
        faults.append(Fault((*place, "n"), said))
    if ("prms", row.prm) in nodes and row.prm not in evaluation.prms:
        said = f"evaluations.{row.evaluation} does not score with prms.{row.prm}; add it to its prms"
        faults.append(Fault((*place, "prm"), said))
    return faults


def _number_of_samples(evaluation: Evaluation, nodes: Nodes) -> int | None:
    """How many samples a question has, as far as the study says it."""
    if evaluation.method == "sampled":
        return evaluation.samples
    trajectories = nodes.get(("trajectories", evaluation.trajectories))
    if trajectories is None or trajectories.spec.method == "solutions":
        return None
    if trajectories.spec.method == "sampled":
        return trajectories.spec.samples
    return CANDIDATES[trajectories.spec.format]
