"""How good values of states are: judged against rollouts that the values have not read.

A value made from K rollouts of a state is judged by the mean of the state's other rollouts, several times with other K
rollouts: its draws. Two kinds of agreement are told apart. Most of the variance of values lies between questions, and
few rollouts know which question is hard; which step was good is variance within questions, all that credit is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stepladder.errors import StepladderError
from stepladder.evaluation.statistics import correlation, share_of
from stepladder.evaluation.step_measures import Bootstrap, Measured, over_seeds, sums


@dataclass(frozen=True)
class ValuedStates:
    """The states of one seed with their values and what these are judged by.

    Attributes:
        values: (states, draws).
        truth: (states, draws) mean reward of rollouts that the value of that draw has not read.
        trials: how many rollouts each truth is the mean of, at least 2.
        question: (states,) number of the state's question among those of all seeds.
        step: (states,) how many steps the state has behind it.
        tokens: (states,) generated for one value.
    """

    values: np.ndarray
    truth: np.ndarray
    trials: int
    question: np.ndarray
    step: np.ndarray
    tokens: np.ndarray


@dataclass(frozen=True)
class StepError:
    """The mean absolute error of values after so many steps, over so many states of all seeds."""

    step: int
    states: int
    mean_absolute_error: float


def held_out(rewards: np.ndarray, k: int, most: int) -> list[tuple[slice, np.ndarray]]:
    """Disjoint runs of K rollouts, each with (states,) the mean reward of all rollouts outside of it.

    Args:
        rewards: (states, rollouts).
        most: of the runs.

    Raises:
        StepladderError: when fewer than two rollouts are left to judge by.
    """
    rollouts = rewards.shape[1]
    if rollouts - k < 2:
        raise StepladderError(f"a value from {k} of {rollouts} rollouts leaves too few to judge it by; keep 2 at least")
    places = [slice(start, start + k) for start in range(0, rollouts - k + 1, k)][:most]
    total = rewards.sum(1)
    return [(place, (total - rewards[:, place].sum(1)) / (rollouts - k)) for place in places]


def accuracy(seeds: Sequence[ValuedStates], questions: int, draws: Bootstrap) -> dict[str, Measured]:
    """Every measure by its name, with its values over questions and seeds drawn anew.

    bias: mean error. mse: mean squared error less the expected squared error of the truth, t (1 - t) / (trials - 1),
    so that values equal to the true chances have 0. mae: mean absolute error, that of the truth included. within:
    correlation of values and truths as they differ from the means of their questions; between: that of these means.
    tokens: mean over states. tokens_mse: tokens times mse; the plain mean errs by t (1 - t) / K, so its product is the
    same at any K. Each draw of a state weighs as much as any other.
    """
    return over_seeds([_accuracy(each, questions, draws) for each in seeds], draws)


def errors_by_step(seeds: Sequence[ValuedStates]) -> list[StepError]:
    """Mean absolute error by the number of steps behind a state, over the states of all seeds."""
    steps = np.concatenate([each.step for each in seeds])
    errors = np.concatenate([np.abs(each.values - each.truth).mean(1) for each in seeds])
    return [
        StepError(int(step), int((steps == step).sum()), float(errors[steps == step].mean()))
        for step in np.unique(steps)
    ]


def _accuracy(found: ValuedStates, questions: int, draws: Bootstrap) -> dict[str, np.ndarray]:
    """(1 + resamples,) of every measure: of all questions once, then of each resample."""
    error = found.values - found.truth
    noise = found.truth * (1 - found.truth) / (found.trials - 1)

    def by_question(numbers: np.ndarray) -> np.ndarray:
        """(questions, draws), from (states, draws)."""
        table = np.zeros((questions, numbers.shape[1]))
        np.add.at(table, found.question, numbers)
        return table

    states = np.bincount(found.question, minlength=questions).astype(np.float64)
    there = states > 0
    means = [by_question(each) / np.maximum(states, 1)[:, None] for each in (found.values, found.truth)]
    value, truth = (each - mean[found.question] for each, mean in zip((found.values, found.truth), means, strict=True))
    columns = [
        *(by_question(each).mean(1) for each in (error, error**2 - noise, np.abs(error))),
        *(by_question(each).mean(1) for each in (value * truth, value**2, truth**2)),
        *((there[:, None] * each).mean(1) for each in _moments(*means)),
        np.bincount(found.question, weights=found.tokens, minlength=questions),
        states,
        there.astype(np.float64),
    ]
    bias, mse, mae, both, of_values, of_truths, *moments, tokens, number, asked = sums(np.stack(columns, 1), draws).T
    x, y, xy, xx, yy = (share_of(each, asked) for each in moments)
    squared, spent = share_of(mse, number), share_of(tokens, number)
    return {
        "bias": share_of(bias, number),
        "mse": squared,
        "mae": share_of(mae, number),
        "within": correlation(both, of_values, of_truths),
        "between": correlation(xy - x * y, xx - x**2, yy - y**2),
        "tokens": spent,
        "tokens_mse": spent * squared,
    }


def _moments(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    return x, y, x * y, x**2, y**2
