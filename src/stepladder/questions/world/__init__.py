"""The embedded world: generated families that mirror the six data sets, and those in the shape of GSM8K and of LogiQA.

Every question has a canonical gold chain, so a step is right exactly if it equals the gold one. Part of the
demonstrations are hasty: they follow a misconception and end in its answer. They are the headroom that
preference learning and reinforcement learning are meant to find.
"""

import random

from stepladder.errors import StepladderError
from stepladder.questions.question import Question
from stepladder.questions.world import awpnli, newsnli, puzzles, qqa, redditnli, rte_quant, stresstest, sums
from stepladder.questions.world.difficulty import Difficulty
from stepladder.questions.world.drills import DRILLS_PER_ROW, drill_rows, drills

__all__ = [
    "DATASETS",
    "DRILLS_PER_ROW",
    "MIRRORS",
    "Difficulty",
    "drill_rows",
    "drills",
    "fingerprint",
    "first_wrong_step",
    "generate_questions",
]

_MIRRORS = {
    "awpnli": awpnli.generate,
    "newsnli": newsnli.generate,
    "redditnli": redditnli.generate,
    "rte_quant": rte_quant.generate,
    "stresstest": stresstest.generate,
    "qqa": qqa.generate,
}
_GENERATE = _MIRRORS | {"sums": sums.generate, "puzzles": puzzles.generate}
MIRRORS = tuple(_MIRRORS)
"""The families with options, one for each of the six data sets."""
DATASETS = tuple(_GENERATE)
_PATIENCE = 200
"""Draws in a row that may all be known ones, beyond those that are excluded."""


def generate_questions(
    dataset: str,
    count: int,
    seed: int,
    difficulty: Difficulty | None = None,
    exclude: frozenset[str] | set[str] = frozenset(),
) -> list[Question]:
    """`count` questions of one family, the same for the same arguments.

    Args:
        exclude: fingerprints of questions that must not occur, for instance those of another split.

    Returns:
        Questions with fingerprints that differ from one another and from all in `exclude`.

    Raises:
        StepladderError: unknown family, negative count, or a family with too few distinct questions.
    """
    if dataset not in _GENERATE:
        raise StepladderError(f"world: no family {dataset!r}; choose one of {', '.join(DATASETS)}")
    if count < 0:
        raise StepladderError(f"world: {count} questions of {dataset} asked for; choose 0 or more")
    difficulty = difficulty or Difficulty()
    rng = random.Random(f"{dataset} {seed}")
    seen = set(exclude)
    questions: list[Question] = []
    misses = 0
    while len(questions) < count:
        question = _GENERATE[dataset](rng, difficulty)
        mark = fingerprint(question)
        misses = misses + 1 if mark in seen else 0
        if misses > _PATIENCE + len(exclude):
            raise StepladderError(
                f"world: {dataset} has no more than about {len(seen)} distinct questions; ask for fewer than {count}"
            )
        if not misses:
            seen.add(mark)
            questions.append(question)
    return questions


def fingerprint(question: Question) -> str:
    """The data set and the sorted words of a question's fields and options.

    Two questions with one fingerprint differ in word order at most, as in the order of the options.
    """
    words = " ".join((*question.fields.values(), *question.options)).lower().split()
    return " ".join((question.dataset, *sorted(words)))


def first_wrong_step(question: Question, chain: str) -> int | None:
    """Index of the first line of `chain` that departs from the gold chain, or None if none does.

    A chain that breaks off early has no wrong step; lines after the end of the gold chain are wrong.

    Raises:
        StepladderError: the question has no gold chain.
    """
    if question.solution is None:
        raise StepladderError(f"world: this {question.dataset} question has no gold chain to compare with")
    gold = question.solution.split("\n")
    for index, step in enumerate(chain.rstrip("\n").split("\n")):
        if index >= len(gold) or step != gold[index]:
            return index
    return None
