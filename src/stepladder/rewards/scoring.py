"""A PRM's scores of a whole table of trajectories, chunk by chunk: a job that was stopped goes on where it was."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stepladder.generation.chunks import in_chunks
from stepladder.job import Job
from stepladder.records import SCORES
from stepladder.rewards.heads.base import ProcessRewardModel
from stepladder.rewards.scores import score_rows, sigmoid
from stepladder.training.batches import pieces_by_tokens


def score_trajectories(
    job: Job, model: ProcessRewardModel, trajectories: Sequence[dict[str, Any]], folder: Path
) -> list[dict[str, Any]]:
    """Rows of the score table, in the order of the trajectories and their steps.

    Args:
        folder: where finished chunks are kept; its name says in the progress bar what is scored.

    Raises:
        StepladderError: when the time budget is spent before the last chunk.
    """

    def make_rows(piece: Sequence[int], label: str) -> list[dict[str, Any]]:
        chosen = [trajectories[i] for i in piece]
        return score_rows(chosen, model.score(chosen, f"{label} {folder.name}"))

    pieces = pieces_by_tokens([len(row["prompt_ids"]) + len(row["token_ids"]) for row in trajectories])
    rows = in_chunks(job, pieces, SCORES, make_rows, folder)
    places = {(row["question_id"], row["sample"]): place for place, row in enumerate(trajectories)}
    return sorted(rows, key=lambda row: (places[row["question_id"], row["sample"]], row["step"]))


def step_probabilities(
    job: Job, model: ProcessRewardModel, trajectories: Sequence[dict[str, Any]], folder: Path
) -> list[list[float]]:
    """What :func:`score_trajectories` gives, as one list of probabilities a trajectory."""
    found: dict[tuple[str, int], list[float]] = {}
    for row in score_trajectories(job, model, trajectories, folder):
        found.setdefault((row["question_id"], row["sample"]), []).append(sigmoid(row["logit"]))
    return [found.get((row["question_id"], row["sample"]), []) for row in trajectories]
