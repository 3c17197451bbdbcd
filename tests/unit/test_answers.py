"""An evaluation's answers as records and at a glance."""

import math

import pytest

from stepladder.evaluation.answers import answer_rows, summary
from stepladder.questions.question import Question
from stepladder.records import ANSWERS, read_records, write_records

TRAJECTORY = {
    "question_id": "a", "sample": 0, "dataset": "qqa", "answer": "2", "answer_flexible": "2", "correct": True,
    "correct_flexible": True, "finish_reason": "stop", "text": "x", "step_ends": [2, 5], "token_ids": [1] * 5,
    "prompt_ids": [1], "logprobs": [0.0] * 5,
}  # fmt: skip
ASKED = {"a": Question("qqa", {"question": "Which?"}, ("x", "y"), 1), "b": Question("gsm8k", {}, (), "1,200.0")}


def test_rows_hold_every_accumulation_of_every_prm(tmp_path):
    other = TRAJECTORY | {"question_id": "b", "answer": None, "correct": False, "step_ends": [5]}
    rows = answer_rows([TRAJECTORY, other], ASKED, "sampled", {"p": [[0.25, 1.0], [0.5]], "r": [[1, 1], [0]]})
    assert [(row["gold"], row["steps"], row["tokens"], row["decoding"]) for row in rows] == [
        ("2", 2, 5, "sampled"),
        ("1200", 1, 5, "sampled"),
    ]
    assert rows[0]["prm_scores"]["p"] == pytest.approx(
        {"geometric_mean": 0.5, "product": 0.25, "min": 0.25, "mean": 0.625, "last": 1.0, "sum": 1.25}
    )
    assert rows[1]["prm_scores"]["r"]["geometric_mean"] == pytest.approx(1e-6)
    write_records(rows, ANSWERS, tmp_path / "t")
    again = read_records(tmp_path / "t", ANSWERS)
    assert again[1]["answer"] is None and again[0]["prm_scores"]["p"]["min"] == 0.25


def test_an_answer_to_a_reordered_question_is_the_option_as_given():
    """Shown as (y, x), its answer 2 is x, the first one, which is wrong; it was graded as it was shown."""
    shown = TRAJECTORY | {"correct": False, "answer_flexible": None, "text": "the answer is option 2. #### 2"}
    (row,) = answer_rows([shown], ASKED, "greedy", {}, {"a": (1, 0)})
    assert (row["answer"], row["answer_flexible"], row["gold"], row["option_order"]) == ("1", None, "2", [2, 1])
    assert not row["correct"] and not row["correct_as_published"]
    (given,) = answer_rows([shown], ASKED, "greedy", {})
    assert (given["answer"], given["option_order"], given["correct_as_published"]) == ("2", [1, 2], True)


def test_without_prms_there_are_no_scores():
    (row,) = answer_rows([TRAJECTORY], ASKED, "greedy", {})
    assert row["prm_scores"] == {}


def test_commas_of_a_gold_answer_make_right_answers_wrong_by_the_published_rule():
    asked = {gold: Question("gsm8k", {}, (), gold) for gold in ("1,200", "1200")}
    rows = [TRAJECTORY | {"question_id": gold, "text": text} for gold in asked for text in ("#### 1200", "#### 1,200")]
    found = answer_rows(rows, asked, "sampled", {})
    assert [row["correct_as_published"] for row in found] == [False, False, True, True]


def answer(dataset, gold, given, decoding="greedy", flexible=None, steps=2, published=False, question=None):
    return {
        "question_id": question or f"{dataset}/{gold}/{given}/{steps}", "dataset": dataset, "decoding": decoding,
        "gold": gold, "answer": given, "correct": given == gold, "steps": steps, "tokens": 10 * steps,
        "correct_as_published": published, "correct_flexible": (given if flexible is None else flexible) == gold,
    }  # fmt: skip


def choice(dataset, gold):
    return Question(dataset, {"question": "Which?"}, ("x", "y"), int(gold) - 1)


def free(dataset, gold):
    return Question(dataset, {"question": "How many?"}, (), gold)


def questions_of(rows, kind):
    return {row["question_id"]: kind(row["dataset"], row["gold"]) for row in rows}


def test_the_summary_is_of_greedy_answers_by_data_set_and_unweighted_in_all():
    rows = [
        answer("awpnli", "1", "1"),
        answer("awpnli", "1", "2", steps=4),
        answer("awpnli", "2", None, flexible="2", published=True),
        answer("awpnli", "2", "2"),
    ]
    rows += [answer("qqa", "1", "1"), answer("qqa", "1", "2", decoding="sampled")]
    said = summary(rows, questions_of(rows, choice))
    first = said["sets"]["awpnli"]
    assert (first["questions"], first["accuracy"], first["accuracy_flexible"], first["unparsable"]) == (
        4,
        0.5,
        0.75,
        0.25,
    )
    assert (first["steps"], first["tokens"], first["accuracy_as_published"]) == (2.5, 25, 0.25)
    assert first["accuracy_by_gold"] == {"1": 0.5, "2": 0.5}
    assert first["share_of_answers"] == {"1": 0.25, "2": 0.5}
    assert said["sets"]["qqa"]["questions"] == 1 and said["sets"]["qqa"]["accuracy"] == 1.0
    assert said["average"]["accuracy"] == 0.75 and said["average"]["unparsable"] == 0.125
    assert not math.isnan(said["average"]["steps"])


def test_without_greedy_answers_the_samples_are_described():
    rows = [answer("gsm8k", "7", given, decoding="sampled", question="q") for given in ("7", "8", None, "7")]
    said = summary(rows, questions_of(rows, free))
    assert (said["sets"]["gsm8k"]["questions"], said["average"]["accuracy"], said["average"]["unparsable"]) == (
        1,
        0.5,
        0.25,
    )


def test_unanswerable_questions_are_counted_apart_and_options_only_where_there_are_any():
    rows = [
        answer("gsm_plus", "unanswerable", "unanswerable"),
        answer("gsm_plus", "unanswerable", "3"),
        answer("gsm_plus", "5", None, flexible="5", published=True),
        answer("gsm_plus", "-1", "-1"),
        answer("gsm_plus", "7", "7", published=True),
    ]
    said = summary(rows, questions_of(rows, free))["sets"]["gsm_plus"]
    assert said["unanswerable"] == {"questions": 2, "accuracy": 0.5, "accuracy_flexible": 0.5}
    assert said["answerable"] == {
        "questions": 3,
        "accuracy": pytest.approx(2 / 3),
        "accuracy_flexible": 1.0,
    }
    assert (said["accuracy"], said["accuracy_as_published"]) == (0.6, 0.4)
    assert "accuracy_by_gold" not in said and "share_of_answers" not in said
    numbers = [answer("gsm8k", "7", "7"), answer("gsm8k", "8", "7")]
    assert summary(numbers, questions_of(numbers, free))["sets"]["gsm8k"].keys() == {
        "questions", "accuracy", "accuracy_flexible", "accuracy_as_published", "unparsable", "steps", "tokens",
    }  # fmt: skip
