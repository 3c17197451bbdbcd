"""Which states get many rollouts: some of those that trajectories reached, and alternatives to their next steps."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stepladder.reasoning.states import state_key
from stepladder.supervision.monte_carlo import State


@dataclass(frozen=True)
class Visit:
    """A state where a trajectory reached it.

    Attributes:
        sample: of the trajectory; an alternative has that of the state that it goes on from.
        step: how many steps the state has behind it; 0 for the bare question.
        parent: key of the state that this one is a next step of; None where a trajectory reached it.
    """

    state: State
    sample: int
    step: int
    parent: str | None = None


def visits(trajectories: Iterable[dict[str, Any]], max_tokens: int) -> list[Visit]:
    """Every distinct unfinished state, the bare question too, where the first of the trajectories reached it.

    Args:
        trajectories: rows of the trajectory table, of one question or of several, in any order.
        max_tokens: of an answer; a state that has none of them left is finished.
    """
    found: dict[str, Visit] = {}
    for row in sorted(trajectories, key=lambda row: (row["question_id"], row["sample"])):
        prompt = tuple(row["prompt_ids"])
        for step, end in enumerate([0, *(end for end in row["step_ends"][:-1] if end < max_tokens)]):
            prefix = tuple(row["token_ids"][:end])
            key = state_key(prompt, prefix)
            found.setdefault(key, Visit(State(key, row["question_id"], prompt, prefix), row["sample"], step))
    return list(found.values())


def drawn(found: Sequence[Visit], most: int | None, number: Callable[[str], int]) -> list[Visit]:
    """At most so many of the visits, those with the least numbers, in the order given.

    Args:
        number: from a state's key to a random number of its own.
    """
    chosen = {visit.state.key for visit in sorted(found, key=lambda visit: number(visit.state.key))[:most]}
    return [visit for visit in found if visit.state.key in chosen]


def alternatives(
    visit: Visit,
    rollouts: Iterable[Sequence[int]],
    step_ends: Callable[[list[int]], list[int]],
    most: int,
) -> list[Visit]:
    """The first distinct next steps that rollouts of a state begin with, each as the state behind it.

    A step that ends its rollout leads to no unfinished state and is no alternative.

    Args:
        rollouts: token ids, each without those of the state.
        step_ends: from an answer's ids to the ends of its steps.
        most: of them.
    """
    state = visit.state
    found: dict[str, Visit] = {}
    for ids in rollouts:
        if len(found) == most:
            break
        answer = [*state.prefix_ids, *ids]
        end = next((end for end in step_ends(answer) if end > len(state.prefix_ids)), len(answer))
        if end < len(answer):
            prefix = tuple(answer[:end])
            key = state_key(state.prompt_ids, prefix)
            after = State(key, state.question_id, state.prompt_ids, prefix)
            found.setdefault(key, Visit(after, visit.sample, visit.step + 1, state.key))
    return list(found.values())
