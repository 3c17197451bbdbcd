"""Steps of mathematics, after VinePPO: no character is lost, no step is blank, and each rule cuts where it says."""

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stepladder.questions.gsm8k import without_calculations
from stepladder.reasoning.math_steps import LONG, SHORTEST_OF_FORMULA
from stepladder.reasoning.steps import split_steps

FIRST, SECOND = "We first look at the numbers on the left", "Then we look at the other ones on the right"
# What the splitters look for, so that arbitrary texts hold it in every order.
PIECES = ["$", "$$", "\\(", "\\)", "\\[", "\\]", "[asy]", "[/asy]", "\\begin{align}", "\\end{align}", "\\begin{a", "}",
          "\\begin{tabular}", "\\end{tabular}", "\\$", ".", ". A", ",", " and ", " to ", ":", "=", "+", "\\equiv", "\n",
          "\n\n", " ", "#### 5", "x", "some words that are long enough to stand alone", "\ue000"]  # fmt: skip


def steps(text: str, style: str = "math") -> list[str]:
    return [text[span.start : span.end] for span in split_steps(text, style)]


def assert_covers(text: str, style: str) -> None:
    spans = split_steps(text, style)
    assert all(span.start < span.end for span in spans)
    assert "".join(text[span.start : span.end] for span in spans) == (text if text.strip() else "")
    assert [span.start for span in spans[1:]] == [span.end for span in spans[:-1]]
    assert all(part.strip() for part in steps(text, style)), "a blank step"


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=60).map("".join)))
@example("$" * 301)
@example("\\begin{a}" * 100)
@example(("1 = " * 60) + "\n" + "$" + "1 = " * 60 + "$")
def test_arbitrary_text_is_covered_by_its_steps(text):
    assert_covers(text, "math")
    assert_covers(text, "gsm8k")


def test_steps_cover_every_solution_of_math500(real_data):
    solutions = [json.loads(line)["solution"] for line in (real_data / "math500/test.jsonl").open()]
    counts = []
    for solution in solutions:
        assert_covers(solution, "math")
        parts = steps(solution)
        counts.append(len(parts))
        assert all(len(part.strip()) >= 3 for part in parts), parts
    assert len(solutions) == 500 and 5 < sum(counts) / 500 < 15, "about the length of a sentence"


def test_steps_cover_every_solution_of_gsm8k_and_the_answer_is_in_the_last(real_data):
    for split in ("train", "test"):
        for line in (real_data / f"gsm8k/{split}.jsonl").open():
            solution = without_calculations(json.loads(line)["answer"])
            assert_covers(solution, "gsm8k")
            *others, last = steps(solution, "gsm8k")
            assert re.search(r"[^\s#].*\n#### \S+\Z", last, re.DOTALL), last
            assert not any("####" in step for step in others)
            assert all(step.startswith("\n") for step in (*others, last)[1:])
            assert 1 + len(others) == sum(bool(each.strip()) for each in solution.split("\n")) - 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\nb = 2\n#### 2", ["a = 1", "\nb = 2\n#### 2"]),
        ("\n\na = 1\nb = 2\n#### 2\n\n", ["\n\na = 1", "\nb = 2\n#### 2\n\n"]),
        ("a = 1\n \nb = 2", ["a = 1\n ", "\nb = 2"]),
        ("a = 1\n#### 2\nb = 3", ["a = 1", "\n#### 2", "\nb = 3"]),  # the answer is not the last line
        ("#### 2", ["#### 2"]),
        (" \n", []),
    ],
)
def test_lines_of_gsm8k(text, expected):
    assert steps(text, "gsm8k") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # sentences, and what only looks like their end
        (f"{FIRST}. {SECOND}.", [f"{FIRST}.", f" {SECOND}."]),
        (f"{FIRST}. then {SECOND}.", None),
        (f"The numbers of Dr. J. Smith. {SECOND}.", ["The numbers of Dr. J. Smith.", f" {SECOND}."]),
        (f"{FIRST}, e.g. Those {SECOND}.", None),
        (f"{FIRST} is $x.$ It is small", [f"{FIRST} is $x.$", " It is small"]),  # the full stop stands in the formula
        (f"{FIRST} is $x. It$. {SECOND}", [f"{FIRST} is $x. It$.", f" {SECOND}"]),  # no sentence ends in a formula
        (f"{FIRST} \\$5. {SECOND} \\$6", [f"{FIRST} \\$5.", f" {SECOND} \\$6"]),  # dollars, and no formula
        # lines: the newline goes with what follows, blank lines and few words as well
        (f"{FIRST}\n\n{SECOND}", [FIRST, f"\n\n{SECOND}"]),
        (f"So\n{SECOND}", None),
        (f"So.\n{SECOND}", ["So.", f"\n{SECOND}"]),
        (f"{FIRST}\nSo\n{SECOND}\n\n", [FIRST, f"\nSo\n{SECOND}\n\n"]),
        # lines of formulas: opening marks do not stand alone
        ("\\[\nx = 1\\\\\ny = 2\n\\]", ["\\[\nx = 1\\\\", "\ny = 2\n\\]"]),
        ("\\begin{align*}\nx &= 1 \\\\\ny &= 2\n\\end{align*}",
         ["\\begin{align*}\nx &= 1 \\\\", "\ny &= 2", "\n\\end{align*}"]),
        ("$\\begin{tabular}{c}\n1.\nTwo\n\\end{tabular}$", ["$\\begin{tabular}{c}", "\n1.\nTwo", "\n\\end{tabular}$"]),
        ("[asy]\ndraw(0);\n\ndraw(1);\n[/asy]", ["[asy]\ndraw(0);", "\n\ndraw(1);", "\n[/asy]"]),
        # a mark that is never closed opens nothing
        (f"{FIRST} $5. {SECOND}", [f"{FIRST} $5.", f" {SECOND}"]),
    ],
)  # fmt: skip
def test_rules_for_mathematics(text, expected):
    assert steps(text) == (expected or [text])


