"""Monte Carlo step labels: the share of a state's rollouts that end in the right answer.

Source: the estimator of Math-Shepherd (arXiv 2312.08935, Eq. 3 hard, Eq. 4 soft) and VinePPO (arXiv 2410.01679). States
by fractions: LPR (arXiv 2402.00658).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepladder.reasoning.states import state_key
from stepladder.reasoning.steps import step_kinds
from stepladder.study.canonical import derive_seed
from stepladder.study.specs.labels import States

# From a trajectory to the numbers of the steps whose states are labelled, in order.
Choice = Callable[[dict[str, Any]], Sequence[int]]


@dataclass(frozen=True)
class State:
    """An unfinished prefix to roll out: its key, whose question it belongs to, its token ids.

    Attributes:
        key: hash of prompt and prefix ids.
        question_id: the question whose answer decides what is right.
        prompt_ids: the prompt.
        prefix_ids: the answer so far.
    """

    key: str
    question_id: str
    prompt_ids: tuple[int, ...]
    prefix_ids: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """Trials from one state, how many of them were right, and the tokens generated for them."""

    rollouts: int
    successes: int
    tokens: int = 0


def chosen_trajectories(
    trajectories: Iterable[dict[str, Any]], per_question: int | None, share: float = 1.0
) -> list[dict[str, Any]]:
    """The first samples of every question, or all, of a share of the questions.

    Which questions are in a share depends on their ids alone: labels with other rollouts and those of a later round are
    of the same questions, so that one list of what PRMs have seen serves all.
    """
    return [
        row
        for row in trajectories
        if (per_question is None or row["sample"] < per_question)
        and derive_seed("labelled questions", row["question_id"]) / 2**63 < share
    ]


def every_step(trajectory: dict[str, Any]) -> Sequence[int]:
    """All steps of a trajectory."""
    return range(len(trajectory["step_ends"]))


def drawn_steps(trajectory: dict[str, Any], spec: States, number: Callable[[str, int, int], int]) -> list[int]:
    """The steps that a spec chooses, and the last one, which is labelled by its outcome.

    With n steps before the last one, those from int(n start) to before int(n end) are chosen, each with a chance.
    Source: LPR's released sampling of states, with a seed and with the first thought, which it never takes.

    Args:
        trajectory: with its text where the spec names kinds.
        number: from question, sample and step to a random number below 2^63.
    """
    unfinished = len(trajectory["step_ends"]) - 1
    if unfinished < 0:
        return []
    kinds = step_kinds(trajectory["text"]) if spec.kinds else ()
    part = range(int(unfinished * spec.start), int(unfinished * spec.end))
    drawn = [
        step
        for step in (part if unfinished + 1 >= spec.least_steps else ())
        if number(trajectory["question_id"], trajectory["sample"], step) / 2**63 < spec.share
        and (not spec.kinds or kinds[step] in spec.kinds)
    ]
    return [*drawn, unfinished]


def unfinished_states(trajectories: Iterable[dict[str, Any]], choice: Choice = every_step) -> list[State]:
    """Every distinct state after a chosen step that is not the last, once, in the order of its question and length.

    The state after the last step needs no rollout: the answer is complete, or its budget is spent.
    """
    found: dict[str, State] = {}
    for row in trajectories:
        prompt = tuple(row["prompt_ids"])
        for step in choice(row):
            if step == len(row["step_ends"]) - 1:
                continue
            prefix = tuple(row["token_ids"][: row["step_ends"][step]])
            key = state_key(prompt, prefix)
            found.setdefault(key, State(key, row["question_id"], prompt, prefix))
    return sorted(found.values(), key=lambda state: (state.question_id, len(state.prefix_ids), state.key))


def step_labels(
    trajectories: Sequence[dict[str, Any]], outcomes: Mapping[str, Outcome], choice: Choice = every_step
) -> list[dict[str, Any]]:
    """One label row per chosen step of every trajectory.

    Args:
        trajectories: rows of the trajectory table.
        outcomes: of every unfinished state that was rolled out, by key.

    Returns:
        rows with the soft label (mean of the trials), the hard one (any trial right) and the counts. The state after
        the last step has one trial: the trajectory itself.
    """
    rows = []
    for row in trajectories:
        last = len(row["step_ends"]) - 1
        for step in choice(row):
            key = state_key(row["prompt_ids"], row["token_ids"][: row["step_ends"][step]])
            outcome = Outcome(1, int(row["correct"])) if step == last else outcomes[key]
            rows.append(
                {
                    "question_id": row["question_id"],
                    "sample": row["sample"],
                    "step": step,
                    "state": key,
                    "finished": step == last,
                    "rollouts": outcome.rollouts,
                    "successes": outcome.successes,
                    "soft": outcome.successes / outcome.rollouts,
                    "hard": outcome.successes > 0,
                    "tokens": outcome.tokens,
                    "source": None,
                }
            )
    return rows
