"""Grading as released code did it: its faults are reproduced where its description gives them."""

from collections import Counter

import pytest

from stepladder.questions import gsm8k, gsm_plus
from stepladder.questions.mathematics.checker import Checker
from stepladder.questions.mathematics.extraction import extract_answer
from stepladder.questions.mathematics.grading import grade
from stepladder.questions.mathematics.published import right_as_published


@pytest.fixture(scope="module")
def checker():
    with Checker(workers=1) as workers:
        yield workers


CASES = [
    # methods: "1,200" -> 200; "-5" -> 5; "1/4" -> 4; "None" is never right
    ("pqm_gsm_plus", "it is 1,200", "1200", False),
    ("pqm_gsm_plus", "it is 1,200", "200", True),
    ("pqm_gsm_plus", "it is -5", "5", True),
    ("pqm_gsm_plus", "it is -5", "-5", False),
    ("pqm_gsm_plus", "it is 1/4", "1/4", False),
    ("pqm_gsm_plus", "it is 1/4", "4", True),
    ("pqm_gsm_plus", "it is 0.25", "1/4", True),
    ("pqm_gsm_plus", "it is 18.0", "18", True),
    ("pqm_gsm_plus", "#### None", "unanswerable", False),
    ("pqm_gsm_plus", "no number", "18", False),
    # the comma is taken from the prediction only
    ("probppo_gsm8k", "#### 2125", "2,125", False),
    ("probppo_gsm8k", "#### 2,125", "2,125", False),
    ("probppo_gsm8k", "#### 1,200", "1200", True),
    ("probppo_gsm8k", "#### 4\n#### 18 ", "18", True),
    ("probppo_gsm8k", "#### 18.0", "18", False),
    ("probppo_gsm8k", "so 18", "18", False),
    # x/100, x and 100x are all right, and so is any base
    ("pqm_math", "\\boxed{50}", "0.5", True),
    ("pqm_math", "\\boxed{0.5}", "50", True),
    ("pqm_math", "\\boxed{50\\%}", "0.5", True),
    ("pqm_math", "\\boxed{0.50004}", "0.5", True),
    ("pqm_math", "\\boxed{0.51}", "0.5", False),
    ("pqm_math", "\\boxed{10_2}", "10_8", True),
    ("pqm_math", "\\boxed{x_2}", "x_2", False),
    ("pqm_math", "The answer is: 5", "5", False),
    ("pqm_math", "the answer is: 5", "5", True),
    ("pqm_math", "so \\boxed{\\sqrt{8}}", "2\\sqrt{2}", True),
    ("pqm_math", "\\boxed{" + "9" * 400 + "}", "5", False),
    ("pqm_math", "\\boxed{" + "9" * 400 + "}", "9" * 400, True),
    ("pqm_math", "so \\boxed{\\sqrt{7}}", "2\\sqrt{2}", False),
    # the last number is an answer, and closeness is absolute
    ("probppo_math", "I think 3, no 5", "5", True),
    ("probppo_math", "I think 5000", "50", True),
    ("probppo_math", "\\boxed{0.5009}", "0.5", True),
    ("probppo_math", "\\boxed{0.502}", "0.5", False),
    ("probppo_math", "The final answer is $5$. I hope it is correct.", "5", True),
    ("probppo_math", "The answer is \\sqrt{8}", "2\\sqrt{2}", True),
    ("probppo_math", "9" * 400, "5", False),
    ("probppo_math", "no number", "5", False),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "text", "gold", "right"), CASES)
def test_described_behaviour(rule, text, gold, right, checker):
    assert right_as_published(text, gold, rule, checker) is right


def test_golds_with_a_comma_can_never_be_right_by_the_rule_of_probppo(real_data, checker):
    loaded = gsm8k.load_local(real_data)
    wrong = Counter(
        split
        for split, positions in loaded.published_split.items()
        for question in (loaded.questions[place] for place in positions)
        if not right_as_published(question.solution, question.answer, "probppo_gsm8k", checker)
    )
    assert wrong == {"test": 14, "train": 79}


def test_the_ceiling_of_pqm_on_gsm_plus(real_data, checker):
    questions = gsm_plus.load_local(real_data).questions
    right = [q for q in questions if right_as_published(f"so {q.answer}", q.answer, "pqm_gsm_plus", checker)]
    fractions = [q for q in questions if "/" in q.answer]
    negative = [q for q in questions if q.answer.startswith("-")]
    assert len(right) == 2400 - 300 - len(fractions) - len(negative)
    assert len(fractions) == 7
    ours = [grade([extract_answer(f"so\n#### {q.answer}", strict=True)], q.answer, checker)[0] for q in questions]
    assert all(ours)
