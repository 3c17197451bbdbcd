"""Faults of audits and of rows over clean questions: what nobody asked, and what was seen and not audited."""

from collections.abc import Iterator

from stepladder.study.choice_checks import Asked, asked_by
from stepladder.study.faults import Fault, did_you_mean
from stepladder.study.nodes import Key, Nodes, with_all_above
from stepladder.study.specs.audits import Audit, seen_questions
from stepladder.study.specs.tables import AnswersRow, AnswersTable


def faults_of_audit(name: str, spec: Audit, nodes: Nodes) -> list[Fault]:
    """Splits and sets that the nodes do not have, and questions that are held against themselves."""
    at = ("audits", name)
    faults = []
    seen = seen_questions(spec)
    for key, questions, sets in (("sets", spec.questions, spec.sets), ("seen_sets", seen, spec.seen_sets)):
        there = nodes["questions", questions].spec.sets if ("questions", questions) in nodes else sets
        for index, dataset in enumerate(sets):
            if dataset not in there:
                said = f"questions.{questions} has no set {dataset!r}{did_you_mean(dataset, there)}"
                faults.append(Fault((*at, key, str(index)), said))
    if ("questions", seen) not in nodes:
        return faults
    node = nodes["questions", seen].spec
    for index, split in enumerate(spec.seen_splits):
        here = (*at, "seen_splits", str(index))
        if split not in node.splits:
            faults.append(Fault(here, f"questions.{seen} has no split {split!r}{did_you_mean(split, node.splits)}"))
        elif (seen, split) == (spec.questions, spec.split):
            both = set(spec.sets or node.sets) & set(spec.seen_sets or node.sets)
            if both:
                said = f"split {split!r} of {', '.join(sorted(both))} is the one that is audited, so all of it is seen"
                faults.append(Fault(here, f"{said}; name the splits that were trained on"))
    return faults


def faults_of_clean_rows(name: str, spec: AnswersTable, nodes: Nodes) -> list[Fault]:
    """Rows over clean questions whose audit is of others, knows too little, or leaves nothing to be held against."""
    faults = []
    baseline = next((row for row in spec.rows if row.label == spec.baseline), None)
    for index, row in enumerate(spec.rows):
        place = ("tables", name, "rows", str(index), "clean")
        # A row is held against the baseline on its own questions, so the baseline must have answered all of them.
        if baseline is not None and baseline.clean not in (None, row.clean):
            said = (
                f"row {row.label!r} is over other questions than the baseline {baseline.label!r}; give it"
                f" clean: {baseline.clean}, or the baseline none"
            )
            faults.append(Fault(place, said))
        if ("audits", row.clean) in nodes and ("evaluations", row.evaluation) in nodes:
            faults += [Fault(place, f"row {row.label!r}: {said}") for said in _wrong(row, nodes)]
    return faults


def _wrong(row: AnswersRow, nodes: Nodes) -> Iterator[str]:
    audit, evaluation = nodes["audits", row.clean].spec, nodes["evaluations", row.evaluation].spec
    asked = asked_by(evaluation, nodes)
    # Splits that a node does not have are faults of their own.
    for questions, split in ((audit.questions, audit.split), asked or ("", "")):
        if ("questions", questions) not in nodes or split not in nodes["questions", questions].spec.splits:
            return
    if asked != (audit.questions, audit.split):
        yield (
            f"audits.{row.clean} is of {audit.questions}/{audit.split}, evaluations.{row.evaluation} answers"
            f" {'/'.join(asked)}; take an audit of the same questions"
        )
        return
    missing = [each for each in nodes["questions", asked[0]].spec.sets if audit.sets and each not in audit.sets]
    if missing:
        yield f"audits.{row.clean} leaves out {', '.join(missing)}, which the evaluation asks; leave out its key sets"
    start = [("trajectories", evaluation.trajectories)] if evaluation.method == "given" else []
    start += [("policies", evaluation.policy)] if evaluation.method == "sampled" else []
    start += [("prms", row.prm)] if row.prm is not None else []
    for node, split in sorted(_trained_on(start, asked, nodes)):
        if node == seen_questions(audit) and split not in audit.seen_splits:
            yield (
                f"its answers come from split {split!r} of questions.{node}, which audits.{row.clean} does not count as"
                " seen; add it to seen_splits"
            )


def _trained_on(start: list[Key], asked: Asked, nodes: Nodes) -> set[Asked]:
    """The splits that anything behind a row was trained or sampled on; the choice of a policy is no training."""
    above = set().union(*(with_all_above(each, nodes) for each in start))
    specs = [nodes[key].spec for key in above if key[0] in ("policies", "trajectories")]
    return {(spec.questions, spec.split) for spec in specs if getattr(spec, "split", None) is not None} - {asked}
