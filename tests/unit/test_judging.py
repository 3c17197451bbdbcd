"""One grader for questions with options and for answers in free form."""

import pytest

from stepladder.questions.grading import extract_answer
from stepladder.questions.judging import Judgement, are_right, gold_answer, judge, right_as_published
from stepladder.questions.question import Question

CHOICE = Question("qqa", {"question": "Which?"}, ("a", "b"), 1)
FREE = Question("gsm8k", {"question": "How many?"}, (), "1,200")
ALGEBRA = Question("math500", {"question": "What?"}, (), "2\\sqrt{2}")
NONE = Question("gsm_plus", {"question": "How many?"}, (), "unanswerable")

TEXTS = ["the answer is option 2. #### 2", "option 2", "#### 1", "#### 3", "", "#### 2\nmore"]


def test_options_are_judged_as_before_and_numbered_from_one():
    judged = judge(TEXTS, CHOICE)
    assert [(one.answer, one.answer_flexible) for one in judged] == [
        ("2", "2"), (None, "2"), ("1", "1"), (None, None), (None, None), (None, "2"),
    ]  # fmt: skip
    for text, one in zip(TEXTS, judged, strict=True):
        assert one.correct == (extract_answer(text, CHOICE, strict=True) == CHOICE.answer)
        assert one.correct_flexible == (extract_answer(text, CHOICE) == CHOICE.answer)
    assert are_right(TEXTS, CHOICE) == [one.correct for one in judged]


def test_free_answers_share_a_name_over_both_rules():
    texts = ["#### 1200", "it is $1,200", "#### 7", "so 7.0", "nothing"]
    assert judge(texts, FREE) == [
        Judgement("1200", True, "1200", True),
        Judgement(None, False, "1200", True),
        Judgement("7", False, "7", False),
        Judgement(None, False, "7", False),
        Judgement(None, False, None, False),
    ]
    assert are_right(texts, FREE) == [True, False, False, False, False]


def test_algebra_decides_where_forms_do_not():
    judged = judge(["\\boxed{\\sqrt{8}}", "\\boxed{3+\\sqrt{2}}", "\\boxed{\\sqrt{2}+3}"], ALGEBRA)
    assert [one.answer for one in judged] == ["2\\sqrt{2}", "3+\\sqrt{2}", "3+\\sqrt{2}"]
    assert [one.correct for one in judged] == [True, False, False]


def test_a_question_without_an_answer():
    assert are_right(["#### None", "#### 5", "#### cannot be determined"], NONE) == [True, False, True]


@pytest.mark.parametrize(
    ("question", "gold"), [(CHOICE, "2"), (FREE, "1200"), (ALGEBRA, "2\\sqrt{2}"), (NONE, "unanswerable")]
)
def test_the_gold_answer_is_named_as_answers_are(question, gold):
    assert gold_answer(question) == gold
    closing = f"#### {question.answer + 1}" if question.options else f"#### {question.answer}"
    assert judge([closing], question)[0] == Judgement(gold, True, gold, True)
    assert judge([], question) == []


@pytest.mark.parametrize(
    ("question", "text", "ours", "published"),
    [
        (CHOICE, "the answer is option 2. There are 35 left\n#### 2", True, False),
        (FREE, "#### 1200", True, False),
        (NONE, "#### None", True, False),
        (Question("gsm_plus", {"question": "How many?"}, (), "5"), "#### -5", False, True),
        (Question("math500", {"question": "What?"}, (), "50"), "\\boxed{0.5}", False, True),
        (ALGEBRA, "\\boxed{\\sqrt{8}}", True, True),
    ],
)
def test_every_set_has_the_rule_of_its_released_code(question, text, ours, published):
    assert (are_right([text], question)[0], right_as_published(text, question)) == (ours, published)
