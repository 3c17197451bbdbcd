"""Rollouts that were kept, state by state, and the values that rows of a table make of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from stepladder.errors import StepladderError
from stepladder.evaluation.value_accuracy import held_out
from stepladder.policies.adaptive import next_round
from stepladder.policies.values import Rollout, estimate
from stepladder.records import ROLLOUTS, SCORES, read_table
from stepladder.report.answers import origin
from stepladder.study.specs.credit import Adaptive
from stepladder.study.specs.tables import RankingRow, ValuesRow

_KEY = ("question_id", "sample", "step")
Key = tuple[str, int, int]
Scores = dict[str, dict[int, dict[Key, float]]]
"""By node and seed the score of every step by its key."""


@dataclass(frozen=True)
class Kept:
    """States of one node and seed with all of their rollouts.

    Attributes:
        keys: (states,) question, sample and number of steps behind the state.
        parents: (states,) the state that an alternative goes on from; None in states of trajectories.
        rewards: (states, rollouts) 1 or 0.
        tokens: (states, rollouts).
        logprobs: (states, rollouts).
        sampler_logprobs: (states, rollouts).
        critic: (states,) what a critic says of each; NaN where none was asked.
        texts: (states, rollouts); empty where nobody reads them.
    """

    keys: tuple[Key, ...]
    parents: tuple[str | None, ...]
    rewards: np.ndarray
    tokens: np.ndarray
    logprobs: np.ndarray
    sampler_logprobs: np.ndarray
    critic: np.ndarray
    texts: tuple[tuple[str, ...], ...]

    @cached_property
    def question(self) -> np.ndarray:
        """(states,) its question, by a number of this seed."""
        return np.unique([question for question, _, _ in self.keys], return_inverse=True)[1]

    def only(self, places: Sequence[int]) -> Self:
        """Some of the states."""
        return type(self)(
            keys=tuple(self.keys[i] for i in places),
            parents=tuple(self.parents[i] for i in places),
            rewards=self.rewards[places],
            tokens=self.tokens[places],
            logprobs=self.logprobs[places],
            sampler_logprobs=self.sampler_logprobs[places],
            critic=self.critic[places],
            texts=tuple(self.texts[i] for i in places) if self.texts else (),
        )

    def rollouts(self, state: int, place: slice) -> list[Rollout]:
        """Some rollouts of a state, as the estimators read them."""
        texts = self.texts[state][place] if self.texts else ("",) * (place.stop - place.start)
        told = (self.tokens, self.logprobs, self.sampler_logprobs)
        numbers = (each[state, place].tolist() for each in told)
        return list(map(Rollout, self.rewards[state, place].tolist(), texts, *numbers))


@dataclass(frozen=True)
class Estimates:
    """Values of states with what they are judged by: see :class:`value_accuracy.ValuedStates`."""

    values: np.ndarray
    truth: np.ndarray
    trials: int
    tokens: np.ndarray


def estimates(row: RankingRow, kept: Kept, redraws: int) -> Estimates:
    """The values that a row's estimator makes of K rollouts of each state, several times of others; or the critic's.

    ``shrinkage`` leans to the mean value of the question's states among those given, as in training. Of an adaptive row
    K is the mean, over the states given; every draw sets aside as many rollouts as one state may have.
    """
    if row.critic:
        return given(kept.critic, kept)
    adaptive = row.adaptive if isinstance(row, ValuesRow) else None
    most = adaptive.most if adaptive else row.k
    values, truths, numbers = [], [], []
    states = np.bincount(kept.question)
    for place, truth in held_out(kept.rewards, most, redraws):
        rewards = kept.rewards[:, place]
        number = _in_rounds(rewards, adaptive, row.k) if adaptive else np.full(len(rewards), row.k)
        means = np.cumsum(rewards, 1)[np.arange(len(rewards)), number - 1] / number
        priors = (np.bincount(kept.question, weights=means) / states)[kept.question]
        read = [kept.rollouts(i, slice(place.start, place.start + k)) for i, k in enumerate(number.tolist())]
        values.append([estimate(each, row, prior) for each, prior in zip(read, priors.tolist(), strict=True)])
        truths.append(truth)
        numbers.append(number)
    trials = kept.rewards.shape[1] - most
    tokens = np.mean(numbers, axis=0) * kept.tokens.mean(1)
    return Estimates(np.array(values).T, np.array(truths).T, trials, tokens)


def _in_rounds(rewards: np.ndarray, spec: Adaptive, k: int) -> np.ndarray:
    """(states,) how many of its rollouts each state would have had, as training decides it over all states together.

    Args:
        rewards: (states, most) of the rollouts that each may have, in the order in which it gets them.
    """
    number = {str(state): spec.first for state in range(len(rewards))}
    plan = number
    while plan:
        counts = {key: (int(rewards[int(key), :n].sum()), n) for key, n in number.items()}
        plan = next_round(counts, spec, k * len(rewards))
        number = {key: n + plan.get(key, 0) for key, n in number.items()}
    return np.array(list(number.values()), dtype=np.int64)


def given(values: np.ndarray, kept: Kept) -> Estimates:
    """Values that read no rollout, judged by all of them.

    Args:
        values: (states,).
    """
    trials = kept.rewards.shape[1]
    return Estimates(values[:, None], kept.rewards.mean(1, keepdims=True), trials, np.zeros(len(values)))


def read_rollouts(paths: Sequence[Path], texts: bool, alternatives: bool) -> dict[str, dict[int, Kept]]:
    """The states in files by node and seed; the metrics.json beside each says whose and which seed's.

    Args:
        texts: whether the rollouts' texts are wanted, which are most of a file.
        alternatives: those to next steps, in place of the states of trajectories.

    Raises:
        StepladderError: when a file cannot be read or holds no such state.
    """
    unread = {"state", "state_ids", "rollout_ids"} | (set() if texts else {"texts"})
    columns = [name for name in ROLLOUTS.names if name not in unread]
    found: dict[str, dict[int, Kept]] = {}
    for path in paths:
        name, seed = origin(path)
        rows = [
            row
            for row in read_table(path, ROLLOUTS, columns).to_pylist()
            if (row["parent"] is not None) == alternatives
        ]
        if not rows:
            what = "alternative next step that leads to an unfinished state" if alternatives else "state"
            raise StepladderError(f"{path}: no {what}; take more states and more rollouts of each")
        found.setdefault(name, {})[seed] = _kept(rows)
    return found


def _kept(rows: Sequence[dict[str, Any]]) -> Kept:
    return Kept(
        keys=tuple((row["question_id"], row["sample"], row["step"]) for row in rows),
        parents=tuple(row["parent"] for row in rows),
        rewards=np.array([row["correct"] for row in rows], dtype=np.float64),
        tokens=np.array([row["tokens"] for row in rows], dtype=np.int64),
        logprobs=np.array([row["logprobs"] for row in rows], dtype=np.float64),
        sampler_logprobs=np.array([row["sampler_logprobs"] for row in rows], dtype=np.float64),
        critic=np.array([np.nan if row["critic"] is None else row["critic"] for row in rows]),
        texts=tuple(tuple(row["texts"]) for row in rows if "texts" in row),
    )


def read_scores(paths: Sequence[Path]) -> Scores:
    """The scores of steps, after the sigmoid, in files.

    Raises:
        StepladderError: when a file cannot be read.
    """
    found: Scores = {}
    for path in paths:
        name, seed = origin(path)
        table = read_table(path, SCORES, columns=[*_KEY, "score"])
        keys = zip(*(table[key].to_pylist() for key in _KEY), strict=True)
        found.setdefault(name, {})[seed] = dict(zip(keys, table["score"].to_pylist(), strict=True))
    return found
