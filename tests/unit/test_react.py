"""Questions about a passage: their one prompt, and the one extractor of their answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepladder.questions.grading import extract_answer, extract_as_published
from stepladder.questions.judging import are_right, gold_answer
from stepladder.questions.prompts import build_prompt, template_demonstration
from stepladder.questions.question import Question
from stepladder.questions.react import finish_line

QUESTION = Question(
    "logiqa2", {"context": "All cats sleep.", "question": "What follows?"}, ("Tom", "Ann", "Sam", "None of them"), 1
)


def test_prompt_holds_context_question_and_lettered_options_and_the_chain_begins_a_line():
    assert build_prompt(QUESTION, instruction=False) == (
        "Context:\nAll cats sleep.\n\nQuestion:\nWhat follows?\n\nOptions:\nA. Tom\nB. Ann\nC. Sam\nD. None of them\n\n"
    )


def test_instruction_names_the_form_and_stands_before_the_same_prompt():
    whole, bare = (build_prompt(QUESTION, instruction) for instruction in (True, False))
    assert whole.endswith(f"\n\n{bare}")
    assert all(word in whole for word in ("Thought", "Action", "Observation", finish_line(3, 0)))


@pytest.mark.parametrize(
    ("text", "strict", "flexible", "published"),
    [
        # The table of methods/lpr.md, section 8.
        ("Action 3: Finish[The answer is A.]", 0, 0, 0),
        ("Action 3: Finish[The answer is A and B.]", None, None, None),
        ("Action 3: The answer is C.", None, 2, None),
        # Text that runs on behind the bracket counts for nothing.
        ("Action 2: Finish[The answer is D.]\nContext:\nB and C", 3, 3, 3),
        ("Action 2: Finish[The answer is D.] Not B.", 3, 3, 3),
        ("Action 2: Finish[B]\nAction 3: Finish[C]", 1, 1, 1),
        # Letters in words: the published rule takes them for options.
        ("Finish[The answer is B, as Cats sleep.]", 1, 1, None),
        ("Finish[The Bad one]", None, None, 1),
        ("Finish[the answer is b.]", None, None, None),
        ("Finish[The answer is (C)]", 2, 2, 2),
        ("Finish[The answer is E.]", None, None, None),
        ("Finish[]", None, None, None),
        ("Finish[The answer is A", None, 0, 0),
        ("The answer is B. No: the answer is (D).", None, 3, None),
        ("", None, None, None),
    ],
)
def test_what_a_chain_answers(text, strict, flexible, published):
    assert extract_answer(text, QUESTION, strict=True) == strict
    assert extract_answer(text, QUESTION) == flexible
    assert extract_as_published(text, QUESTION) == published


@given(st.integers(0, 3), st.text(alphabet="AB xyz.\n[", max_size=40))
def test_a_finish_line_is_read_whatever_stands_around_it(option, around):
    line = finish_line(4, option)
    assert extract_answer(f"{around.replace('Finish', '')}\n{line}\n{around}", QUESTION, strict=True) == option


def test_demonstration_in_form_ends_in_the_right_answer():
    chain = template_demonstration(QUESTION)
    assert [line.split()[0] for line in chain.split("\n")] == ["Thought", "Action"]
    assert are_right([chain, chain.replace("B.]", "C.]")], QUESTION) == [True, False]
    assert gold_answer(QUESTION) == "2"
