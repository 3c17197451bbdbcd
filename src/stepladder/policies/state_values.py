"""Values of states from rollouts: each distinct state of an iteration's episodes once, shared out over the ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from torch import nn

from stepladder.generation.chunks import shard
from stepladder.generation.requests import Completion, Request, Sampling
from stepladder.policies import values
from stepladder.policies.actor_critic import frozen_logprobs
from stepladder.policies.credit import step_stops
from stepladder.policies.episodes import Episode, Sampler
from stepladder.questions.collect import question_of
from stepladder.questions.judging import are_right
from stepladder.reasoning.tokens import decode
from stepladder.study.specs.credit import Rollouts
from stepladder.supervision.monte_carlo import State, unfinished_states
from stepladder.training.ranks import gather
from stepladder.training.sequences import TokenSequence
from stepladder.training.trainer import Trainer


@dataclass(frozen=True)
class Rollout:
    """One rollout of a state: what it earned, and what the estimators ask of it.

    Attributes:
        reward: 1 for a right answer, else 0.
        text: the whole answer, what the state had said already included.
        length: its own tokens.
        logprob: of its own tokens together, at temperature 1; 0 where it was not asked for.
        sampler_logprob: the same at the temperature of sampling.
    """

    reward: float
    text: str
    length: int
    logprob: float = 0.0
    sampler_logprob: float = 0.0


@dataclass(frozen=True)
class StateValues:
    """Values by state key, and what they cost.

    Attributes:
        states: how many states the episodes passed through, equal ones counted as often.
        tokens: generated for the rollouts of all ranks.
    """

    values: dict[str, float]
    states: int
    tokens: int

    def describe(self) -> dict[str, float]:
        """For the course of the training."""
        return {
            "states": self.states,
            "distinct_states": len(self.values),
            "rollout_tokens": self.tokens,
            "value": sum(self.values.values()) / max(len(self.values), 1),
        }


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
) -> StateValues:
    """The values under the weights that the engine holds.

    Args:
        episodes: of all ranks.
        questions: rows of the question table by id.
    """
    credit: Rollouts = sampler.job.spec.credit
    groups, count = states_by_question(episodes, credit.first_value == "rollouts")
    mine = shard(groups, trainer.rank, trainer.ranks)
    states = [state for group in mine for state in group]
    rolled = dict(zip(states, _roll_out(sampler, states, questions, iteration, trainer.bare_model.policy), strict=True))
    own: dict[str, float] = {}
    for group in mine:
        prior = values.mean([rollout.reward for state in group for rollout in rolled[state]])
        own |= {state.key: estimate(rolled[state], credit, prior) for state in group}
    tokens = sum(rollout.length for rollouts in rolled.values() for rollout in rollouts)
    found: dict[str, float] = {}
    shares = gather((own, tokens), trainer.ranks)
    for share, _ in shares:
        found |= share
    return StateValues(found, count, sum(spent for _, spent in shares))


def estimate(rollouts: Sequence[Rollout], credit: Rollouts, prior: float) -> float:
    """The value of a state.

    Args:
        prior: mean reward of all rollouts of its question, which ``shrinkage`` leans to.
    """
    rewards = [rollout.reward for rollout in rollouts]
    logprobs, lengths = [rollout.logprob for rollout in rollouts], [rollout.length for rollout in rollouts]
    match credit.estimator:
        case "mean":
            return values.mean(rewards)
        case "shrinkage":
            return values.shrinkage(rewards, prior, credit.prior_strength)
        case "probability_weighted":
            return values.probability_weighted(rewards, logprobs, lengths, credit.alpha, credit.divisor)
        case "sequence_probability":
            return values.probability_weighted(rewards, logprobs, lengths, alpha=0.0, divisor=1.0)
        case "importance_weighted":
            return values.importance_weighted(rewards, logprobs, [rollout.sampler_logprob for rollout in rollouts])
        case "similarity":
            return values.similarity(rewards, [rollout.text for rollout in rollouts])


def _roll_out(
    sampler: Sampler,
    states: Sequence[State],
    questions: Mapping[str, dict[str, Any]],
    iteration: int,
    policy: nn.Module,
) -> list[list[Rollout]]:
    """Rollouts of every state with the tokens that are left to it."""
    spec = sampler.job.spec
    credit: Rollouts = spec.credit
    weighs = credit.estimator in ("probability_weighted", "sequence_probability", "importance_weighted")
    requests = [
        Request(
            (*state.prompt_ids, *state.prefix_ids),
            credit.rollouts,
            sampler.job.derive_seed("rollouts", iteration, state.key),
            max_tokens=spec.max_tokens - len(state.prefix_ids),
        )
        for state in states
    ]
    sampling = Sampling(spec.temperature, 1.0, spec.max_tokens, logprobs=weighs)
    completed = sampler.engine.generate(requests, sampling, progress="")
    told = [[0.0] * credit.rollouts for _ in states]
    if credit.estimator == "importance_weighted":
        told = _sampler_logprobs(policy, requests, completed, spec.temperature)
    found = []
    for state, completions, behind in zip(states, completed, told, strict=True):
        texts = [decode(sampler.tokenizer, [*state.prefix_ids, *each.token_ids]) for each in completions]
        right = are_right(texts, question_of(questions[state.question_id]))
        found.append(
            [
                Rollout(float(good), text, len(each.token_ids), sum(each.logprobs), own)
                for good, text, each, own in zip(right, texts, completions, behind, strict=True)
            ]
        )
    return found


def _sampler_logprobs(
    policy: nn.Module, requests: Sequence[Request], completed: Sequence[Sequence[Completion]], temperature: float
) -> list[list[float]]:
    """Log-prob of every rollout at the temperature at which it was sampled; the engine tells those at 1 only."""
    sequences = [
        TokenSequence((*request.prompt_ids, *each.token_ids), len(request.prompt_ids))
        for request, completions in zip(requests, completed, strict=True)
        for each in completions
    ]
    sums = iter([logprobs.sum().item() for logprobs in frozen_logprobs(policy, sequences, temperature)])
    return [[next(sums) for _ in completions] for completions in completed]
