"""Steps of solutions with mathematics in LaTeX: sentences, lines of formulas, and cuts of what is long (VinePPO).

Source: the in-place splitter of VinePPO's code (arXiv 2410.01679), by its description. Where that leaves a choice:
blank space goes with what follows it, an operator with its right side, and a cut is the one nearest to the middle.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

SHORT = 20
"""Characters; fewer, without a formula and without a full stop at the end, are only the beginning of the next step."""
LONG = 100
"""Characters; a longer step is cut where both parts stay long enough."""
SHORTEST_OF_WORDS, SHORTEST_OF_FORMULA = 40, 20
"""Characters; least length of both parts of a cut between words, and of one inside a formula."""

# What begins a formula and what ends it. A later pair may enclose formulas of an earlier one; NAME is what was begun.
_FORMULAS = tuple(
    (re.compile(opens), closes)
    for opens, closes in (
        (r"\[asy\]", r"\[/asy\]"),
        (r"(?<!\\)\$\\begin\{tabular\}", r"\\end\{tabular\}\$"),
        (r"\\begin\{tabular\}", r"\\end\{tabular\}"),
        (r"\\\(", r"\\\)"),
        (r"\\\[", r"\\\]"),
        (r"(?<!\\)\$\$", r"(?<!\\)\$\$"),
        (r"(?<!\\)\$", r"(?<!\\)\$"),
        (r"\\begin\{([^{}]*)\}", r"\\end\{NAME\}"),
    )
)
_MASK = "\ue000"
# One letter, or a capital and a small one, before a full stop are an abbreviation: "e.g.", "J.", "Dr.".
_SENTENCE_END = re.compile(r"(?<!\b[^\W\d_])(?<!\b[A-Z][a-z])\.(?=\s+[A-Z])")
_ENDS_WITH_FULL_STOP = re.compile(r"\.(?:\$\$?|\\\)|\\\])\Z")
_OPENER = re.compile(r"\$\$?|\\\(|\\\[|\\begin\{[^{}]*\}|\[asy\]")
# Where to cut what is long, the best place first; each cut is where "here" is.
_BETWEEN_WORDS = tuple(map(re.compile, (r",(?P<here>)", r"(?P<here>) and ", r":(?P<here>)", r"(?P<here>) to ")))
_IN_FORMULAS = tuple(
    re.compile(place)
    for place in (
        r",\$(?P<here>)",
        r",\\\)(?P<here>)",
        r",\\\](?P<here>)",
        r"(?P<here>)=",
        r"(?P<here>)\\equiv(?![A-Za-z])",
        r"(?P<here>)\+",
        r"(?P<here>)\\cancelto(?![A-Za-z])",
    )
)


def step_starts(text: str) -> list[int]:
    """Where each step begins, in characters; it ends where the next one begins, the last one with the text.

    In this order: sentences, lines, and formulas that hold their sentence's full stop; lines inside formulas; then cuts
    of steps of more than ``LONG`` characters between words or, where there is no such place, inside formulas. Fragments
    (blank lines, an opening mark alone, a few words without a full stop) go with what follows them. No step is blank; a
    blank text has no step.
    """
    if not text.strip():
        return []
    formulas = _formulas(text)
    masked = _masked(text, formulas)
    sentences = [end.end() for end in _SENTENCE_END.finditer(masked)]
    stops = [end for start, end in formulas if _ENDS_WITH_FULL_STOP.search(text, start, end)]
    starts = _joined([*sentences, *stops, *_line_ends(masked)], masked, _is_beginning)
    inside = [at for at in _line_ends(text) if masked[at] == _MASK]
    starts = _joined([*starts, *inside], text, _is_fragment)
    # Nothing follows the last one.
    if len(starts) > 1 and _is_fragment(text[starts[-1] :]):
        starts.pop()
    return [
        at for start, end in zip(starts, [*starts[1:], len(text)], strict=True) for at in _cut(text, masked, start, end)
    ]


def _formulas(text: str) -> list[tuple[int, int]]:
    """Start and end of every formula that is in no other, in order."""
    formulas: list[tuple[int, int]] = []
    masked = text
    for opens, closes in _FORMULAS:
        here = list(_enclosed(masked, opens, closes))
        masked = _masked(masked, here)
        # What was found before is one character after the other of the mask, so it lies in a new one as a whole.
        formulas = [(start, end) for start, end in formulas if not any(a <= start < b for a, b in here)] + here
    return sorted(formulas)


def _enclosed(text: str, opens: re.Pattern[str], closes: str) -> Iterator[tuple[int, int]]:
    """From each opening mark to the first closing one behind it; a mark that is never closed opens nothing."""
    never_closed: set[str] = set()
    at = 0
    while opening := opens.search(text, at):
        at = opening.end()
        wanted = closes.replace("NAME", re.escape(opening[1])) if opens.groups else closes
        closing = None if wanted in never_closed else re.compile(wanted).search(text, at)
        if closing:
            at = closing.end()
            yield opening.start(), at
        else:
            never_closed.add(wanted)


def _masked(text: str, formulas: Iterable[tuple[int, int]]) -> str:
    """The text with every character of a formula masked; as long as before."""
    parts, at = [], 0
    for start, end in formulas:
        parts += [text[at:start], _MASK * (end - start)]
        at = end
    return "".join((*parts, text[at:]))


def _line_ends(text: str) -> list[int]:
    return [line_end.start() for line_end in re.finditer("\n", text)]


def _joined(places: Iterable[int], text: str, goes_with_next: Callable[[str], bool]) -> list[int]:
    """Starts of the parts between the places, a part that goes with the next one not cut from it."""
    starts = [0]
    for at in sorted({*places} - {0, len(text)}):
        if not goes_with_next(text[starts[-1] : at]):
            starts.append(at)
    return starts


def _is_beginning(part: str) -> bool:
    """Of a masked text."""
    return not part.strip() or (len(part) < SHORT and _MASK not in part and not part.endswith("."))


def _is_fragment(part: str) -> bool:
    return len(part.strip()) < 3 or bool(_OPENER.fullmatch(part.strip()))


def _cut(text: str, masked: str, start: int, end: int, between_words: bool = True) -> Iterator[int]:
    """Starts of the parts of a step; the parts of a formula are cut in formulas alone."""
    if end - start <= LONG:
        yield start
        return
    at = _middle(masked, start, end, _BETWEEN_WORDS, SHORTEST_OF_WORDS) if between_words else None
    if at is None:
        between_words = False
        at = _middle(text, start, end, _IN_FORMULAS, SHORTEST_OF_FORMULA, masked)
    if at is None:
        yield start
        return
    yield from _cut(text, masked, start, at, between_words)
    yield from _cut(text, masked, at, end, between_words)


def _middle(
    text: str, start: int, end: int, places: Sequence[re.Pattern[str]], shortest: int, masked: str | None = None
) -> int | None:
    """The cut nearest to the middle, at the first kind of place that has one; None where no kind has.

    Args:
        masked: the text with formulas masked; given, the place must begin inside one.
    """
    for place in places:
        cuts = [
            found.start("here")
            for found in place.finditer(text, start, end)
            if masked is None or masked[found.start()] == _MASK
        ]
        cuts = [at for at in cuts if start + shortest <= at <= end - shortest]
        if cuts:
            return min(cuts, key=lambda at: abs(2 * at - start - end))
    return None
