"""Which of several policies to keep, by how many questions each answers right."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any, Literal


def accuracy(answers: Iterable[Mapping[str, Any]], by: Literal["greedy", "mean_sample"]) -> float:
    """Share of right answers, from 0 to 1: the mean over data sets, in each over questions, of each over its answers.

    Args:
        answers: rows of the answer table.
        by: greedy answers, or the mean of sampled ones.
    """
    decoding = "greedy" if by == "greedy" else "sampled"
    right: dict[str, dict[str, list[bool]]] = {}
    for row in answers:
        if row["decoding"] == decoding:
            right.setdefault(row["dataset"], {}).setdefault(row["question_id"], []).append(row["correct"])
    return fmean(fmean(map(fmean, questions.values())) for questions in right.values())


def chosen(accuracies: Sequence[float], rule: Literal["best", "first_fall"]) -> int:
    """Place of the policy to keep: the earliest of the most accurate ones, or the last one before accuracy falls.

    ``first_fall`` goes through the rounds in their order, as VinePPO's RestEM does.
    """
    if rule == "best":
        return max(range(len(accuracies)), key=lambda place: (accuracies[place], -place))
    falls = (place for place, (before, after) in enumerate(pairwise(accuracies)) if after < before)
    return next(falls, len(accuracies) - 1)
