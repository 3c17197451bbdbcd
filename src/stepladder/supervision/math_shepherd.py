"""Math-Shepherd's format: a solution as text with a tag after every step, and the same text with labels for tags.

Source: Wang et al., Math-Shepherd, arXiv 2312.08935; 444,655 rows {input, label, task}. ``input`` is the question,
then "Step 1: ... ки\\nStep 2: ... ки"; ``label`` has "+" (a rollout from here was right) or "-" for each tag.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stepladder.questions.hub import HubFile, SourceFile, fetch
from stepladder.records import Counts
from stepladder.supervision.solutions import LabelledSolution, counted

TAG = "ки"
SIGNS = {"+": 1.0, "-": 0.0}
HUB = HubFile(
    "huggingface", "peiyi9979/Math-Shepherd", "ae6b0c54fca9fa26096f7de175c747e4b262e01a", "math-shepherd.jsonl", None
)
_FIRST_STEP = re.compile(r"\bstep\s*1\s*:", re.IGNORECASE)
_STEP_LINE = re.compile(r"^\s*step\s*\d+\s*:", re.IGNORECASE | re.MULTILINE)


def read_math_shepherd(path: Path, counts: Counts) -> Iterator[LabelledSolution]:
    """The solutions of a local file, one row each; every rejected row is counted by its reason.

    Raises:
        StepladderError: when the file cannot be read or no row of it is of this format.
    """
    return counted(path, parse, counts)


def fetch_math_shepherd(cache: Path) -> SourceFile:
    """The published file (793 MB), kept in ``cache``.

    Raises:
        StepladderError: when it cannot be had.
    """
    return fetch(HUB, cache)


def parse(row: Any) -> LabelledSolution | str:
    """A row's solution, or why it has none.

    Tags are found by their place in ``input`` and their labels at the aligned places of ``label``; the two texts
    must agree everywhere else. The letters of a tag that stand in both texts are text. The question ends where
    the one "Step 1:" before the first tag begins.
    """
    if not (isinstance(row, dict) and isinstance(row.get("input"), str) and isinstance(row.get("label"), str)):
        return "no input or no label"
    cut = _cut(row["input"], row["label"])
    if isinstance(cut, str):
        return cut
    pieces, soft = cut
    opening = list(_FIRST_STEP.finditer(pieces[0]))
    if not opening:
        return "tag inside the question" if _FIRST_STEP.search("".join(pieces[1:])) else "no first step"
    if len(opening) > 1:
        return "several first steps"
    problem, first = pieces[0][: opening[0].start()].strip(), pieces[0][opening[0].start() :]
    steps = tuple(step.strip() for step in (first, *pieces[1:]))
    if not problem:
        return "no question"
    if any(len(_STEP_LINE.findall(step)) > 1 for step in steps):
        return "step without a label"
    if not all(_STEP_LINE.sub("", step).strip() for step in steps):
        return "empty step"
    return LabelledSolution(problem, steps, soft, trials=1, finished=True)


def _cut(text: str, labelled: str) -> tuple[list[str], tuple[float, ...]] | str:
    """The text before each tag and each tag's label, or why the two texts do not give them."""
    pieces: list[str] = []
    soft: list[float] = []
    opened = passed = aligned = 0
    for tag in re.finditer(TAG, text):
        between = text[passed : tag.start()]
        if not labelled.startswith(between, aligned):
            return "texts differ"
        aligned += len(between)
        passed = tag.end()
        if labelled.startswith(TAG, aligned):
            aligned += len(TAG)
            continue
        sign = labelled[aligned : aligned + 1]
        if sign not in SIGNS:
            return "label is neither + nor -"
        pieces.append(text[opened : tag.start()])
        soft.append(SIGNS[sign])
        aligned += 1
        opened = passed
    if labelled[aligned:] != text[passed:]:
        return "texts differ"
    if not pieces:
        return "no step tag"
    if text[opened:].strip():
        return "step without a label"
    return pieces, tuple(soft)
