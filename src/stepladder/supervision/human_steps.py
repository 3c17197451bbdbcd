"""The human three-class step format of PSPO: one record a step, shown behind the step before it, without a question.

Source: the public step labels that PSPO (arXiv 2411.11681) and its predecessor were trained on: a JSON array of
{"sentence": str, "label": "-1" | "0" | "1"}, where a sentence is a first step alone, or the previous step, a
marker, and the step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepladder.records import Counts
from stepladder.supervision.solutions import (
    LabelledSolution,
    Neutral,
    labels_of_ratings,
    problem_id,
    read_rows,
    refuse_nothing,
)

MARKER = "</s><s>"
RATINGS = {"-1": -1, "0": 0, "1": 1}


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """A step behind the one before it, as a model of pairs reads them.

    Attributes:
        previous: the step before; None for the first of a chain.
        step: the step that is judged.
        rating: -1 wrong, 0 neutral, 1 correct.
        group: what it is split by: its question, or what is known of it.
    """

    previous: str | None
    step: str
    rating: int
    group: str


def read_human_steps(path: Path, counts: Counts) -> list[JudgedStep]:
    """The judged steps of a file in its order; every rejected record is counted by its reason.

    A chain is a run of records in which each one's previous step is the step before it. The format holds no
    question; chains that open with the same words are one group, since a first step restates the question.

    Raises:
        StepladderError: when the file cannot be read or no record of it is of this format.
    """
    judged: list[JudgedStep] = []
    reasons = Counts()
    for _, record in read_rows(path):
        counts.rows_in += 1
        found = _parse(record)
        if isinstance(found, str):
            reasons.drop(found)
            continue
        previous, step, rating = found
        goes_on = previous is not None and judged and judged[-1].step == previous
        group = judged[-1].group if goes_on else problem_id(previous or step)
        judged.append(JudgedStep(previous, step, rating, group))
    for reason, rows in reasons.dropped.items():
        counts.drop(reason, rows)
    counts.rows_out += len(judged)
    refuse_nothing(path, len(judged), reasons)
    return judged


def read_human_chains(path: Path, neutral: Neutral, counts: Counts) -> Iterator[LabelledSolution]:
    """The chains of a file as solutions without a question; see ``read_human_steps``.

    A chain that begins in the middle has the step before it as its first one, without a label.
    """
    for chain in _chains(read_human_steps(path, counts)):
        yield _solution(chain, neutral)


def _chains(judged: Sequence[JudgedStep]) -> list[list[JudgedStep]]:
    chains: list[list[JudgedStep]] = []
    for step in judged:
        if step.previous is not None and chains and chains[-1][-1].step == step.previous:
            chains[-1].append(step)
        else:
            chains.append([step])
    return chains


def _solution(chain: Sequence[JudgedStep], neutral: Neutral) -> LabelledSolution:
    labels, trials = labels_of_ratings(neutral)
    steps, soft = [step.step for step in chain], [labels[step.rating] for step in chain]
    if chain[0].previous is not None:
        steps, soft = [chain[0].previous, *steps], [None, *soft]
    return LabelledSolution("", tuple(steps), tuple(soft), trials, finished=True)


def _parse(record: Any) -> tuple[str | None, str, int] | str:
    """(previous step, step, rating), or why the record has none."""
    if not isinstance(record, dict) or not isinstance(record.get("sentence"), str):
        return "no sentence"
    if str(record.get("label")) not in RATINGS:
        return "label is not -1, 0 or 1"
    parts = [part.strip() for part in record["sentence"].split(MARKER)]
    if len(parts) > 2:
        return "several markers"
    if not all(parts):
        return "empty step"
    return (parts[0] if len(parts) == 2 else None), parts[-1], RATINGS[str(record["label"])]
