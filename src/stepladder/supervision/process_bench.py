"""ProcessBench: 3,400 solutions whose first wrong step people have marked.

Source: Zheng et al., ProcessBench, arXiv 2412.06559; data under Apache-2.0. Four subsets, each one file of records
{id, generator, problem, steps, final_answer_correct, label}, where label is the index of the first wrong step or -1.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepladder.errors import StepladderError
from stepladder.questions.hub import HubFile, SourceFile, fetch
from stepladder.supervision.solutions import LabelledSolution, read_rows

SUBSETS = ("gsm8k", "math", "olympiadbench", "omnimath")
REVISION = "3bdcd5371ed567559a78f559c01c13a6deee7604"
FORM = {"id": str, "generator": str, "problem": str, "steps": list, "final_answer_correct": bool, "label": int}


@dataclass(frozen=True, slots=True)
class MarkedSolution:
    """One record; ``label`` is the index of the first wrong step, from 0, or -1."""

    subset: str
    id: str
    generator: str
    problem: str
    steps: tuple[str, ...]
    final_answer_correct: bool
    label: int


def fetch_process_bench(subset: str, cache: Path) -> SourceFile:
    """The published file of a subset, kept in ``cache``.

    Raises:
        StepladderError: when it cannot be had.
    """
    return fetch(HubFile("huggingface", "Qwen/ProcessBench", REVISION, f"{subset}.json", None), cache)


def read_process_bench(path: Path, subset: str) -> list[MarkedSolution]:
    """The records of a subset's file. A benchmark is read whole: no record is left out.

    Raises:
        StepladderError: when the file cannot be read, or a record is not as published.
    """
    return [_solution(record, subset, f"{path}, record {number}") for number, record in read_rows(path)]


def labelled(solution: MarkedSolution) -> LabelledSolution:
    """A record as a labelled solution: steps before the first wrong one are right, those behind it have no label.

    Its source is "subset/generator".
    """
    soft = [1.0] * len(solution.steps)
    if solution.label >= 0:
        soft = [1.0] * solution.label + [0.0] + [None] * (len(solution.steps) - solution.label - 1)
    return LabelledSolution(
        solution.problem,
        solution.steps,
        tuple(soft),
        trials=1,
        finished=True,
        right=solution.final_answer_correct,
        source=f"{solution.subset}/{solution.generator}",
    )


def _solution(record: Any, subset: str, where: str) -> MarkedSolution:
    if not isinstance(record, dict):
        raise StepladderError(f"{where}: not a JSON object")
    wrong = [key for key, kind in FORM.items() if type(record.get(key)) is not kind]
    if wrong:
        raise StepladderError(f"{where}: no {' and no '.join(wrong)} of the right type; fetch the file again")
    steps = tuple(record["steps"])
    if not steps or not all(isinstance(step, str) and step.strip() for step in steps):
        raise StepladderError(f"{where}: its steps must be texts, none of them empty")
    if not -1 <= record["label"] < len(steps):
        raise StepladderError(f"{where}: its label is {record['label']}, but it has {len(steps)} steps")
    return MarkedSolution(
        subset,
        record["id"],
        record["generator"],
        record["problem"],
        steps,
        record["final_answer_correct"],
        record["label"],
    )
