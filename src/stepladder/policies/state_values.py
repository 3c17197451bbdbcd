"""Values of states from rollouts: each distinct state of an iteration's episodes once, shared out over the ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import Any, TypeVar

from stepladder.generation.chunks import shard
from stepladder.generation.requests import Completion, Request, Sampling
from stepladder.policies.actor_critic import logprobs_as_trained
from stepladder.policies.adaptive import next_round, posterior_deviation
from stepladder.policies.credit import step_stops
from stepladder.policies.episodes import Episode, Sampler
from stepladder.policies.values import LEAST_EFFECTIVE, Rollout, effective_share, estimate
from stepladder.questions.collect import question_of
from stepladder.questions.judging import are_right
from stepladder.reasoning.tokens import decode
from stepladder.study.specs.credit import Rollouts
from stepladder.supervision.monte_carlo import State, unfinished_states
from stepladder.training.ranks import gather
from stepladder.training.sequences import TokenSequence
from stepladder.training.trainer import Trainer

Value = TypeVar("Value")


@dataclass(frozen=True)
class StateValue:
    """A state's value, and what it cost.

    Attributes:
        deviation: of its posterior given how many rollouts were right, from a uniform prior.
        rollouts: how many it had.
        tokens: generated for them.
        effective: the share of them that counts under importance weights; None for other estimators.
    """

    value: float
    deviation: float
    rollouts: int
    tokens: int
    effective: float | None = None


def describe(found: Mapping[str, StateValue], states: int) -> dict[str, float]:
    """For the course of the training: sums over the distinct states, and means of value and deviation.

    Of importance weights also the mean effective share, and the share of states where they gave way to the plain mean.
    """
    said = {
        "states": states,
        "distinct_states": len(found),
        "rollouts": sum(each.rollouts for each in found.values()),
        "rollout_tokens": sum(each.tokens for each in found.values()),
        "value": fmean(each.value for each in found.values()) if found else 0.0,
        "value_deviation": fmean(each.deviation for each in found.values()) if found else 0.0,
    }
    shares = [each.effective for each in found.values() if each.effective is not None]
    if shares:
        said |= {"effective": fmean(shares), "fallbacks": fmean(share < LEAST_EFFECTIVE for share in shares)}
    return said


def states_by_question(episodes: Sequence[Episode], first: bool) -> tuple[list[list[State]], int]:
    """The distinct unfinished states of the episodes, one list a question, and how many there are undistinguished.

    Args:
        first: whether the bare question is among them.
    """
    start = [0] if first else []
    rows = [{**episode.trajectory, "step_ends": [*start, *step_stops(episode.trajectory)]} for episode in episodes]
    groups = groupby(unfinished_states(rows), lambda state: state.question_id)
    return [list(group) for _, group in groups], sum(len(row["step_ends"]) - 1 for row in rows)


def value_states(
    sampler: Sampler,
    episodes: Sequence[Episode],
    questions: Mapping[str, dict[str, Any]],
    iteration: int,
    trainer: Trainer,
) -> tuple[dict[str, StateValue], int]:
    """The values under the weights that the engine holds, by state key, and how many states there are undistinguished.

    Args:
        episodes: of all ranks.
        questions: rows of the question table by id.
    """
    credit: Rollouts = sampler.job.spec.credit
    groups, count = states_by_question(episodes, credit.first_value == "rollouts")
    mine = shard(groups, trainer.rank, trainer.ranks)
    rolled = _in_rounds(sampler, groups, mine, questions, iteration, trainer)
    own: dict[str, StateValue] = {}
    for group in mine:
        prior = fmean(fmean(rollout.reward for rollout in rolled[state.key]) for state in group)
        for rollouts, key in ((rolled[state.key], state.key) for state in group):
            tokens = sum(rollout.length for rollout in rollouts)
            deviation = posterior_deviation(*_count(rollouts))
            value, effective = estimate(rollouts, credit, prior), effective_share(rollouts, credit)
            own[key] = StateValue(value, deviation, len(rollouts), tokens, effective)
    return _joined(gather(own, trainer.ranks)), count


def _in_rounds(
    sampler: Sampler,
    groups: Sequence[Sequence[State]],
    mine: Sequence[Sequence[State]],
    questions: Mapping[str, dict[str, Any]],
    iteration: int,
    trainer: Trainer,
) -> dict[str, list[Rollout]]:
    """Rollouts of this rank's states by key; how many each gets is decided over the states of all ranks."""
    credit: Rollouts = sampler.job.spec.credit
    rolled: dict[str, list[Rollout]] = {state.key: [] for group in mine for state in group}
    keys = [state.key for group in groups for state in group]
    plan = dict.fromkeys(keys, credit.adaptive.first if credit.adaptive else credit.rollouts)
    while plan:
        asked = [(state, plan[state.key]) for group in mine for state in group if state.key in plan]
        requests = [_request(sampler, state, more, len(rolled[state.key]), iteration) for state, more in asked]
        found = _roll_out(sampler, [state for state, _ in asked], requests, questions, trainer)
        for (state, _), rollouts in zip(asked, found, strict=True):
            rolled[state.key] += rollouts
        if credit.adaptive is None:
            break
        counts = _joined(gather({key: _count(rollouts) for key, rollouts in rolled.items()}, trainer.ranks))
        plan = next_round(counts, credit.adaptive, credit.rollouts * len(keys))
    return rolled


