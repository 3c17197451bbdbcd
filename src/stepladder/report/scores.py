"""How a row of a table turns the answers to one question into one score in [0, 1]."""

from collections.abc import Iterator
from statistics import fmean
from typing import Any, Literal

import numpy as np

from stepladder.errors import StepladderError
from stepladder.evaluation.best_of_n import best_of_n, pass_at_k, vote_accuracy
from stepladder.evaluation.votes import expected_majority
from stepladder.report.answers import Answered, Evaluated
from stepladder.study.specs.tables import AnswersRow

Reading = Literal["strict", "flexible"]

_KEYS: dict[str, tuple[str, str]] = {
    "strict": ("answer", "correct"),
    "flexible": ("answer_flexible", "correct_flexible"),
}


def row_scores(row: AnswersRow, evaluated: Evaluated, reading: Reading = "strict") -> np.ndarray:
    """(seeds, questions): the row's score of every question, for every seed."""
    return np.array(
        [[question_score(row, answered, reading) for answered in seed] for seed in evaluated.answers[row.evaluation]]
    )


def row_unparsable(row: AnswersRow, evaluated: Evaluated) -> np.ndarray:
    """(seeds, questions): share of the answers that the row reads from which the strict rule reads nothing."""
    return np.array(
        [
            [_unparsable(answered.samples if row.answer != "greedy" else [answered.greedy]) for answered in seed]
            for seed in evaluated.answers[row.evaluation]
        ]
    )


def question_score(row: AnswersRow, answered: Answered, reading: Reading = "strict") -> float:
    """The score of one question in [0, 1].

    greedy: is the greedy answer right. mean_sample: share of right samples. best_of_n, pass, majority: exact
    expectation over all subsets of n samples, ties drawn at random. weighted_majority: is the weighted vote of n
    samples right, ties drawn at random, mean over the disjoint groups of n in the order of sampling.

    Raises:
        StepladderError: when there are fewer than n samples, or no such score of the row's PRM.
    """
    answer, correct = _KEYS[reading]
    if row.answer == "greedy":
        return float(answered.greedy[correct])
    samples = answered.samples
    if len(samples) < row.n:
        question = answered.greedy["question_id"]
        raise StepladderError(
            f"row {row.label!r} needs {row.n} samples, question {question} has {len(samples)}; raise samples of"
            f" evaluations.{row.evaluation}"
        )
    right = [float(sample[correct]) for sample in samples]
    match row.answer:
        case "mean_sample":
            return fmean(right)
        case "pass":
            return pass_at_k(len(samples), int(sum(right)), row.n)
        case "best_of_n":
            return best_of_n(_prm_scores(row, samples), right, row.n)
        case "majority":
            return float(expected_majority([sample[answer] for sample in samples], right)[row.n - 1])
        case _:
            weights = _prm_scores(row, samples)
            answers = [sample[answer] for sample in samples]
            votes = [vote_accuracy(answers[g], right[g], weights[g]) for g in _groups(len(samples), row.n)]
            return fmean(votes)


def _groups(samples: int, n: int) -> Iterator[slice]:
    for start in range(0, samples - n + 1, n):
        yield slice(start, start + n)


def _prm_scores(row: AnswersRow, samples: list[dict[str, Any]]) -> list[float]:
    try:
        return [sample["prm_scores"][row.prm][row.accumulate] for sample in samples]
    except KeyError:
        raise StepladderError(
            f"row {row.label!r}: evaluations.{row.evaluation} holds no {row.accumulate!r} scores of prms.{row.prm};"
            " run that evaluation again"
        ) from None


def _unparsable(answers: list[dict[str, Any]]) -> float:
    return fmean(row["answer"] is None for row in answers)
