"""PRM800K's format: at every step several options that people rated -1 (wrong), 0 (neutral) or 1 (correct).

Source: Lightman et al., Let's verify step by step, arXiv 2305.20050. A record follows one path: at each step the
option chosen, or a step that the labeller wrote, leads on.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from stepladder.questions.hub import HubFile, SourceFile, fetch
from stepladder.records import Counts
from stepladder.supervision.solutions import LabelledSolution, Neutral, labels_of_ratings, read_rows, refuse_nothing

Part = Literal["phase1_train", "phase1_test", "phase2_train", "phase2_test"]

REPOSITORY = ("github", "openai/prm800k", "7ecc794703b2877f63226f2477a49b34f9b25163")
ANSWER_MARK = "# Answer"


def read_prm800k(path: Path, neutral: Neutral, counts: Counts) -> Iterator[LabelledSolution]:
    """One solution for each option that does not lead on, behind the path to it, and one for a path's end.

    So every rated option is the last step of just one solution, or lies on the path of later ones; the path's
    own labels stand in each. Steps that a labeller wrote are correct. Counted: records in, solutions out, and
    what is left out by reason, records ("no problem or no steps", "bad problem", "no rated step") and options
    ("option without a rating", "flagged option").

    Args:
        neutral: what a neutral step counts as; see ``labels_of_ratings``.

    Raises:
        StepladderError: when the file cannot be read or no record of it is of this format.
    """
    kept, reasons = 0, Counts()
    for _, record in read_rows(path):
        counts.rows_in += 1
        before = sum(reasons.dropped.values())
        solutions = list(_solutions(record, neutral, reasons))
        if not solutions and sum(reasons.dropped.values()) == before:
            reasons.drop("no rated step")
        kept += len(solutions)
        counts.rows_out += len(solutions)
        yield from solutions
    for reason, number in reasons.dropped.items():
        counts.drop(reason, number)
    refuse_nothing(path, kept, reasons)


def fetch_prm800k(part: Part, cache: Path) -> SourceFile:
    """One published file, kept in ``cache``.

    Raises:
        StepladderError: when it cannot be had.
    """
    return fetch(HubFile(*REPOSITORY, f"prm800k/data/{part}.jsonl", None), cache)


def _solutions(record: Any, neutral: Neutral, counts: Counts) -> Iterator[LabelledSolution]:
    try:
        problem, steps, reason = (
            record["question"]["problem"],
            record["label"]["steps"],
            record["label"]["finish_reason"],
        )
        readable = bool(problem.strip()) and all(isinstance(step, dict) for step in steps)
    except (KeyError, TypeError, AttributeError):
        readable = False
    if not readable:
        counts.drop("no problem or no steps")
        return
    if reason == "bad_problem":
        counts.drop("bad problem")
        return
    soft, trials = labels_of_ratings(neutral)
    path: list[tuple[str, float]] = []

    def solution(taken: Sequence[tuple[str, float]]) -> LabelledSolution:
        texts, labels = zip(*taken, strict=True)
        return LabelledSolution(problem.strip(), texts, labels, trials, ANSWER_MARK in texts[-1])

    branched = False
    for step in steps:
        options = step.get("completions") or []
        chosen = step.get("chosen_completion")
        rated = {place: _rated(option, soft, counts) for place, option in enumerate(options)}
        branches = [each for place, each in rated.items() if place != chosen and each is not None]
        yield from (solution([*path, branch]) for branch in branches)
        branched = bool(branches)
        written = step.get("human_completion")
        onward = rated.get(chosen) if chosen is not None else (_text(written), 1.0) if _text(written) else None
        if onward is None:
            break
        path.append(onward)
        branched = False
    if path and not branched:
        yield solution(path)


def _rated(option: Any, soft: dict[int, float], counts: Counts) -> tuple[str, float] | None:
    """An option's text and label; None, counted, where it has none."""
    text = _text(option)
    if not text or option.get("rating") not in soft:
        counts.drop("option without a rating")
        return None
    if option.get("flagged"):
        counts.drop("flagged option")
        return None
    return text, soft[option["rating"]]


def _text(option: Any) -> str:
    text = option.get("text") if isinstance(option, dict) else None
    return text.strip() if isinstance(text, str) else ""
