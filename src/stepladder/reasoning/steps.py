"""Text to steps: where every step of a chain of thought begins and ends."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import get_args

from stepladder.errors import StepladderError
from stepladder.reasoning.math_steps import step_starts
from stepladder.study.fields import StepKind, StepStyle

LARGEST_JUMP = 3
"""Most that a number may rise from one marker to the next: 1, 2, 5 is a list with a gap, 1, 2, 2024 is not.
"""

_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_LINE_BEHIND_NEWLINE = re.compile(r"(?:\A|\n)[^\n]*")
_MARKER = re.compile(
    r"^[ \t]*(?:(?P<dot>\d{1,4})\.(?=\s|\Z)"
    r"|(?P<parenthesis>\d{1,4})\)(?=\s|\Z)"
    r"|\[(?P<square>\d{1,4})\]\.?"
    r"|(?i:step)[ \t]+(?P<word>\d{1,4}):)",
    re.MULTILINE,
)
_REACT_MARKER = re.compile(r"^(?P<kind>Thought|Action|Observation) \d{1,4}:", re.MULTILINE)
_ANSWER_MARK = "####"
_MARKER_AS_PUBLISHED = re.compile(r"\.\s+\d+\.\s|\?\s+\d+\.\s|\n*1+\.\s+|\\n\s*\d+\.|\[\d\]")


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of text positions (characters): ``text[start:end]``."""

    start: int
    end: int


def split_steps(text: str, style: StepStyle) -> list[Span]:
    """The spans of the steps of a response, in order, disjoint and within the text.

    ``line``: one step a line, the final answer's line included. The newline ends its step; blank lines belong
    to the step before them, those at the very start to the first step. The spans cover the whole text without
    a gap, unless nothing but white space is there: then there is no step.

    ``gsm8k``: as ``line``, but a newline begins the step behind it, and a last line that holds the mark "####" belongs
    to the step before it. Source: methods of VinePPO, for GSM8K.

    ``math``: sentences, lines of formulas, and parts of long ones, as ``math_steps.step_starts`` cuts them; the spans
    cover the text. Source: methods of VinePPO, for MATH.

    ``react``: one step a line that begins with ``Thought k:``, ``Action k:`` or ``Observation k:``; other lines belong
    to the step before, text at the very start to the first one, so the spans cover the text. Without such a line there
    is no step. Source: methods of LPR.

    ``numbered``: one step a numbered marker: ``N.``, ``N)``, ``[N]``, ``[N].`` or ``Step N:`` at the start of
    a line, after optional blanks. The first marker decides the form of all (a list inside a step makes no
    steps), and the numbers must rise, each by at most ``LARGEST_JUMP``. A step runs from the start of its
    marker's line to the next marker's line, the last one to the end of the text; its closing ``#### K``
    belongs to it but cannot open a step. A marker with nothing behind it belongs to the step before. Text
    before the first step belongs to no step and is the only text outside the spans. Without a marker there is
    no step. Source: methods of PSPO, robust form.

    ``numbered_as_published``: the step extraction that the PSPO code runs, with its faults, for comparison
    only. A step is a marker and the text up to the next one; a marker with nothing but white space behind it
    makes no step. "option 1. " in the answer is a marker, the numbers of a list without full stops are not.
    """
    match style:
        case "line":
            return _lines(text)
        case "gsm8k":
            return _gsm8k(text)
        case "math":
            return _between([*step_starts(text), len(text)])
        case "react":
            starts = [marker.start() for marker in _REACT_MARKER.finditer(text)]
            return _between([0, *starts[1:], len(text)]) if starts else []
        case "numbered":
            return _numbered(text)
        case "numbered_as_published":
            return _numbered_as_published(text)
        case _:
            raise StepladderError(f"unknown step style {style!r}; choose one of {', '.join(get_args(StepStyle))}")


def step_kinds(text: str) -> list[StepKind]:
    """What each step is that style ``react`` finds, in order: its marker's word.

    The one place that tells; labels, rewards and credit read it. Source: methods of LPR.
    """
    return [marker["kind"] for marker in _REACT_MARKER.finditer(text)]


def _lines(text: str) -> list[Span]:
    starts = [line.start() for line in _LINE.finditer(text) if line.group().strip()]
    return _between([0, *starts[1:], len(text)]) if starts else []


def _gsm8k(text: str) -> list[Span]:
    lines = [line for line in _LINE_BEHIND_NEWLINE.finditer(text) if line.group().strip()]
    if len(lines) > 1 and lines[-1].group().lstrip().startswith(_ANSWER_MARK):
        lines.pop()
    return _between([0, *(line.start() for line in lines[1:]), len(text)]) if lines else []


def _numbered(text: str) -> list[Span]:
    body_end = _without_answer_tail(text)
    markers = _in_sequence(text, body_end)
    starts = [marker.start() for marker, end in _with_ends(markers, body_end) if text[marker.end() : end].strip()]
    return _between([*starts, len(text)]) if starts else []


def _without_answer_tail(text: str) -> int:
    mark = text.rfind(_ANSWER_MARK)
    closes_text = mark >= 0 and "\n" not in text[mark + len(_ANSWER_MARK) :].strip()
    return mark if closes_text else len(text)


def _in_sequence(text: str, end: int) -> list[re.Match[str]]:
    accepted: list[re.Match[str]] = []
    number = 0
    for marker in _MARKER.finditer(text, 0, end):
        same_form = not accepted or marker.lastgroup == accepted[0].lastgroup
        if same_form and number < int(marker[marker.lastgroup]) <= number + LARGEST_JUMP:
            accepted.append(marker)
            number = int(marker[marker.lastgroup])
    return accepted


def _numbered_as_published(text: str) -> list[Span]:
    markers = list(_MARKER_AS_PUBLISHED.finditer(text))
    return [
        Span(marker.start(), end) for marker, end in _with_ends(markers, len(text)) if text[marker.end() : end].strip()
    ]


def _with_ends(markers: list[re.Match[str]], text_end: int) -> list[tuple[re.Match[str], int]]:
    """Every marker with the position where its text ends: the next marker, or the end."""
    ends = [marker.start() for marker in markers[1:]] + [text_end]
    return list(zip(markers, ends, strict=False))


def _between(positions: list[int]) -> list[Span]:
    return [Span(start, end) for start, end in pairwise(positions)]
