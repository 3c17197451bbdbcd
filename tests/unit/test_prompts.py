"""The prompt, the answer line and the format demonstration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepladder.questions.grading import extract_answer
from stepladder.questions.judging import are_right
from stepladder.questions.prompts import answer_line, build_prompt, template_demonstration
from stepladder.questions.question import Question

THREE_WAY = Question(
    "stresstest",
    {"statement1": "Tim has 350 pounds", "statement2": "Tim has less than 750 pounds"},
    ("Entailment", "contradiction", "neutral"),
    0,
)
TWO_WAY = Question(
    "newsnli", {"statement1": "1,200.5 people came", "statement2": "Some came"}, ("Entailment", "neutral"), 1
)
QQA = Question("qqa", {"question": "A runs 5 km, B 3.5 km. Who ran less?"}, ("A", "B"), 1)


def test_scaffold_of_three_options():
    assert build_prompt(THREE_WAY, instruction=False) == (
        "### statement1: Tim has 350 pounds\n"
        "### statement2: Tim has less than 750 pounds\n"
        "### option1: Entailment\n"
        "### option2: contradiction\n"
        "### option3: neutral\n"
        "### Response: Let's think step by step.\n"
    )


def test_scaffold_of_two_options_has_no_third():
    prompt = build_prompt(TWO_WAY, instruction=False)
    assert prompt.splitlines()[2:] == [
        "### option1: Entailment",
        "### option2: neutral",
        "### Response: Let's think step by step.",
    ]


def test_scaffold_of_a_question():
    assert build_prompt(QQA, instruction=False) == (
        "### question: A runs 5 km, B 3.5 km. Who ran less?\n"
        "### option1: A\n"
        "### option2: B\n"
        "### Response: Let's think step by step.\n"
    )


@pytest.mark.parametrize("question", [THREE_WAY, TWO_WAY, QQA])
def test_instruction_is_one_paragraph_before_the_same_scaffold(question):
    scaffold = build_prompt(question, instruction=False)
    prompt = build_prompt(question, instruction=True)
    assert prompt.endswith("\n" + scaffold)
    paragraph = prompt.removesuffix("\n" + scaffold)
    assert "\n" not in paragraph and "###" not in paragraph.replace("#### 1", "")
    assert "the answer is option 1. #### 1" in paragraph and "step by step" in paragraph
    assert "1." in paragraph and "[1]" in paragraph


def test_instruction_explains_the_options_that_the_question_has():
    two, three, free = (build_prompt(question, instruction=True) for question in (TWO_WAY, THREE_WAY, QQA))
    assert "option 2 (neutral)" in two and "contradiction" not in two and "option 3" not in two
    assert "option 2 (contradiction)" in three and "option 3 (neutral)" in three
    assert "statement1 is a premise" not in free and "equation" in free
    assert "equation" not in two and "cannot be determined" in two


@pytest.mark.parametrize(
    ("dataset", "answer", "asked", "ending"),
    [
        ("gsm8k", "42", "such as #### 42", "#### 42"),
        ("gsm_plus", "42", "such as #### 42", "#### 42"),
        ("gsm_plus", "unanswerable", "the line is #### None", "#### None"),
        ("math500", "42", "\\boxed{}", "so \\boxed{42}."),
    ],
)
def test_the_instruction_for_a_free_answer_names_an_ending_that_is_read(dataset, answer, asked, ending):
    question = Question(dataset, {"question": "How many?"}, (), answer)
    scaffold = "### question: How many?\n### Response: Let's think step by step.\n"
    assert build_prompt(question, instruction=False) == scaffold
    paragraph = build_prompt(question, instruction=True).removesuffix("\n" + scaffold)
    assert "\n" not in paragraph and asked in paragraph and "option" not in paragraph
    assert are_right([f"6 * 7 = 42\n{ending}"], question) == [True]


@pytest.mark.parametrize("option", [0, 1, 2])
def test_answer_line_is_read_back_by_both_rules(option):
    assert answer_line(option) == f"the answer is option {option + 1}. #### {option + 1}"
    assert extract_answer(answer_line(option), THREE_WAY, strict=True) == option
    assert extract_answer(answer_line(option), THREE_WAY) == option


def test_demonstration_copies_the_numbers_and_ends_in_the_gold_answer():
    assert template_demonstration(THREE_WAY).split("\n") == [
        "1. numbers in statement1 : 350",
        "2. numbers in statement2 : 750",
        "the answer is option 1. #### 1",
    ]
    assert template_demonstration(TWO_WAY).split("\n") == [
        "1. numbers in statement1 : 1,200.5",
        "2. numbers in statement2 : none",
        "the answer is option 2. #### 2",
    ]
    assert template_demonstration(QQA).split("\n")[:2] == [
        "1. numbers in question : 5 , 3.5",
        "2. numbers in options : none",
    ]


@given(st.text(), st.text(), st.integers(0, 2))
def test_demonstration_has_three_lines_whatever_the_text(statement1, statement2, answer):
    question = Question("stresstest", {"statement1": statement1, "statement2": statement2}, THREE_WAY.options, answer)
    demonstration = template_demonstration(question)
    assert len(demonstration.split("\n")) == 3
    assert extract_answer(demonstration, question, strict=True) == answer
