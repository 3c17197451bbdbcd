"""split_steps: where steps begin and end, in the robust and in the published form."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.errors import StepladderError
from stepladder.reasoning.steps import Span, split_steps, step_kinds

examples = settings(deadline=None, max_examples=200)
STYLES = ("line", "numbered", "numbered_as_published")
ANSWERED_LIST = "1. A is 3.\n2. B is 4.\n3. Thus, the answer is option 1. #### 1"

chains = st.lists(
    st.sampled_from(
        [
            "1.", "2.", "3.", "11.", "1)", "2)", "[1]", "[2].", "[3]", "Step 1:", "step 2:", "####", "é",
            "\n", "\n\n", " ", "\t", "\r\n", ". ", "? ", "\\n", "A is", "option 1. ", "2024. ", "see [1]",
        ]
    ),
    max_size=25,
).map("".join)  # fmt: skip


def texts(text: str, style: str) -> list[str]:
    return [text[span.start : span.end] for span in split_steps(text, style)]


# --- one step a line


def test_a_line_is_a_step_that_ends_with_its_newline():
    assert texts("a = 1\nb = 2\n#### 3", "line") == ["a = 1\n", "b = 2\n", "#### 3"]


def test_blank_lines_belong_to_the_step_before_and_leading_ones_to_the_first():
    assert texts("\n \na\n\n\t\nb\n\n", "line") == ["\n \na\n\n\t\n", "b\n\n"]


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n "])
def test_white_space_alone_is_no_step(text):
    assert split_steps(text, "line") == []


@examples
@given(chains)
def test_lines_cover_the_whole_text_and_count_its_lines_with_content(text):
    spans = split_steps(text, "line")
    assert len(spans) == sum(bool(line.strip()) for line in text.split("\n"))
    if spans:
        assert "".join(text[span.start : span.end] for span in spans) == text
        assert all(text[span.end - 1] == "\n" for span in spans[:-1])


# --- numbered markers, robust


@pytest.mark.parametrize(
    "form",
    ["{}. ", "{}) ", "[{}] ", "[{}]. ", " [{}] . ", "Step {}: ", "  {}.  ", "step {}:"],
)
@pytest.mark.parametrize("steps", [1, 3, 12])
def test_every_form_of_marker_counts_also_with_several_digits(form, steps):
    text = "".join(f"{form.format(number)}claim {number}.\n" for number in range(1, steps + 1))
    assert texts(text, "numbered") == text.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (ANSWERED_LIST, 3),
        ("1. A\n2. B\n3. C", 3),
        ("[9] x [10] y [11] z", 0),
        ("The answer is option 1. #### 1", 0),
        # A line that ends in a colon before the next number.
        ("1. The sums are:\n2. B is 4.\n3. C.", 3),
        # Numbers inside a sentence that end in 1 and are followed by a full stop.
        ("1. There were 31. It fell to 21. Then 11.\n2. So option 1. is right.", 2),
        # Bracketed references to earlier steps, inside a sentence and at the start of a line.
        ("[1] A is 3.\n[2] From [1] and [2] B is 4.\n[1] says so.\n[3] C.", 3),
        # A decimal number, a year and a number with a thousands point open a line.
        ("1. Speeds:\n1.5 m/s is slow\n2. In\n2024. it was\n3.000 more\n3. C", 3),
        # A gap in the numbers, a repetition, and a jump that is no list.
        ("1. A\n2. B\n5. C", 3),
        ("1. A\n1. B\n2. C", 2),
        ("1. A\n2. B\n6. C", 2),
        ("0. A\n1. B", 1),
        # A marker with nothing behind it, and one with only the answer behind it.
        ("1. A\n2.\n3. B", 2),
        ("1. A\n2. B\n3. #### 1", 2),
        ("1. A\n2. B\n#### 1. ", 2),
        ("1. A\n2. B\n####\n3. ", 2),
        # The answer's mark is a tail only at the end.
        ("1. A #### 1\n2. B\n3. C", 3),
        ("", 0),
        ("no list at all\nbut lines", 0),
    ],
)
def test_number_of_numbered_steps(text, steps):
    assert len(split_steps(text, "numbered")) == steps


def test_numbered_steps_hold_their_marker_and_the_last_one_the_answer():
    text = "Let us see.\n" + ANSWERED_LIST
    assert texts(text, "numbered") == [
        "1. A is 3.\n",
        "2. B is 4.\n",
        "3. Thus, the answer is option 1. #### 1",
    ]
    assert split_steps(text, "numbered")[0].start == len("Let us see.\n")


@pytest.mark.parametrize("opening", ["Step {}: ", "{}. ", "[{}] "])
@pytest.mark.parametrize("inner", ["{}) a", "  {}) b", "{}.5 m", "{}.000 m", "{})x"])
def test_neither_a_list_of_another_form_nor_a_decimal_number_opens_a_step(opening, inner):
    steps = [
        opening.format(number) + "do\n" + "".join(inner.format(item) + "\n" for item in range(1, 6))
        for number in range(1, 4)
    ]
    assert texts("".join(steps), "numbered") == steps


def test_an_empty_marker_belongs_to_the_step_before():
    assert texts("1. A\n2.\n3. B", "numbered") == ["1. A\n2.\n", "3. B"]


@examples
@given(chains)
def test_numbered_steps_lose_only_text_before_the_first(text):
    spans = split_steps(text, "numbered")
    if spans:
        assert text[: spans[0].start] + "".join(texts(text, "numbered")) == text
        assert all(span.start == 0 or text[span.start - 1] == "\n" for span in spans)


@examples
@given(st.lists(st.text("abc 1.[]", min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=15))
def test_numbering_lines_and_splitting_gives_the_lines_back(claims):
    text = "\n".join(f"Step {number}: {claim}" for number, claim in enumerate(claims, start=1))
    assert [step.partition(": ")[2].removesuffix("\n") for step in texts(text, "numbered")] == claims


# --- numbered markers, as published


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (ANSWERED_LIST, 4),
        ("1. A\n2. B\n3. C", 1),
        ("[9] x [10] y [11] z", 1),
        ("The answer is option 1. #### 1", 1),
        ("[1] A. [2] B.\n[3] From [1] C.", 4),
        ("1. The sums are:\n2. B is 4.\n3. C.", 2),
        ("1. There were 31. It fell.", 2),
        ("1. Is it 4? 2. Yes", 2),
        (r"1. A\n 2. B\n3. C", 3),
        ("nothing", 0),
        ("[1] \n[2] A", 1),
    ],
)
def test_number_of_steps_as_published(text, steps):
    assert len(split_steps(text, "numbered_as_published")) == steps


def test_published_steps_hold_their_marker_with_the_full_stop_before_it():
    assert texts(ANSWERED_LIST, "numbered_as_published") == [
        "1. A is 3",
        ".\n2. B is 4",
        ".\n3. Thus, the answer is option ",
        "1. #### 1",
    ]


@pytest.mark.parametrize("option", [1, 2, 3])
def test_the_published_form_pays_option_one_with_an_extra_step_and_the_robust_form_does_not(option):
    text = f"1. A is 3.\n2. B is 4.\n3. Thus, the answer is option {option}. #### {option}"
    assert len(split_steps(text, "numbered_as_published")) == (4 if option == 1 else 3)
    assert len(split_steps(text, "numbered")) == 3


# --- all styles


@examples
@given(chains, st.sampled_from(STYLES))
def test_spans_are_ordered_disjoint_within_the_text_and_have_content(text, style):
    end = 0
    for span in split_steps(text, style):
        assert end <= span.start < span.end <= len(text)
        assert text[span.start : span.end].strip()
        end = span.end


def test_spans_are_values():
    assert split_steps("a", "line") == [Span(0, 1)]
    with pytest.raises(AttributeError):
        Span(0, 1).start = 2


def test_an_unknown_style_is_refused():
    with pytest.raises(StepladderError, match=r"unknown step style 'lines'.*numbered_as_published"):
        split_steps("a", "lines")


def test_react_lines_are_steps_and_other_lines_belong_to_the_step_before():
    steps = ["Thought 1: cats sleep.\nSo Tom does.\n\n", "Action 1: look at B\n", "Observation 1: it fits\n"]
    steps += ["Action 2: Finish[The answer is B.]\n"]
    assert texts("".join(steps), "react") == steps
    assert texts("Well.\nThought 1: a\nAction 2: b", "react") == ["Well.\nThought 1: a\n", "Action 2: b"]
    assert texts("no marker\nThoughts 1: none", "react") == []


@given(st.text(alphabet="Thought Action1:\n", max_size=80))
def test_react_steps_cover_any_text_that_has_one(text):
    steps = texts(text, "react")
    assert not steps or "".join(steps) == text


def test_a_steps_kind_is_its_markers_word():
    text = "So.\nThought 1: a\nb: Action 7: no\nAction 1: c\n\nObservation 1: d\nThought: e\nAction 12: Finish[A]"
    assert step_kinds(text) == ["Thought", "Action", "Observation", "Action"]
    assert [text[span.start :].lstrip("So.\n").split()[0] for span in split_steps(text, "react")] == step_kinds(text)
    assert step_kinds("") == step_kinds("thought 1: a") == []


@examples
@given(st.lists(st.sampled_from(["Thought 1:", "Action 2:", "Observation 3:", "Action", "\n", " ", "x"])).map("".join))
def test_every_step_of_style_react_has_one_kind(text):
    assert len(step_kinds(text)) == len(split_steps(text, "react"))