LEFT, RIGHT = "a" * 44, "b" * 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{LEFT} and {RIGHT}, {RIGHT}", [f"{LEFT}", f" and {RIGHT},", f" {RIGHT}"]),  # a comma goes before "and"
        (f"{LEFT}: {RIGHT}", [f"{LEFT}:", f" {RIGHT}"]),
        (f"{LEFT} to {RIGHT}", [LEFT, f" to {RIGHT}"]),
        (f"{LEFT}, {'b' * 20}", None),  # short enough
        (f"{'a' * 30}, {'b' * 90}", None),  # one part would be too short
        (f"{'a' * 45}, {'b' * 10}, {'c' * 60}", [f"{'a' * 45}, {'b' * 10},", f" {'c' * 60}"]),  # nearest to the middle
        (f"${LEFT} = {RIGHT} + {LEFT}$", [f"${LEFT} ", f"= {RIGHT} ", f"+ {LEFT}$"]),  # cut twice
        (f"${LEFT}, {RIGHT}$", None),  # a comma of the formula is none of the language
        (f"{LEFT} = {RIGHT}", None),  # an equals sign of the language is none of a formula
        (f"{LEFT}, ${'b' * 40} = {'c' * 70}$", [f"{LEFT},", f" ${'b' * 40} ", f"= {'c' * 70}$"]),
        (f"${LEFT} \\equivalent {RIGHT}$", None),
        (f"${LEFT} \\equiv {RIGHT}$", [f"${LEFT} ", f"\\equiv {RIGHT}$"]),
        (f"${LEFT},$ {RIGHT}", [f"${LEFT},$", f" {RIGHT}"]),
        (f"${'a' * 30} = {'b' * 80}$ {'c' * 10}, {'d' * 60}",
         [f"${'a' * 30} ", f"= {'b' * 80}$ {'c' * 10},", f" {'d' * 60}"]),
    ],
)  # fmt: skip
def test_long_steps_are_cut(text, expected):
    assert steps(text) == (expected or [text])


def test_parts_of_a_cut_formula_are_not_cut_between_words():
    text = f"${'a' * 60} = {'b' * 20}$ {'c' * 90} and {'d' * 30}"
    assert steps(text) == [f"${'a' * 60} ", f"= {'b' * 20}$ {'c' * 90} and {'d' * 30}"]


def test_no_part_of_a_cut_is_too_short():
    text = "$" + " = ".join("abcdefghijkl" for _ in range(40)) + "$"
    assert all(SHORTEST_OF_FORMULA <= len(step) <= LONG for step in steps(text))
