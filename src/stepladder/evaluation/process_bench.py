"""ProcessBench: 3,400 solutions whose first wrong step people have marked.

Source: Zheng et al., ProcessBench, arXiv 2412.06559; data under Apache-2.0. Four subsets, each one file of records
{id, generator, problem, steps, final_answer_correct, label}, where label is the index of the first wrong step or -1.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from stepladder.errors import StepladderError
from stepladder.evaluation.first_error import (
    first_error,
    fit_threshold,
    judge,
    pad_steps,
    resampled,
    validation_part,
)
from stepladder.evaluation.prm import plain
from stepladder.evaluation.statistics import interval_of
from stepladder.questions.hub import HubFile, SourceFile, fetch
from stepladder.records import Counts
from stepladder.supervision.solutions import LabelledSolution, as_records, problem_id, read_rows

SUBSETS = ("gsm8k", "math", "olympiadbench", "omnimath")
REVISION = "3bdcd5371ed567559a78f559c01c13a6deee7604"
FORM = {"id": str, "generator": str, "problem": str, "steps": list, "final_answer_correct": bool, "label": int}
NOT_SCORED = -2
"""The prediction for a solution that was too long to score: it matches no label."""


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


def trajectories_of(
    solutions: Sequence[MarkedSolution],
    tokenizer: PreTrainedTokenizerFast,
    prompt: Callable[[str], str],
    longest: int,
    counts: Counts,
) -> list[dict[str, Any] | None]:
    """A row of ``records.TRAJECTORIES`` for each solution, None where it is too long; see ``as_records``."""
    rows = []
    for each in solutions:
        soft = tuple(float(each.label < 0 or step < each.label) for step in range(len(each.steps)))
        labelled = LabelledSolution(each.problem, each.steps, soft, trials=1, finished=True)
        made = next(as_records([labelled], tokenizer, prompt, each.subset, longest, counts), None)
        rows.append(made and made[0])
    return rows


def judge_process_bench(
    solutions: Sequence[MarkedSolution],
    scores: Sequence[Sequence[float] | None],
    share: float = 0.2,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Accuracies and F1 of first errors by subset and, in each, by generator, and the mean F1 of the subsets.

    One threshold is fitted, on the solutions to a share of the problems of all subsets together; all else is
    over the other problems. Intervals are bootstrapped over problems.

    Args:
        scores: the step scores of every solution; None for one that could not be scored, which counts as missed.
        share: of the problems that fit the threshold.
    """
    predicted, fitting, threshold = predict_first_errors(solutions, scores, share)
    gold = np.array([each.label for each in solutions])
    questions = np.array([problem_id(each.problem) for each in solutions])
    subset = np.array([each.subset for each in solutions])
    generator = np.array([each.generator for each in solutions])

    def judged(chosen: np.ndarray) -> dict[str, Any]:
        found = judge(predicted[chosen], gold[chosen], questions[chosen].tolist(), resamples, seed)
        return {"solutions": int(chosen.sum())} | asdict(found)

    subsets, estimates, draws = {}, [], []
    for number, name in enumerate(dict.fromkeys(subset[~fitting].tolist())):
        chosen = (subset == name) & ~fitting
        generators = sorted(set(generator[chosen].tolist()))
        subsets[name] = judged(chosen) | {"generators": {g: judged(chosen & (generator == g)) for g in generators}}
        again = resampled(predicted[chosen], gold[chosen], questions[chosen].tolist(), resamples, seed + number)
        estimates.append(again[1][2])
        draws.append(again[0][2])
    mean = np.mean(draws, axis=0)
    return plain(
        {
            "threshold": threshold,
            "fitted_on": int(fitting.sum()),
            "not_scored": sum(each is None for each in scores),
            "mean_f1": asdict(interval_of(float(np.mean(estimates)), mean[~np.isnan(mean)])),
            "subsets": subsets,
        }
    )


def predict_first_errors(
    solutions: Sequence[MarkedSolution], scores: Sequence[Sequence[float] | None], share: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """(solutions,) predictions, which of the solutions fitted the threshold, and the threshold."""
    for each, steps in zip(solutions, scores, strict=True):
        if steps is not None and len(steps) != len(each.steps):
            raise StepladderError(f"{each.subset} {each.id}: {len(steps)} scores for {len(each.steps)} steps")
    gold = np.array([each.label for each in solutions])
    there = np.array([steps is not None for steps in scores])
    padded = pad_steps([steps or [] for steps in scores])
    fitting = validation_part([problem_id(each.problem) for each in solutions], share)
    threshold = fit_threshold(padded[fitting & there], gold[fitting & there])
    return np.where(there, first_error(padded, threshold), NOT_SCORED), fitting, threshold


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
