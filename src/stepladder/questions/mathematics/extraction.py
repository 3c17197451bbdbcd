"""The answer that a chain states, as text: by its mark (strict), or by what looks most like an answer (flexible)."""

import re

from stepladder.questions.mathematics.characters import ascii_mathematics
from stepladder.questions.mathematics.cleaning import LONGEST
from stepladder.questions.mathematics.rationals import SCALES, WHOLE

_MARK = "####"
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_STATED = re.compile(
    r"answer\s*(?:is|are|was|:|=)\s*(?:\*\*)?\s*:?\s*(?:\*\*)?|^#+ *answer *\n", re.IGNORECASE | re.MULTILINE
)
_SENTENCE_END = re.compile(r"\.(?=\s|\*|$)|\n|;\s")
_MATHEMATICS = re.compile(r"\$\$?([^$\n]+?)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]")
# A sign belongs to the number when nothing before it could be the left side of a difference.
_SIGN = r"(?:(?<![0-9A-Za-z)}\]])(?<![0-9)}\]]\s)-)?[$€£]?"
_UNSIGNED = rf"(?:(?:[0-9]+\s+)?[0-9]+\s?/\s?[0-9]+|{WHOLE}(?:\.[0-9]+)?|(?<![.0-9A-Za-z])\.[0-9]+)"
_NUMBER = re.compile(rf"{_SIGN}{_UNSIGNED}(?:\s(?:{'|'.join(SCALES)})\b)?", re.IGNORECASE)


def extract_answer(text: str, strict: bool = False) -> str | None:
    """The answer of a chain; None when it states none, or none of at most ``LONGEST`` characters.

    The strict rule wants a mark: "#### answer" on the last line, or the last \\boxed{...} of the text, with its braces
    closed; the last line's mark goes before. The flexible rule takes the later of the last "####" and the last closed
    box; without them what follows the last "the answer is" or "# Answer" up to the end of the sentence, of which the
    mathematics between dollar signs or the only number is the answer; without that the last number.

    Args:
        text: what the policy generated, without the prompt; of any length.
        strict: which of the two rules to use.
    """
    box, box_at = _last_box(text, strict)
    if strict:
        last_line = text.rstrip().rpartition("\n")[2]
        return _answer(last_line.rpartition(_MARK)[2] if _MARK in last_line else box)
    mark_at = text.rfind(_MARK)
    marked = text[mark_at + len(_MARK) :].lstrip(" \t").partition("\n")[0] if mark_at > box_at else None
    return _answer(marked) or _answer(box) or _stated(text) or _last_number(text)


def boxed(text: str) -> str | None:
    """The content of the last box of a text; None when there is none, or its braces are not closed."""
    return _last_box(text, strict=True)[0]


def _answer(found: str | None) -> str | None:
    answer = found.strip() if found is not None else ""
    return answer if 0 < len(answer) <= LONGEST else None


def _last_box(text: str, strict: bool) -> tuple[str | None, int]:
    """Content and place of the last box; when it is cut off: none, or for the flexible rule the one before it."""
    opened = [found.span() for found in _BOX.finditer(text)]
    for start, inside in reversed(opened[-1:] if strict else opened[-2:]):
        if (end := _closing_brace(text, inside)) is not None:
            return text[inside:end], start
    return None, -1


def _closing_brace(text: str, inside: int) -> int | None:
    depth = 1
    for found in _BRACE.finditer(text, inside, inside + 2 * LONGEST):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return found.start()
    return None


def _stated(text: str) -> str | None:
    places = list(_STATED.finditer(text))
    if not places:
        return None
    rest = text[places[-1].end() :][: 2 * LONGEST].lstrip()
    end = _SENTENCE_END.search(rest)
    sentence = rest[: end.start()] if end else rest
    if mathematics := list(_MATHEMATICS.finditer(sentence)):
        return _answer(next(part for part in mathematics[-1].groups() if part))
    numbers = _NUMBER.findall(ascii_mathematics(sentence))
    is_prose = "\\" not in sentence and re.search("[A-Za-z]{3}", sentence)
    return _answer(numbers[-1] if is_prose and numbers and (len(numbers) == 1 or "=" in sentence) else sentence)


def _last_number(text: str) -> str | None:
    numbers = _NUMBER.findall(ascii_mathematics(text[-100 * LONGEST :]))
    return _answer(numbers[-1]) if numbers else None
