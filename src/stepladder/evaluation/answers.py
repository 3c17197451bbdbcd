"""An evaluation's answers as records, and what they say at a glance."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from stepladder.questions.judging import gold_answer, right_as_published
from stepladder.questions.mathematics.forms import UNANSWERABLE
from stepladder.questions.orders import reordered, restored
from stepladder.questions.question import Question
from stepladder.rewards.accumulate import accumulate
from stepladder.study.fields import ACCUMULATIONS

COPIED = ("question_id", "sample", "dataset", "correct", "correct_flexible", "finish_reason", "text")


def answer_rows(
    trajectories: Sequence[dict[str, Any]],
    questions: Mapping[str, Question],
    decoding: str,
    scores: Mapping[str, Sequence[Sequence[float]]],
    orders: Mapping[str, Sequence[int]] | None = None,
) -> list[dict[str, Any]]:
    """Rows of the answer table. Answers to reordered questions become the options of the questions as they are given.

    Args:
        trajectories: rows of sampled or greedy answers, graded as the questions were shown.
        questions: by question id, as they are given.
        decoding: "greedy" or "sampled".
        scores: per PRM, the step scores (probabilities) of every trajectory.
        orders: by question id, the order of ``orders.order_of`` in which options were shown; None: as given.
    """
    rows = []
    for place, row in enumerate(trajectories):
        question = questions[row["question_id"]]
        order = orders[row["question_id"]] if orders else tuple(range(len(question.options)))
        answers = {name: restored(row[name], order) for name in ("answer", "answer_flexible")}
        rows.append(
            {name: row[name] for name in COPIED}
            | answers
            | {
                "decoding": decoding,
                "gold": gold_answer(question),
                "option_order": [option + 1 for option in order],
                "correct_as_published": right_as_published(row["text"], reordered(question, order)),
                "steps": len(row["step_ends"]),
                "tokens": len(row["token_ids"]),
                "prm_scores": {
                    prm: {how: accumulate(steps[place], how) for how in ACCUMULATIONS} for prm, steps in scores.items()
                },
            }
        )
    return rows


def summary(rows: Sequence[dict[str, Any]], questions: Mapping[str, Question]) -> dict[str, Any]:
    """What greedy answers are like, by data set and in all; where there are none, what the samples are like.

    Accuracy (both rules, and that of released code), unparsable rate, steps and tokens. Of a set with options: accuracy
    by label, and how often each option was given, both as the set numbers them. Where questions cannot be answered:
    these and the others apart.

    Args:
        questions: by question id.
    """
    described = [row for row in rows if row["decoding"] == "greedy"] or rows
    sets = {dataset: [row for row in described if row["dataset"] == dataset] for dataset in _datasets(described)}
    per_set = {dataset: _describe(members, questions) for dataset, members in sets.items()}
    names = ("accuracy", "accuracy_flexible", "unparsable", "steps", "tokens")
    return {"average": {name: fmean(each[name] for each in per_set.values()) for name in names}, "sets": per_set}


def _datasets(rows: Sequence[dict[str, Any]]) -> list[str]:
    return sorted({row["dataset"] for row in rows})


def _describe(rows: Sequence[dict[str, Any]], questions: Mapping[str, Question]) -> dict[str, Any]:
    asked = [questions[row["question_id"]] for row in rows]
    found = _accuracies(rows) | {
        "accuracy_as_published": fmean(row["correct_as_published"] for row in rows),
        "unparsable": fmean(row["answer"] is None for row in rows),
        "steps": fmean(row["steps"] for row in rows),
        "tokens": fmean(row["tokens"] for row in rows),
    }
    golds = sorted({row["gold"] for row in rows})
    if asked[0].options:
        found["accuracy_by_gold"] = {g: fmean(row["correct"] for row in rows if row["gold"] == g) for g in golds}
        found["share_of_answers"] = {g: fmean(row["answer"] == g for row in rows) for g in golds}
    elif UNANSWERABLE in golds:
        found["unanswerable"] = _accuracies([row for row in rows if row["gold"] == UNANSWERABLE])
        if answerable := [row for row in rows if row["gold"] != UNANSWERABLE]:
            found["answerable"] = _accuracies(answerable)
    return found


def _accuracies(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "questions": len({row["question_id"] for row in rows}),
        "accuracy": fmean(row["correct"] for row in rows),
        "accuracy_flexible": fmean(row["correct_flexible"] for row in rows),
    }
