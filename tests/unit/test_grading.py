"""Answer extraction by the strict, the flexible and the published rules, and grading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepladder.questions.grading import extract_answer, extract_as_published
from stepladder.questions.question import Question

QQA = Question("qqa", {"question": "Which?"}, ("a", "b"), 1)
NLI = Question("stresstest", {"statement1": "a", "statement2": "b"}, ("Entailment", "contradiction", "neutral"), 0)
NEWS = Question("newsnli", {"statement1": "a", "statement2": "b"}, ("Entailment", "neutral"), 0)

# text, strict, flexible; options are counted from 0
TABLE = [
    ("1. 9 + 7 = 16\nthe answer is option 2. #### 2", 1, 1),
    ("the answer is option 1. #### 1\n \n", 0, 0),
    ("#### 2", 1, 1),
    ("####2", 1, 1),
    ("the answer is option 2. There are 35 left", None, 1),
    ("the answer is option 2. There are 35 left. #### 35", None, None),
    ("the answer is option 10", None, None),
    ("the answer is option 1. #### 10", None, None),
    ("the answer is option 0. #### 0", None, None),
    ("#### 3", None, None),
    ("#### 01", None, None),
    ("#### 1\n#### 2", 1, 1),
    ("#### 2\nso it is option 1", None, 1),
    ("#### 1.", None, 0),
    ("#### 1.5", None, None),
    ("#### 1,2", None, None),
    ("#### 12.5", None, None),
    ("#### 2b", None, None),
    ("option 1 is wrong, so it is option 2", None, 1),
    ("Option1", None, 0),
    ("OPTION 2!", None, 1),
    ("option 2.5 metres", None, None),
    ("option 1\noption 7", None, None),
    ("adoption 1", None, None),
    ("options 1 and 2", None, None),
    ("it is 2", None, None),
    ("", None, None),
    ("#### ", None, None),
    ("\x00#### 2\x00", None, 1),
    ("#### \u0661", None, None),
]


@pytest.mark.parametrize(("text", "strict", "flexible"), TABLE)
def test_strict_and_flexible_rules(text, strict, flexible):
    assert extract_answer(text, QQA, strict=True) == strict
    assert extract_answer(text, QQA) == flexible


def test_the_number_of_options_of_the_question_counts():
    assert extract_answer("#### 3", NLI, strict=True) == 2
    assert extract_answer("option 3", NLI) == 2
    assert extract_answer("#### 4", NLI) is None


# text, question, the number that the released code reads, less one
PUBLISHED = [
    ("the answer is option 2. There are 35 left", QQA, 4),
    ("the answer is option 10", QQA, -1),
    ("The Answer is option 2.", QQA, 1),
    ("the answer is option 1. #### 1", QQA, 0),
    ("the answer is option one\nthe answer is option 2", QQA, 1),
    ('the correct answer is "option 2", not 1', QQA, 1),
    ("the correct answer is option 2, not 1", QQA, 1),
    ("##### \n 2", QQA, 1),
    ("(option 2)", QQA, 1),
    ("the correct answer is the second option, number 2", QQA, 1),
    ("#### b", QQA, 1),
    ("#### entailment", NLI, 0),
    ("#### contradictary", NLI, 1),
    ("#### neutral", NLI, 2),
    ("#### neutral", NEWS, 1),
    ("#### maybe", NLI, None),
    ("option 2", QQA, None),
    ("", QQA, None),
]


@pytest.mark.parametrize(("text", "question", "expected"), PUBLISHED)
def test_published_rules(text, question, expected):
    assert extract_as_published(text, question) == expected


@given(st.text(), st.sampled_from([QQA, NLI]), st.booleans())
def test_any_text_gives_an_option_or_none(text, question, strict):
    assert extract_answer(text, question, strict) in {None, *range(len(question.options))}


@given(
    st.lists(st.sampled_from(["#", "####", " ", "option", "1", "2", "35", ".", "\n", "the answer is option", "("])),
    st.sampled_from([QQA, NLI]),
)
def test_rules_agree_where_strict_finds_an_answer(parts, question):
    text = "".join(parts)
    strict = extract_answer(text, question, strict=True)
    assert strict is None or strict == extract_answer(text, question)
    assert extract_as_published(text, question) in {None, *range(-1, 9)}


@pytest.mark.parametrize(
    "text",
    [
        "#" * 1_000_000,
        "#### " * 200_000,
        "####" + " " * 1_000_000,
        "#### " + "1" * 1_000_000,
        "the answer is option " * 50_000,
        "the correct answer is option " * 40_000,
        "option " * 150_000,
        "\n" * 1_000_000,
        "\x00" * 1_000_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_million_characters_are_read_in_linear_time(text):
    # Under a rule of quadratic time each of these takes hours.
    assert extract_answer(text, QQA, strict=True) is None
    assert extract_answer(text, QQA) is None
    extract_as_published(text, QQA)
