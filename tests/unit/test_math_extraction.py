"""The answer that a chain states, by the strict and by the flexible rule."""

import pytest

from stepladder.questions.mathematics.cleaning import LONGEST, clean
from stepladder.questions.mathematics.extraction import boxed, extract_answer
from stepladder.questions.mathematics.rationals import rational

# chain, by the strict rule, by the flexible rule
CHAINS = [
    ("2 + 3 = 5\n#### 5", "5", "5"),
    ("2 + 3 = 5\n####5  \n\n", "5", "5"),
    ("so #### 4\n#### 5", "5", "5"),
    ("so it is #### 5", "5", "5"),
    ("#### 5\nThat is all.", None, "5"),
    ("#### -1,200", "-1,200", "-1,200"),
    ("#### None", "None", "None"),
    ("#### \\boxed{5}", "\\boxed{5}", "5"),
    ("5\n####", None, "5"),
    ("5\n####\n", None, "5"),
    ("Thus \\boxed{5}.", "5", "5"),
    ("\\boxed{4} is wrong, so $\\boxed{5}$", "5", "5"),
    ("\\fbox{5}", "5", "5"),
    ("\\boxed {5}", "5", "5"),
    ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}", "\\frac{1}{2}"),
    ("\\boxed{\\{1, \\text{a {b}}\\}} done", "\\{1, \\text{a {b}}\\}", "\\{1, \\text{a {b}}\\}"),
    ("\\boxed{4} but then \\boxed{5", None, "4"),
    ("\\boxed{5", None, "5"),
    ("\\boxed{} so 7", None, "7"),
    ("\\boxed{4}\n#### 5", "5", "5"),
    ("#### 5\n\\boxed{4}", "4", "4"),
    ("The answer is 5.", None, "5"),
    ("The answer is: 5 ", None, "5"),
    ("The answer is -5 dollars.", None, "-5"),
    ("The answer is 3.5 apples. Good.", None, "3.5"),
    ("**Answer:** 1,200", None, "1,200"),
    ("**Answer**: 1,200", None, "1,200"),
    ("Answer: $\\frac{1}{2}$.", None, "\\frac{1}{2}"),
    ("The final answer is $x = 5$. I hope it is correct.", None, "x = 5"),
    ("the answer is 4. No, the answer is 5. We had 9 apples.", None, "5"),
    ("The answer is \\(\\sqrt{2}\\) metres", None, "\\sqrt{2}"),
    ("The answer is:\n\n5", None, "5"),
    ("So it is 2.\n\n# Answer\n\n\\frac{1}{3}", None, "\\frac{1}{3}"),
    ("The answer is 2 + 3 = 5 apples", None, "5"),
    ("The answer is Evelyn.", None, "Evelyn"),
    ("The answer is None", None, "None"),
    ("She has 16 - 3 = 13", None, "13"),
    ("She has 16-3", None, "3"),
    ("It is 16 - 3", None, "3"),
    ("It is -3", None, "-3"),
    ("It fell to -$3", None, "-$3"),
    ("It cost $1,200.50.", None, "$1,200.50"),
    ("He ate 3/4", None, "3/4"),
    ("He ate 1 3/4", None, "1 3/4"),
    ("It is .5", None, ".5"),
    ("It is 5...", None, "5"),
    ("It is 12,5", None, "5"),
    ("It made -1.8 billion", None, "-1.8 billion"),
    ("１８", None, "18"),
    ("no number", None, None),
    ("", None, None),
    ("\x00", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "strict", "flexible"), CHAINS)
def test_both_rules(text, strict, flexible):
    assert extract_answer(text, strict=True) == strict
    assert extract_answer(text, strict=False) == flexible


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 200_000,
        "\\boxed{" + "{" * 1_000_000,
        "####" * 250_000,
        "the answer is " * 80_000,
        "$" * 1_000_000,
        "1," * 500_000,
        "-" * 1_000_000,
        " " * 1_000_000 + "x",
        "1" * 1_000_000,
        "\n" * 1_000_000,
        "answer" + " " * 1_000_000,
    ],
    ids=lambda text: text[:14].strip() or "blanks",
)
def test_a_megabyte_is_read_and_gives_no_long_answer(text):
    for strict in (True, False):
        answer = extract_answer(text, strict)
        assert answer is None or len(answer) <= LONGEST


def test_an_answer_that_is_too_long_is_none():
    assert extract_answer(f"#### {'7' * LONGEST}", strict=True) == "7" * LONGEST
    assert extract_answer(f"#### {'7' * (LONGEST + 1)}", strict=True) is None
    assert boxed(f"\\boxed{{{'7' * 5 * LONGEST}}}") is None


@pytest.mark.parametrize(
    ("answer", "cleaned"),
    [
        ("\\(\\$1{,}200.00\\)", "1,200.00"),
        ("$5.4 \\text{ cents}$", "5.4"),
        ("\\frac12", "\\frac{1}{2}"),
        ("\\sqrt2", "\\sqrt{2}"),
        ("x^2 + 3xy", "x^2 + 3xy"),
        ("5 x", "5 x"),
        ("2 ab", "2 ab"),
        ("3 or 5", "3 or 5"),
        ("\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}"),
        ("\\begin{pmatrix}1\\\\[2pt]2\\end{pmatrix}", "\\begin{pmatrix}1\\\\[2pt]2\\end{pmatrix}"),
        ("3 million dollars", "3 million"),
        (".5", ".5"),
        ("5.", "5"),
    ],
)
def test_cleaning(answer, cleaned):
    assert clean(answer) == cleaned


NO_NUMBERS = ["", "-", ".", ",", "1/0", "\\frac{1}{0}", "1e301", "1e-301", "1,20", "x", "1 2", "--1", "1//2", "-1 -1/2"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number(text):
    assert rational(text) is None
