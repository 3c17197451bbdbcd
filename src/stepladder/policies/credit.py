"""Credit assignment: from the rewards of an iteration's episodes to an advantage for every token."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from stepladder.generation.chunks import chunks
from stepladder.policies import advantages
from stepladder.policies.clipped import kl_estimate, whiten
from stepladder.policies.episodes import Episode
from stepladder.reasoning.states import state_key
from stepladder.study.specs.credit import Credit, Critic, GroupRelative, LeaveOneOut, Process, Rollouts
from stepladder.study.specs.policies import Ppo


def step_stops(trajectory: Mapping[str, Any]) -> list[int]:
    """For every step that has tokens of its own, how many ids the answer has up to its last one.

    The steps cover the answer: what stands before the first step belongs to it, the end-of-sequence token to the
    last. An answer without a step is one step.
    """
    return sorted({*trajectory["step_ends"][:-1], len(trajectory["token_ids"])})


def on_tokens(steps: Tensor, stops: Sequence[int]) -> Tensor:
    """What belongs to each step on every token of it: from (steps,) to (tokens,)."""
    return steps.repeat_interleave(torch.tensor([0, *stops]).diff())


def credit_episodes(
    episodes: Sequence[Episode], spec: Ppo, values: Mapping[str, float], rollouts: Mapping[str, int] | None = None
) -> None:
    """Fills in the advantages of an iteration's episodes as they go into the updates.

    Args:
        values: of the states that were rolled out, by key; read by that credit only, as are
        rollouts: how many each of them had, where the endings of other episodes count, too.
    """
    if spec.kl_in == "reward":
        penalise(episodes, spec)
    assign_credit(episodes, spec.credit, spec.samples, values, rollouts)
    normalise(episodes, spec.whiten, spec.importance_cap)


def penalise(episodes: Sequence[Episode], spec: Ppo) -> None:
    """Fills in what the KL to the reference takes from the reward of every token, in nats times its coefficient."""
    for episode in episodes:
        distance = kl_estimate(episode.old_logprobs, episode.reference_logprobs, spec.kl_estimator)
        episode.penalties = spec.kl_coefficient * distance


def assign_credit(
    episodes: Sequence[Episode],
    credit: Credit,
    samples: int,
    values: Mapping[str, float],
    rollouts: Mapping[str, int] | None = None,
) -> None:
    """Fills in the advantages, and the critic's targets where there is a critic.

    Penalties are rewards of single tokens. A critic learns them with the rest; any other credit is of the episode's own
    reward, and a token answers for its own penalty and those of the tokens after it.

    Args:
        episodes: ``samples`` of each question, those of a question one after the other.
        values: as in :func:`credit_episodes`.
        rollouts: as there.
    """
    for group in chunks(episodes, samples):
        rewards = torch.tensor([episode.reward.reward for episode in group])
        match credit:
            case Critic():
                for episode in group:
                    _learnt(episode, credit)
            case Rollouts():
                _by_rollouts(group, credit, values, rollouts or {})
            case GroupRelative(normalise=True):
                _whole(group, advantages.group_relative(rewards))
            case GroupRelative():
                _whole(group, rewards - rewards.mean())
            case LeaveOneOut():
                _whole(group, advantages.leave_one_out(rewards))
            case Process():
                _by_steps(group, credit)
        if not isinstance(credit, Critic):
            _take_penalties(group)


def _take_penalties(group: Sequence[Episode]) -> None:
    for episode in group:
        if episode.penalties is not None:
            episode.advantages = episode.advantages - episode.penalties.flip(0).cumsum(0).flip(0)


def _learnt(episode: Episode, credit: Critic) -> None:
    rewards = torch.zeros_like(episode.values) if episode.penalties is None else -episode.penalties
    given = {len(rewards): episode.reward.reward}
    if credit.step_reward != "none":
        # A critic learns what a question is worth, so 0 may stand for it; a mean of first steps would move with them.
        given = _step_rewards(episode, credit, 0.0)
    for end, each in given.items():
        rewards[end - 1] += each
    episode.advantages = advantages.gae(rewards, episode.values, credit.gamma, credit.lam)
    episode.returns = episode.advantages + episode.values


def _by_rollouts(
    group: Sequence[Episode], credit: Rollouts, values: Mapping[str, float], rollouts: Mapping[str, int]
) -> None:
    visits = _visits(group) if credit.endings else {}
    for place, episode in enumerate(group):
        start, *later = _states(episode)
        own = {
            key: _with_endings(values[key], rollouts.get(key, 0), visits.get(key, {}), place)
            for key in (start, *later)
            if key in values
        }
        if credit.first_value == "episodes":
            own[start] = fmean(each.reward.reward for other, each in enumerate(group) if other != place)
        before = [own[key] for key in (start, *later)]
        gains = advantages.step_advantages(before, episode.reward.reward)
        episode.advantages = on_tokens(gains, step_stops(episode.trajectory))


def _states(episode: Episode) -> list[str]:
    """The keys of the states before each step."""
    row = episode.trajectory
    return [state_key(row["prompt_ids"], row["token_ids"][:end]) for end in (0, *step_stops(row)[:-1])]


def _visits(group: Sequence[Episode]) -> dict[str, dict[int, float]]:
    """Of every state the episodes that went through it, by place, with their rewards."""
    found: dict[str, dict[int, float]] = {}
    for place, episode in enumerate(group):
        for key in _states(episode):
            found.setdefault(key, {})[place] = episode.reward.reward
    return found


def _with_endings(value: float, rollouts: int, visitors: Mapping[int, float], place: int) -> float:
    """A state's value for one episode, others' endings joined to its rollouts: its own depends on what it did."""
    others = [reward for other, reward in visitors.items() if other != place]
    return (value * rollouts + sum(others)) / (rollouts + len(others)) if others else value


def _whole(group: Sequence[Episode], gains: Tensor) -> None:
    for episode, gain in zip(group, gains.tolist(), strict=True):
        episode.advantages = torch.full((episode.sequence.targets,), gain)


def _by_steps(group: Sequence[Episode], credit: Process) -> None:
    firsts = [episode.step_scores[0] for episode in group if episode.step_scores]
    # The bare question is worth what its first steps are on average, as a value should be.
    given = [_step_rewards(episode, credit, fmean(firsts) if firsts else 0.0) for episode in group]
    rewards = [torch.tensor(list(each.values())) for each in given]
    if credit.normalise:
        joined = advantages.group_relative(torch.cat(rewards))
        rewards = joined.split([len(each) for each in rewards])
    for episode, ends, own in zip(group, given, rewards, strict=True):
        returns = advantages.gae(own, torch.zeros_like(own), credit.gamma, lam=1.0)
        # Behind the last step that counts nothing is rewarded.
        stops = [*ends, len(episode.trajectory["token_ids"])]
        episode.advantages = on_tokens(torch.cat([returns, torch.zeros(1)]), stops)


def _step_rewards(episode: Episode, credit: Process | Critic, start: float) -> dict[int, float]:
    """What a step earns, by how many ids the answer has up to its end, in their order; the outcome with the last id.

    An answer without a step that counts earns its outcome alone.

    Args:
        start: what the bare question is worth where differences are rewarded.
    """
    last, given = len(episode.trajectory["token_ids"]), episode.step_scores
    if credit.step_reward == "differences":
        given = [credit.gamma * now - before for before, now in pairwise([start, *given])]
    found: dict[int, float] = {}
    for end, each in zip(episode.scored_ends, given, strict=True):
        found[end] = found.get(end, 0.0) + each
    if credit.outcome_weight or not found:
        found[last] = found.get(last, 0.0) + credit.outcome_weight * episode.reward.outcome
    return found


def normalise(episodes: Sequence[Episode], how: str, cap: float | None) -> None:
    """Whitens the advantages over all tokens of all episodes, then weighs them against the sampler's mismatch.

    Args:
        how: "none", "scale" or "full".
        cap: most that a token weighs; its weight is the trainer's over the sampler's probability (truncated importance
            sampling). None: all weigh 1.
    """
    joined = torch.cat([episode.advantages for episode in episodes])
    if how != "none":
        joined = whiten(joined, torch.ones_like(joined), shift_mean=how == "full")
    if cap is not None:
        joined = joined * (-sampler_excess(episodes)).exp().clamp(max=cap)
    parts = joined.split([len(episode.advantages) for episode in episodes])
    for episode, part in zip(episodes, parts, strict=True):
        episode.advantages = part


def sampler_excess(episodes: Sequence[Episode]) -> Tensor:
    """By how much the sampler's log-prob of every token exceeds the trainer's; the mean estimates their KL."""
    return torch.cat([torch.tensor(e.trajectory["logprobs"]) - e.old_logprobs for e in episodes])
