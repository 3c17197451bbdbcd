"""Properties of forms and extraction, for any number and any text."""

from fractions import Fraction

from hypothesis import assume, example, given
from hypothesis import strategies as st

from stepladder.questions.mathematics.cleaning import LONGEST
from stepladder.questions.mathematics.extraction import boxed, extract_answer
from stepladder.questions.mathematics.forms import compare, form
from stepladder.questions.mathematics.rationals import rational
from stepladder.questions.mathematics.values import Unbounded, value

NUMBERS = st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**6)
WHOLE = st.integers(min_value=-(10**12), max_value=10**12)
ALPHABET = st.sampled_from(
    [*"0123456789.,-+*/^_(){}[]$%\\ axi!=&", "\\frac", "\\sqrt", "\\pi", "\\text{", "####", "\\boxed{"]
)
EXPRESSIONS = st.lists(ALPHABET, max_size=30).map("".join)


def writings(number: Fraction) -> list[str]:
    sign, over, under = "-" if number < 0 else "", abs(number.numerator), number.denominator
    whole, rest = divmod(over, under)
    forms = [
        f"{sign}{over}/{under}",
        f"{sign}\\frac{{{over}}}{{{under}}}",
        f"${sign}\\dfrac{{{3 * over}}}{{{3 * under}}}$",
        f"\\boxed{{\\frac{{{sign}{over}}}{{{under}}}}}",
        f"{sign}{over:,}/{under} dollars",
    ]
    forms += [f"{sign}{whole:,} {rest}/{under}", f"{sign}{whole}\\frac{{{rest}}}{{{under}}}"] if whole and rest else []
    return forms


@given(NUMBERS)
def test_all_writings_of_a_number_are_equal_in_both_orders(number):
    forms = [form(written) for written in writings(number)]
    assert {compare(first, second) for first in forms for second in forms} == {"equal"}
    assert forms[0].text == str(number)


@given(NUMBERS, NUMBERS)
def test_writings_of_two_numbers_are_different_in_both_orders(first, second):
    assume(first != second)
    for one, other in zip(writings(first), writings(second), strict=False):
        assert compare(form(one), form(other)) == compare(form(other), form(one)) == "different"


@given(WHOLE, st.integers(min_value=0, max_value=12))
def test_decimals_with_commas(digits, places):
    number = Fraction(digits, 10**places)
    written = f"{'-' if digits < 0 else ''}{abs(digits) // 10**places:,}.{abs(digits) % 10**places:0{places}d}"
    assert rational(written) == number
    assert compare(form(f"${written}"), form(f"{number.numerator}/{number.denominator}")) == "equal"


@given(st.text() | EXPRESSIONS)
@example("\\frac{1}{0}")
@example("\ud800")
def test_every_text_equals_itself(text):
    assert compare(form(text), form(text)) == "equal"


@given(st.text() | EXPRESSIONS, st.text() | EXPRESSIONS)
def test_forms_compare_symmetrically(first, second):
    assert compare(form(first), form(second)) == compare(form(second), form(first))


@given(EXPRESSIONS)
def test_a_form_is_stable(text):
    once = form(text)
    assert compare(form(once.text), once) != "different"


@given(st.text() | EXPRESSIONS, st.booleans())
def test_extraction_reads_any_text(text, strict):
    answer = extract_answer(text, strict)
    assert answer is None or 0 < len(answer) <= LONGEST
    if strict and answer is not None:
        assert answer in text and ("####" in text or "\\boxed" in text or "\\fbox" in text)


@given(
    st.text(), st.text(st.characters(exclude_characters="#", exclude_categories=["Z", "C"]), min_size=1, max_size=50)
)
def test_a_marked_answer_is_read_as_it_stands(chain, answer):
    assert extract_answer(f"{chain}\n#### {answer}", strict=True) == answer


@given(
    st.recursive(
        st.sampled_from(["1", "x", "\\}", ""]),
        lambda inner: st.lists(inner, max_size=3).map(lambda parts: "{" + "".join(parts) + "}"),
        max_leaves=20,
    )
)
def test_a_box_ends_at_its_own_brace(content):
    assert boxed(f"so \\boxed{{{content}}} and {{more}}") == content


@given(WHOLE, WHOLE, st.integers(min_value=1, max_value=10**6))
def test_values_of_arithmetic(first, second, third):
    expected = first + second / third
    found = value(f"{first}+\\frac{{{second}}}{{{third}}}".replace("+-", "-"))
    assert found is not None and abs(found - expected) <= 1e-9 * max(1, abs(expected), abs(first))


@given(EXPRESSIONS)
def test_a_value_is_finite_or_none(text):
    try:
        found = value(text)
    except Unbounded:
        return
    assert found is None or abs(found) < float("inf")
