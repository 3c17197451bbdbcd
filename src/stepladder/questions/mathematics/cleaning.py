"""What is around an answer and does not change it: delimiters, spacing, units, currency, per cent, emphasis."""

import re

from stepladder.questions.mathematics.characters import ascii_mathematics
from stepladder.questions.mathematics.rationals import SCALES

LONGEST = 1000
"""Characters; whatever is longer is no answer."""

# "\\" ends a row of a matrix; while commands that begin with one backslash are removed, this stands in for it.
_ROW_END = "\x01"
_END = r"(?![A-Za-z])"
_REWRITTEN = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"\\[()\[\]]", ""),
        (r",\s*\\!\s*|\{,\}", ","),
        (r"(?<=[0-9])\\[,;](?=[0-9]{3}(?![0-9]))|\\!", ""),
        (rf"\\[,;: ]|~|\\q?quad{_END}", " "),
        (rf"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits){_END}", ""),
        (rf"\s*\^\s*\{{?\s*\\circ{_END}\s*\}}?|\\degrees?{_END}", ""),
        (r"\\?[%$€£¥]", ""),
        (rf"\\[dtc]frac{_END}", r"\\frac"),
        (rf"\\([lg])eq{_END}", r"\\\1e"),
        (r"\*\*", "^"),
    ]
]
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{(.*)\}")
_LEADING = re.compile(r"(?:about|approximately|exactly|only|(?:USD|US|Rs\.?)(?=\s*[0-9]))\s*", re.IGNORECASE)
_TEXT = re.compile(r"\\(?:text|mbox|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|operatorname)\s*\{([^{}]*)\}")

_ARGUMENT = rf"(\\pi{_END}|[0-9A-Za-z])"
_BRACED = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"(?<![A-Za-z\\])pi(?![A-Za-z])", r"\\pi "),
        (r"(?<![A-Za-z\\])(?:infinity|infty|oo)(?![A-Za-z])", r"\\infty "),
        (r"(?<![A-Za-z])\\?sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"^\\sqrt\[([0-9]*[13579])\]\{-([0-9.]+)\}$", r"-\\sqrt[\1]{\2}"),
        (r"\\(frac|sqrt)\s+", r"\\\1"),
        (r"\}\s+\{", "}{"),
        (rf"\\frac{_ARGUMENT}\s*{_ARGUMENT}", r"\\frac{\1}{\2}"),
        (rf"\\frac{_ARGUMENT}\{{", r"\\frac{\1}{"),
        (rf"(\\frac\{{[^{{}}]*\}})\s*{_ARGUMENT}", r"\1{\2}"),
        (rf"\\sqrt{_ARGUMENT}", r"\\sqrt{\1}"),
    ]
]

_POWER = r"(?:\s*\^\s*\{?\s*[0-9]\s*\}?)?"
_WORDS = r"[A-Za-z]+(?:[ ./'-]+[A-Za-z]+)*"
_VALUE_END = re.compile(r"(?:[0-9)}\]]|\\pi|(?<![A-Za-z])[A-Za-z])$")
_TEXT_UNIT = re.compile(rf"\s*(?:\\(?:text|mbox|textrm|mathrm)\s*\{{\s*([^{{}}]*)\}}{_POWER}\s*)+$")
_SHORT_UNIT = r"cm|mm|km|kg|mg|ml|ft|in|lbs?|oz|mi|yd|hrs?|min|sec|mph|kph|am|pm|m/s"
_WORD_UNIT = re.compile(
    rf"(?<=[0-9)}}\]])(?:\s*(?:{_SHORT_UNIT})|\s+([A-Za-z]{{3,}}|of))(?:[ ./'-]+{_WORDS})?{_POWER}$"
)
_SCALE_UNIT = re.compile(rf"(?<=[0-9])(\s*(?:{'|'.join(SCALES)}))\s+{_WORDS}$", re.IGNORECASE)
_NO_UNITS = {
    "and", "or", "sin", "cos", "tan", "log", "exp", "times", "over", "plus", "minus", "mod", "divided", *SCALES,
}  # fmt: skip


def clean(answer: str) -> str:
    """The answer in ASCII and LaTeX, without what does not change it.

    Removed are mathematical delimiters, spacing and sizing commands, a box, emphasis, a full stop at the end, degrees,
    per cent and currency signs, and the unit after a number: "\\(\\$1{,}200.00\\)" gives "1,200.00", "$5.4 \\text{
    cents}$" gives "5.4", "20%" gives "20". A unit is never converted. \\frac and \\sqrt get their braces.

    Args:
        answer: at most ``LONGEST`` characters.
    """
    text = " ".join(ascii_mathematics(answer).split()).replace(r"\\", _ROW_END).strip("*_` ")
    for pattern, replacement in _REWRITTEN:
        text = pattern.sub(replacement, text)
    text = _trimmed(text)
    if boxed := _BOX.fullmatch(text):
        text = _trimmed(boxed[1])
    text = without_unit(_LEADING.sub("", text, count=1) if _LEADING.match(text) else text)
    for pattern, replacement in _BRACED:
        text = pattern.sub(replacement, text)
    return _trimmed(" ".join(text.split())).replace(_ROW_END, r"\\")


def spoken(text: str) -> str:
    """The text with the content of \\text{...} and its kin in place of the command."""
    return " ".join(_TEXT.sub(r" \1 ", text).split())


def without_unit(text: str) -> str:
    """The number alone, where the text is a number with a unit behind it; else the text as it is.

    A unit in plain letters has three of them or is one of a few short ones, since "5 x" and "2 ab" are products.
    """
    unit = _TEXT_UNIT.search(text)
    if unit and _VALUE_END.search(text[: unit.start()]):
        return text[: unit.start()] if _is_unit(unit[1]) else spoken(text)
    text = _SCALE_UNIT.sub(r"\1", text)
    unit = _WORD_UNIT.search(text)
    return text[: unit.start()] if unit and _is_unit(unit[1] or "") else text


def _is_unit(words: str) -> bool:
    return words.casefold().split()[:1] == [] or words.casefold().split()[0] not in _NO_UNITS


def _trimmed(text: str) -> str:
    return text.lstrip("*_`=,;: ").rstrip("*_`=.,;: ")
