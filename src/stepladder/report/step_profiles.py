"""What the figures of a step table show: calibration by bin, and scores by position of right and wrong steps apart."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from stepladder.evaluation.calibration import Bin, Group, expected_calibration_error, profile
from stepladder.evaluation.scored_steps import ScoredSteps
from stepladder.report.steps import Judged


def reliability(steps: Sequence[ScoredSteps]) -> list[Bin]:
    """Mean score and mean label by bin of the score, over the steps of all seeds; empty bins are left out."""
    probabilities, labels = (
        np.concatenate([getattr(each, name) for each in steps]) for name in ("probabilities", "labels")
    )
    return [each for each in expected_calibration_error(probabilities, labels).bins if each.count]


def by_position(steps: Sequence[ScoredSteps]) -> dict[str, tuple[Group, ...]]:
    """Scores by place in the trajectory, from 0, of right and of wrong steps, over all seeds."""
    scores, labels, right, position = (
        np.concatenate([getattr(each, name) for each in steps])
        for name in ("probabilities", "labels", "right", "position")
    )
    return {
        kind: profile(scores[chosen], labels[chosen], position[chosen])
        for kind, chosen in (("right", right), ("wrong", ~right))
    }


def describe(row: Judged) -> dict[str, Any]:
    """What metrics.json says of a row beside its cells."""
    positions = {
        kind: [{"position": each.value, "count": each.count, "mean_score": each.mean_score} for each in groups]
        for kind, groups in by_position(row.steps).items()
    }
    bins = [asdict(each) for each in reliability(row.steps)]
    return {
        "row": row.label,
        "thresholds": row.thresholds,
        "not_scored": [len(each.missed) for each in row.steps],
        "calibration": bins,
        "by_position": positions,
    }
