"""The labelled steps of one seed beside a PRM's scores of them."""

from dataclasses import dataclass

import numpy as np

from stepladder.evaluation.calibration import THRESHOLD


@dataclass(frozen=True)
class ScoredSteps:
    """Steps with their scores, flat, trajectory by trajectory, and the solutions that they are of.

    Solutions are the trajectories and, behind them, those of a benchmark that are too long to be scored.

    Attributes:
        logits: (steps,) scores.
        labels: (steps,) in [0, 1].
        finished: (steps,) whether the step ends its solution.
        position: (steps,) place in the trajectory, from 0.
        trajectory: (steps,) number of its trajectory, rising from 0 without gaps.
        question: (solutions,) number of its question among those of all seeds.
        source: (solutions,) who made it, as "subset/generator"; empty where it is of no benchmark.
        missed: (solutions less trajectories,) whether a solution without scores has a wrong step.
    """

    logits: np.ndarray
    labels: np.ndarray
    finished: np.ndarray
    position: np.ndarray
    trajectory: np.ndarray
    question: np.ndarray
    source: np.ndarray
    missed: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """(steps,) whether a step counts as right where a yes or no is needed."""
        return self.labels >= THRESHOLD

    @property
    def probabilities(self) -> np.ndarray:
        """(steps,) the sigmoid of the scores, which holds for any of them."""
        return 0.5 * (1 + np.tanh(self.logits / 2))

    @property
    def owner(self) -> np.ndarray:
        """(steps,) number of the step's question."""
        return self.question[self.trajectory]
