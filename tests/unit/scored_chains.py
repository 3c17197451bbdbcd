"""Trajectories as scored steps, for tests of what is measured on them."""

from collections.abc import Sequence

import numpy as np

from stepladder.evaluation.scored_steps import ScoredSteps

Chain = tuple[int, list[float], list[float]]
"""The number of its question, the logits of its steps, and their labels."""


def steps_of(
    chains: Sequence[Chain], sources: Sequence[str] | None = None, missed: Sequence[tuple[int, bool]] = ()
) -> ScoredSteps:
    """``sources``: of every trajectory and, behind them, every missed solution, (question, whether it has an error)."""
    lengths = [len(logits) for _, logits, _ in chains]
    question = [*(question for question, _, _ in chains), *(question for question, _ in missed)]
    return ScoredSteps(
        logits=np.array([value for _, logits, _ in chains for value in logits]),
        labels=np.array([value for _, _, labels in chains for value in labels]),
        finished=np.array([place == length - 1 for length in lengths for place in range(length)]),
        position=np.array([place for length in lengths for place in range(length)]),
        trajectory=np.repeat(np.arange(len(chains)), lengths),
        question=np.array(question),
        source=np.array(sources or [""] * len(question)),
        missed=np.array([wrong for _, wrong in missed], dtype=bool),
    )
