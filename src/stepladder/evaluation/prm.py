"""Judging a process reward model by its own step labels, on questions that it was not trained on."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from stepladder.evaluation.calibration import THRESHOLD, expected_calibration_error, order_accuracy, profile, step_auc
from stepladder.evaluation.first_error import first_error, fit_threshold, judge, pad_steps, validation_part
from stepladder.evaluation.scored_steps import ScoredSteps
from stepladder.evaluation.statistics import interval_of
from stepladder.evaluation.step_measures import Bootstrap, measure
from stepladder.rewards.heads.base import ProcessRewardModel
from stepladder.rewards.losses import PADDING

VALIDATION = 0.3
"""Share of the questions that fit the threshold of first errors; the others are judged with it."""
DRAWS = Bootstrap(resamples=2000, seed=0)
_WITH_INTERVALS = {
    "step_auc": "step_auc",
    "unfinished_step_auc": "unfinished_step_auc",
    "order_accuracy": "order_accuracy",
    "calibration_error": "calibration_error",
    "share_right_above_zero": "right_above_zero",
    "share_wrong_below_margin": "wrong_below_margin",
}
"""Numbers of a judgement, and their measures in ``step_measures``."""


def judge_prm(
    model: ProcessRewardModel, rows: Sequence[dict[str, Any]], label: str, zeta: float = 0.0
) -> dict[str, Any]:
    """The judgement of a model's scores of trajectories whose soft labels are known; see ``judge_scores``."""
    return judge_scores(model.score(rows, label), rows, zeta)


def judge_scores(
    scores: Sequence[Sequence[float]], rows: Sequence[dict[str, Any]], zeta: float = 0.0
) -> dict[str, Any]:
    """Step AUC, order accuracy, calibration, profiles and first errors; None where a number does not exist.

    ``unfinished_*`` leave out each trajectory's last step, whose label is its outcome and not an estimate.
    ``intervals`` are 95 % bootstrap intervals over questions, with the model as it is.
    ``score_gap`` is the mean score of right steps less that of wrong ones. ``first_error`` finds the first step
    whose soft label is below one half, with a threshold fitted on other questions.

    Args:
        scores: the step scores (log-odds) of every trajectory.
        rows: the trajectories, with their question ids and soft labels, -100 where a step has none: such a step
            is not judged.
        zeta: the margin of a rank loss: ``share_wrong_below_margin`` is that of wrong steps below -zeta.
    """
    labelled = [
        (score, soft, index, step, len(row["soft"]))
        for index, (steps, row) in enumerate(zip(scores, rows, strict=True))
        for step, (score, soft) in enumerate(zip(steps, row["soft"], strict=True))
        if soft != PADDING
    ]
    ids = [row["question_id"] for row in rows]
    logits, soft, owner, place, length = (np.array(column) for column in zip(*labelled, strict=True))
    unfinished, right = place < length - 1, soft >= THRESHOLD
    probabilities = 0.5 * (1 + np.tanh(logits / 2))
    calibration = expected_calibration_error(probabilities, soft)
    return plain(
        {
            "questions": len(set(ids)),
            "steps": len(soft),
            "step_auc": step_auc(logits, soft),
            "unfinished_step_auc": step_auc(logits[unfinished], soft[unfinished]),
            "order_accuracy": order_accuracy(logits, soft, owner),
            "calibration_error": calibration.error,
            "calibration": [asdict(bin_) for bin_ in calibration.bins],
            "share_right_above_zero": _mean(logits[right] > 0),
            "share_wrong_below_zero": _mean(logits[~right] < 0),
            "share_wrong_below_margin": _mean(logits[~right] < -zeta),
            "intervals": _intervals(ids, logits, soft, owner, place, length, zeta),
            "score_gap": _mean(logits[right]) - _mean(logits[~right]),
            "by_position": [asdict(group) for group in profile(probabilities, soft, place)],
            "by_length": [asdict(group) for group in profile(probabilities, soft, length)],
            "first_error": _localised(logits, soft, owner, ids),
        }
    )


def plain(value: Any) -> Any:
    """Data for a JSON file: what is not a number becomes None, at any depth."""
    match value:
        case dict():
            return {name: plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case float() if math.isnan(value):
            return None
        case _:
            return value


def _intervals(
    ids: Sequence[str],
    logits: np.ndarray,
    soft: np.ndarray,
    owner: np.ndarray,
    place: np.ndarray,
    length: np.ndarray,
    zeta: float,
) -> dict[str, dict[str, float]]:
    """The ends of each measure's interval; NaN where it does not exist.

    Args:
        ids: the question of every trajectory; the others (steps,), of the labelled steps.
    """
    names = list(dict.fromkeys(ids))
    number = {question: place for place, question in enumerate(names)}
    judged, trajectory = np.unique(owner, return_inverse=True)
    steps = ScoredSteps(
        logits=logits,
        labels=soft,
        finished=place == length - 1,
        position=place,
        trajectory=trajectory,
        question=np.array([number[ids[each]] for each in judged]),
        source=np.full(len(judged), ""),
        missed=np.zeros(0, dtype=bool),
    )
    measured = measure([steps], names, zeta, VALIDATION, DRAWS)
    found = {}
    for name, its_name in _WITH_INTERVALS.items():
        each = measured[its_name]
        interval = interval_of(each.estimate, each.resampled[~np.isnan(each.resampled)])
        found[name] = {"low": interval.low, "high": interval.high}
    return found


def _localised(
    logits: np.ndarray, soft: np.ndarray, owner: np.ndarray, questions: Sequence[str]
) -> dict[str, Any] | None:
    """Accuracies of first errors; None where the validation part, or the rest, lacks one kind of solution.

    Args:
        logits, soft, owner: (steps,) of the labelled steps, trajectory by trajectory.
        questions: of every trajectory.
    """
    cuts = np.flatnonzero(np.diff(owner)) + 1
    gold = first_error(pad_steps(np.split(soft, cuts)), THRESHOLD)
    fitting = validation_part(questions, VALIDATION)
    if not all(np.any(gold[part] >= 0) and np.any(gold[part] < 0) for part in (fitting, ~fitting)):
        return None
    padded = pad_steps(np.split(logits, cuts))
    threshold = fit_threshold(padded[fitting], gold[fitting])
    judged = [question for question, fits in zip(questions, fitting, strict=True) if not fits]
    found = judge(first_error(padded[~fitting], threshold), gold[~fitting], judged)
    return {"threshold": threshold, "solutions": len(judged)} | asdict(found)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
