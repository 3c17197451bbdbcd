"""The reward of a trajectory as a study's rewards node defines it; the same function offline and in PPO."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stepladder.errors import StepladderError
from stepladder.reasoning.steps import step_kinds
from stepladder.rewards.accumulate import accumulate
from stepladder.rewards.shape import shaped_reward
from stepladder.study.specs.rewards import Rewards


@dataclass(frozen=True)
class Reward:
    """A reward and what it is made of.

    Attributes:
        steps: number of steps t that count.
        accumulated: the accumulated step scores F.
        shaped: F after shaping by t.
        outcome: 1 for a right answer, else 0.
        reward: process_weight * shaped + outcome_weight * outcome.
    """

    steps: int
    accumulated: float
    shaped: float
    outcome: float
    reward: float


def reward(step_scores: Sequence[float], correct: bool, spec: Rewards) -> Reward:
    """The reward of one trajectory (PSPO, arXiv 2411.11681: R_s(t) * F; the outcome term is ours).

    Args:
        step_scores: probabilities in [0, 1], one for each step that counts.
    """
    shape = spec.shape
    shaped = shaped_reward(
        step_scores, spec.accumulate, shape.kind, shape.single_step, k=shape.k, lam=shape.lam, mu=shape.mu,
        sigma=shape.sigma,
    )  # fmt: skip
    total = spec.process_weight * shaped + spec.outcome_weight * float(correct)
    return Reward(len(step_scores), accumulate(step_scores, spec.accumulate), shaped, float(correct), total)


def counted_steps(row: Mapping[str, object], step_scores: Sequence[float], spec: Rewards) -> list[int]:
    """The numbers of the steps that count for a reward: all of them, or those of some kinds (LPR leaves actions out).

    Args:
        row: of the trajectory table, with its text where the spec names kinds.
        step_scores: one a step.

    Raises:
        StepladderError: when the text has other steps than were scored.
    """
    if not spec.kinds:
        return list(range(len(step_scores)))
    kinds = step_kinds(row["text"])
    if len(kinds) != len(step_scores):
        raise StepladderError(
            f"question {row['question_id']}, sample {row['sample']}: {len(step_scores)} steps are scored, and "
            f"{len(kinds)} have a kind; leave kinds out of the rewards of solutions that others have cut"
        )
    return [step for step, kind in enumerate(kinds) if kind in spec.kinds]


def scores_by_trajectory(rows: Sequence[Mapping[str, object]]) -> dict[tuple[str, int], list[float]]:
    """Step scores in the order of their steps, by (question, sample)."""
    ordered = sorted(rows, key=lambda row: (row["question_id"], row["sample"], row["step"]))
    found: dict[tuple[str, int], list[float]] = {}
    for row in ordered:
        found.setdefault((row["question_id"], row["sample"]), []).append(row["score"])
    return found
