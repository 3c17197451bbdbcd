"""One form for equal answers: rational numbers by value, tuples and lists by their parts, words without case."""

import re
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Literal

from stepladder.questions.mathematics.cleaning import LONGEST, clean, spoken, without_unit
from stepladder.questions.mathematics.rationals import rational
from stepladder.questions.mathematics.values import Unbounded, differ, value

UNANSWERABLE = "unanswerable"
"""The answer of a question that cannot be answered."""

DEEPEST = 8
"""Levels of tuples and lists that are taken apart."""

_UNANSWERABLE = re.compile(
    r"none|n/?a|null|unanswerable|unknown|(?:it |the answer )?(?:is )?"
    r"(?:(?:can ?not|can't|could not|impossible to) be|impossible to|not possible to|un(?:able|possible) to) "
    r"(?:determined?|answer(?:ed)?|calculated?|known|solved?).*"
    r"|(?:there is )?(?:not enough|insufficient) (?:information|data).*|not given|undetermined|indeterminate",
    re.IGNORECASE,
)
_AND = re.compile(r"\s*,?\s(?:and|or)\s|\s*,?\s*\\(?:text|mbox|textrm|mathrm)\s*\{\s*(?:and|or)\s*\}")
_OPENING, _CLOSING = "([{", ")]}"
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_BASE = re.compile(r"([0-9A-Fa-f]+)\s*_\s*\{?\s*([0-9]+)\s*\}?")
# A sum or integral that nobody has worked out is no answer, and working it out is what hangs a grader.
_UNEVALUATED = re.compile(r"\\(?:int|iint|oint|sum|prod|lim)(?![A-Za-z])")
_LETTER = re.compile(r"\(?\s*([A-Za-z])\s*\)?")
_WORDS = re.compile(r"[A-Za-z]{2,}(?:[ '-][A-Za-z]+)*")
# A blank that separates neither two letters nor two digits.
_LOOSE_BLANK = re.compile(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])|(?<=[0-9])\s+(?=[A-Za-z])|(?<=[A-Za-z])\s+(?=[0-9])")


@dataclass(frozen=True)
class Form:
    """An answer in one form.

    Attributes:
        text: equal texts are equal answers.
        exact: of two exact forms, unequal texts are unequal answers.
        value: the number, or the value of an expression at a fixed point, to rounding; None where it is not told.
        kind: "tuple()", "tuple[)", ...: ordered, with its brackets; "list": without order; "scalar": all else.
        parts: the members of a tuple or list.
    """

    text: str
    exact: bool
    value: complex | None = None
    kind: str = "scalar"
    parts: tuple["Form", ...] = ()


@lru_cache(maxsize=1 << 16)
def form(answer: str) -> Form:
    """The one form of an answer; one of more than ``LONGEST`` characters equals only itself."""
    if len(answer) > LONGEST:
        return Form(answer, exact=True)
    text = clean(answer)
    if _UNANSWERABLE.fullmatch(spoken(text)):
        return Form(UNANSWERABLE, exact=True)
    return _form(text, 0)


def compare(first: Form, second: Form) -> Literal["equal", "different", "undecided"]:
    """What the forms alone say of two answers; "undecided" needs algebra."""
    if first.text == second.text:
        return "equal"
    return "different" if _apart(first, second) else "undecided"


def _apart(first: Form, second: Form) -> bool:
    if first.exact and second.exact:
        return first.text != second.text
    if first.kind != second.kind:
        return all(form.exact or form.parts or form.value is not None for form in (first, second))
    if first.kind == "scalar":
        if any(form.exact and form.value is None for form in (first, second)):
            return True
        return first.value is not None and second.value is not None and differ(first.value, second.value)
    if first.kind == "list":
        return _has_stranger(first, second) or _has_stranger(second, first)
    return len(first.parts) != len(second.parts) or any(map(_apart, first.parts, second.parts))


def _has_stranger(first: Form, second: Form) -> bool:
    return any(all(_apart(part, other) for other in second.parts) for part in first.parts)


def _form(text: str, depth: int) -> Form:
    if (number := rational(text)) is not None:
        try:
            return Form(str(number), exact=True, value=float(number))
        except OverflowError:
            return Form(str(number), exact=True, value=inf)
    if depth > DEEPEST:
        return _scalar(text)
    if text.startswith(r"\{") and text.endswith(r"\}"):
        return _list(_split(text[2:-2]), depth)
    if text.count(r"\pm") == 1 and not any(bracket in text for bracket in "(["):
        return _list([text.replace(r"\pm", sign) for sign in "+-"], depth)
    if text[:1] in ("(", "[") and text[-1:] in (")", "]") and _closing(text) == len(text) - 1:
        parts = _split(text[1:-1])
        if len(parts) > 1:
            return _tuple(text[0], text[-1], [_form(part, depth + 1) for part in parts])
        return _form(text[1:-1].strip(), depth + 1) if text[0] + text[-1] == "()" else _scalar(text)
    if text[:1] == "{" and _closing(text) == len(text) - 1:
        return _form(text[1:-1].strip(), depth + 1)
    parts = _split(text)
    return _list(parts, depth) if len(parts) > 1 else _scalar(text)


def _tuple(opening: str, closing: str, parts: list[Form]) -> Form:
    text = f"{opening}{', '.join(part.text for part in parts)}{closing}"
    return Form(text, all(part.exact for part in parts), None, f"tuple{opening}{closing}", tuple(parts))


def _list(texts: list[str], depth: int) -> Form:
    members = {part.text: part for part in (_form(without_unit(text.strip()), depth + 1) for text in texts)}
    parts = tuple(members[text] for text in sorted(members))
    if len(parts) == 1:
        return parts[0]
    return Form(", ".join(part.text for part in parts), all(part.exact for part in parts), None, "list", parts)


def _scalar(text: str) -> Form:
    if found := _BASE.fullmatch(text):
        return Form(f"{found[1].upper()}_{found[2]}", exact=True)
    words = spoken(text)
    if found := _LETTER.fullmatch(words):
        return Form(found[1], exact=False, value=value(found[1]))
    if _WORDS.fullmatch(words) and (words != text or re.search("[A-Za-z]{4}", words)):
        return Form(words.casefold(), exact=True)
    compact = _LOOSE_BLANK.sub("", text)
    if _UNEVALUATED.search(compact):
        return Form(compact, exact=True)
    try:
        return Form(compact, exact=False, value=value(compact))
    except Unbounded:
        return Form(compact, exact=True)


def _split(text: str) -> list[str]:
    """Members between commas, "and" and "or" outside brackets; a comma that groups thousands separates nothing where
    another comma is followed by a blank."""
    text = _AND.sub(", ", text)
    grouping = {found.start() for found in _THOUSANDS.finditer(text)} if ", " in text else set()
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth < 0:
            return [text]
        if character == "," and depth == 0 and place not in grouping:
            parts.append(text[start:place].strip())
            start = place + 1
    return [part for part in (*parts, text[start:].strip()) if part] if depth == 0 else [text]


def _closing(text: str) -> int | None:
    """Where the bracket that opens the text is closed, whatever the kind of the closing bracket."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth == 0:
            return place
    return None