def _count(rollouts: Sequence[Rollout]) -> tuple[int, int]:
    """Right rollouts, and all."""
    return sum(int(rollout.reward) for rollout in rollouts), len(rollouts)


def _joined(shares: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    return {key: value for share in shares for key, value in share.items()}


def _request(sampler: Sampler, state: State, more: int, sofar: int, iteration: int) -> Request:
    """Further rollouts of a state with the tokens that are left to it; they draw as if all were asked for at once."""
    return Request(
        (*state.prompt_ids, *state.prefix_ids),
        more,
        sampler.job.derive_seed("rollouts", iteration, state.key) + sofar,
        max_tokens=sampler.job.spec.max_tokens - len(state.prefix_ids),
    )


def _roll_out(
    sampler: Sampler,
    states: Sequence[State],
    requests: Sequence[Request],
    questions: Mapping[str, dict[str, Any]],
    trainer: Trainer,
) -> list[list[Rollout]]:
    """The rollouts that each state's request asks for, graded."""
    spec = sampler.job.spec
    weighs = spec.credit.estimator in ("probability_weighted", "sequence_probability", "importance_weighted")
    sampling = Sampling(spec.temperature, spec.top_p, spec.max_tokens, logprobs=weighs)
    completed = sampler.engine.generate(requests, sampling, progress="")
    told = _logprobs(spec.credit.estimator, trainer, requests, completed, sampling)
    found = []
    for state, completions, whole, cut in zip(states, completed, *told, strict=True):
        texts = [decode(sampler.tokenizer, [*state.prefix_ids, *each.token_ids]) for each in completions]
        right = are_right(texts, question_of(questions[state.question_id]))
        found.append(
            [
                Rollout(float(good), text, len(each.token_ids), *logprobs)
                for good, text, each, *logprobs in zip(right, texts, completions, whole, cut, strict=True)
            ]
        )
    return found


def _logprobs(
    estimator: str,
    trainer: Trainer,
    requests: Sequence[Request],
    completed: Sequence[Sequence[Completion]],
    sampling: Sampling,
) -> tuple[list[list[float]], list[list[float]]]:
    """Log-probs of every rollout that an estimator reads: under the policy, and as they were sampled.

    The engine tells those at temperature 1 and top_p 1 only; at others, and to compare the two, the trainer reads them.
    """
    told = [[sum(each.logprobs) for each in completions] for completions in completed]
    plain = sampling.temperature == sampling.top_p == 1
    match estimator:
        case "importance_weighted":
            whole = told if plain else _as_trained(trainer, requests, completed, sampling.temperature)
            return whole, _as_trained(trainer, requests, completed, sampling.temperature, sampling.top_p)
        case "probability_weighted" | "sequence_probability" if not plain:
            return told, _as_trained(trainer, requests, completed, sampling.temperature, sampling.top_p)
        case _:
            return told, told


def _as_trained(
    trainer: Trainer,
    requests: Sequence[Request],
    completed: Sequence[Sequence[Completion]],
    temperature: float,
    top_p: float = 1.0,
) -> list[list[float]]:
    """Log-prob of every rollout under the trainer's policy."""
    sequences = [
        TokenSequence((*request.prompt_ids, *each.token_ids), len(request.prompt_ids))
        for request, completions in zip(requests, completed, strict=True)
        for each in completions
    ]
    found = logprobs_as_trained(trainer, trainer.bare_model.policy, sequences, temperature, top_p)
    sums = iter([logprobs.sum().item() for logprobs in found])
    return [[next(sums) for _ in completions] for completions in completed]
