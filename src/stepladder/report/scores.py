"""How a row of a table turns the answers to one question into one score in [0, 1]."""

from statistics import fmean

import numpy as np

from stepladder.errors import StepladderError
from stepladder.evaluation.best_of_n import best_of_n, vote_accuracy
from stepladder.evaluation.reference_prms import reference_answer_scores
from stepladder.evaluation.votes import log_odds, vote_weights
from stepladder.report.answers import Answered, Evaluated, Read, Reading
from stepladder.study.specs.tables import AnswersRow


def row_scores(row: AnswersRow, evaluated: Evaluated, reading: Reading = "strict") -> np.ndarray:
    """(seeds, questions): the row's score of every question, for every seed.

    greedy: is the greedy answer right. mean_sample: share of right samples. best_of_n, pass, majority: exact
    expectation over all subsets of n samples, ties drawn at random. weighted_majority: is the weighted vote of n
    samples right, ties drawn at random, mean over the disjoint groups of n in the order of sampling.

    Raises:
        StepladderError: when there are fewer than n samples, no greedy answers, or no such score of the row's PRM.
    """
    return np.array([_scores(row, answered, reading, evaluated) for answered in evaluated.answers[row.evaluation]])


def row_unparsable(row: AnswersRow, evaluated: Evaluated) -> np.ndarray:
    """(seeds, questions): share of the answers that the row reads from which the strict rule reads nothing."""
    return np.array([_unparsable(_read(row, answered, "strict")) for answered in evaluated.answers[row.evaluation]])


def _scores(row: AnswersRow, answered: Answered, reading: Reading, evaluated: Evaluated) -> np.ndarray:
    read = _read(row, answered, reading)
    if row.answer == "greedy":
        return read.correct[:, 0]
    if (fewest := int(read.samples.min())) < row.n:
        question = evaluated.questions[int(read.samples.argmin())]
        raise StepladderError(
            f"row {row.label!r} needs {row.n} samples, question {question} has {fewest}; raise samples of"
            f" evaluations.{row.evaluation}"
        )
    match row.answer:
        case "mean_sample":
            return np.nanmean(read.correct, axis=1)
        case "pass":
            return best_of_n(read.correct, read.correct, row.n)
        case "best_of_n":
            return best_of_n(_prm_scores(row, answered, read), read.correct, row.n)
        case "majority":
            return read.majority[:, row.n - 1]
        case _:
            scores = _prm_scores(row, answered, read)
            return np.array(
                [_weighted_vote(row, *each) for each in zip(scores, read.answers, read.correct, strict=True)]
            )


def _read(row: AnswersRow, answered: Answered, reading: Reading) -> Read:
    if row.answer != "greedy":
        return answered.sampled[reading]
    if answered.greedy is None:
        raise StepladderError(
            f"row {row.label!r}: evaluations.{row.evaluation} has no greedy answers; choose among its samples"
        )
    return answered.greedy[reading]


def _prm_scores(row: AnswersRow, answered: Answered, read: Read) -> np.ndarray:
    if row.reference_prm is not None:
        return reference_answer_scores(row.reference_prm, read.correct)
    scores = answered.scores.get((row.prm, row.accumulate))
    if scores is None or np.any(np.isnan(scores) & ~np.isnan(read.correct)):
        raise StepladderError(
            f"row {row.label!r}: evaluations.{row.evaluation} holds no {row.accumulate!r} scores of prms.{row.prm};"
            " run that evaluation again"
        )
    return scores


def _weighted_vote(row: AnswersRow, scores: np.ndarray, answers: np.ndarray, correct: np.ndarray) -> float:
    """Mean over the disjoint groups of n of one question's samples; those left over take no part."""
    samples = int((~np.isnan(correct)).sum())
    logits, names, right = log_odds(scores[:samples]), answers[:samples].tolist(), correct[:samples].tolist()
    groups = [slice(start, start + row.n) for start in range(0, samples - row.n + 1, row.n)]
    weights = [vote_weights(logits[group], row.weight, row.temperature).tolist() for group in groups]
    return fmean(vote_accuracy(names[g], right[g], each) for g, each in zip(groups, weights, strict=True))


def _unparsable(read: Read) -> np.ndarray:
    """(questions,) share of real answers without a name."""
    real = ~np.isnan(read.correct)
    return np.sum(np.equal(read.answers, None) & real, axis=1) / np.maximum(read.samples, 1)
