"""An audit: one row for each question of a split that says whether what was trained on has its passage, too."""

from collections.abc import Iterable, Sequence
from typing import Any

from stepladder.errors import StepladderError
from stepladder.questions.collect import question_of
from stepladder.questions.contamination import matches
from stepladder.records import Counts
from stepladder.study.specs.audits import Audit, seen_questions

Rows = Sequence[dict[str, Any]]


def audit(spec: Audit, questions: Rows, trained_on: Rows) -> tuple[list[dict[str, Any]], dict[str, Any], Counts]:
    """Rows of ``records.AUDITS``, how many questions were seen, and how many rows were read.

    A question whose passage shares few n-grams, or none, is not seen; its row tells how many all the same.

    Args:
        questions: of the node that is audited, rows of ``records.QUESTIONS``.
        trained_on: likewise, of the node that is `seen`.

    Raises:
        StepladderError: when the split has no question of these sets, or the seen splits have none of theirs.
    """
    audited = _chosen(questions, (spec.split,), spec.sets)
    seen = _chosen(trained_on, spec.seen_splits, spec.seen_sets)
    for node, splits, sets, rows in (
        (spec.questions, (spec.split,), spec.sets, audited),
        (seen_questions(spec), spec.seen_splits, spec.seen_sets, seen),
    ):
        if not rows:
            of = f" of {', '.join(sets)}" if sets else ""
            raise StepladderError(f"questions.{node} has no question{of} in {', '.join(splits)}; name others")
    found = {
        match.question_id: match
        # Any n-gram in common is told; whether they are enough is said here.
        for match in matches(map(question_of, audited), map(question_of, seen), spec.ngram, near=0)
    }
    rows = []
    for row in audited:
        match = found.get(row["question_id"])
        share = match.share if match else 0.0
        rows.append(
            {
                "question_id": row["question_id"],
                "dataset": row["dataset"],
                "seen": share >= spec.near,
                "seen_id": match.seen_id if match else None,
                "share": share,
                "options": match.options if match else 0,
            }
        )
    counts = Counts(len(questions))
    counts.drop("of another split or set", len(questions) - len(rows))
    counts.rows_out = len(rows)
    return rows, tally(rows) | {"trained_on": len(seen), "sets": by_set(rows)}, counts


def tally(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many audited questions there are, were seen word for word or nearly, and are clean."""
    shares = [row["share"] if row["seen"] else 0.0 for row in rows]
    whole = sum(share == 1 for share in shares)
    clean = shares.count(0.0)
    return {
        "questions": len(shares),
        "seen_word_for_word": whole,
        "seen_nearly": len(shares) - whole - clean,
        "clean": clean,
    }


def by_set(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """As ``tally``, for each data set, in the order in which they come."""
    sets: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        sets.setdefault(row["dataset"], []).append(row)
    return {dataset: tally(members) for dataset, members in sets.items()}


def _chosen(rows: Rows, splits: Sequence[str], sets: Sequence[str]) -> list[dict[str, Any]]:
    return [row for row in rows if row["split"] in splits and (not sets or row["dataset"] in sets)]
