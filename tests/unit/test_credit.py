"""Credit: every token has its step's advantage, sums telescope, groups are compared with themselves."""

from itertools import product
from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onpolicy_scene import CREDITS, episodes, ppo, prepared, values_of

import tiny
from stepladder.policies.credit import assign_credit, credit_episodes, normalise, on_tokens, step_stops
from stepladder.policies.episodes import Episode
from stepladder.reasoning.states import state_key
from stepladder.rewards.reward import Reward
from stepladder.training.sequences import TokenSequence


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("start"))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_every_token_has_what_belongs_to_its_step(lengths):
    stops = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    painted = on_tokens(torch.arange(len(lengths)), stops).tolist()
    assert painted == [step for step, length in enumerate(lengths) for _ in range(length)]


def test_steps_cover_the_answer_whatever_the_splitter_found():
    def stops(ends, tokens):
        return step_stops({"step_ends": ends, "token_ids": [7] * tokens})

    assert stops([2, 5, 9], 9) == [2, 5, 9]
    assert stops([], 4) == [4], "an answer without a step is one step"
    assert stops([3, 3, 6], 6) == [3, 6], "a step that shares its only token with the next one has none of its own"
    assert stops([4, 6, 6], 6) == [4, 6], "the finished answer is no state to roll out"


@pytest.mark.parametrize("first_value", ["rollouts", "episodes"])
def test_step_advantages_are_gains_in_value_and_telescope(first_value):
    found = episodes()
    values = values_of(found)
    credit = ppo(credit={"kind": "rollouts", "first_value": first_value}).credit
    if first_value == "episodes":
        values = {key: value for key, value in values.items() if key not in bare_questions(found)}
    assign_credit(found, credit, 2, values)
    for place, episode in enumerate(found):
        row, gains = episode.trajectory, episode.advantages
        other = found[place ^ 1].reward.reward
        first = other if first_value == "episodes" else values[state_key(row["prompt_ids"], [])]
        ends = row["step_ends"]
        states = [first, *(values[state_key(row["prompt_ids"], row["token_ids"][:end])] for end in ends[:-1])]
        after = [*states[1:], episode.reward.reward]
        lengths = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
        expected = [b - a for a, b, length in zip(states, after, lengths, strict=True) for _ in range(length)]
        assert gains.tolist() == pytest.approx(expected, abs=1e-6)
        total = sum(gains[end - 1].item() for end in ends)
        assert total == pytest.approx(episode.reward.reward - first, abs=1e-6)


def two_steps(action: int, right: float) -> Episode:
    """An episode of a first step, which is its action, and a last one."""
    row = {"prompt_ids": [1], "token_ids": [3 + action, 5 + int(right)], "step_ends": [1, 2]}
    return Episode(row, Reward(2, right, right, right, right), TokenSequence((1, *row["token_ids"]), 1))


def test_endings_of_other_episodes_make_no_advantage_wrong_on_average():
    """All outcomes of a tree of two actions: two episodes and one rollout of each state, with their probabilities.

    Given the action the first advantage must be Q(action) - V on average; with the episode's own ending among the
    rollouts of the question, it would be less.
    """
    chance, right = (0.3, 0.7), (0.9, 0.2)
    value = sum(p * q for p, q in zip(chance, right, strict=True))
    credit = ppo(credit={"kind": "rollouts", "rollouts": 1, "endings": True}).credit
    sums, weights = {0: 0.0, 1: 0.0}, {0: 0.0, 1: 0.0}
    last = {(0, 0): [], (0, 1): [], (1, 0): [], (1, 1): []}
    for drawn in product((0, 1), repeat=7):
        rolled, actions, ends = drawn[:3], drawn[3:5], drawn[5:]
        of_rollouts = (value, *right)
        weight = prod(p if hit else 1 - p for p, hit in zip(of_rollouts, rolled, strict=True))
        weight *= prod(chance[action] for action in actions)
        weight *= prod(right[a] if end else 1 - right[a] for a, end in zip(actions, ends, strict=True))
        found = [two_steps(a, float(end)) for a, end in zip(actions, ends, strict=True)]
        keys = [state_key([1], []), state_key([1], [3]), state_key([1], [4])]
        values = dict(zip(keys, map(float, rolled), strict=True))
        assign_credit(found, credit, 2, values, dict.fromkeys(keys, 1))
        first, second = found[0].advantages.tolist()
        sums[actions[0]] += weight * first
        weights[actions[0]] += weight
        last[actions[0], ends[0]].append((weight, second))
    for action in (0, 1):
        assert sums[action] / weights[action] == pytest.approx(right[action] - value)
        for end in (0, 1):
            cases = last[action, end]
            average = sum(weight * gain for weight, gain in cases) / sum(weight for weight, _ in cases)
            assert average == pytest.approx(end - right[action]), "nor does the last one know its own ending"


def test_endings_join_the_rollouts_of_states_that_episodes_share():
    found = [two_steps(0, 1.0), two_steps(0, 0.0), two_steps(1, 1.0)]
    keys = [state_key([1], []), state_key([1], [3]), state_key([1], [4])]
    credit = ppo(credit={"kind": "rollouts", "endings": True}, samples=3).credit
    assign_credit(found, credit, 3, dict(zip(keys, (0.5, 0.25, 0.75), strict=True)), dict.fromkeys(keys, 4))
    start, shared = [(2 + 1) / 6, (2 + 2) / 6, (2 + 1) / 6], [(1 + 0) / 5, (1 + 1) / 5]
    expected = [[shared[0] - start[0], 1 - shared[0]], [shared[1] - start[1], -shared[1]], [0.75 - start[2], 0.25]]
    for episode, gains in zip(found, expected, strict=True):
        assert episode.advantages.tolist() == pytest.approx(gains, abs=1e-6)


def bare_questions(found) -> set[str]:
    return {state_key(episode.trajectory["prompt_ids"], []) for episode in found}


def test_groups_are_compared_with_themselves():
    found = episodes()
    rewards = [e.reward.reward for e in found]
    mean = [(rewards[i] + rewards[i ^ 1]) / 2 for i in range(8)]
    expected = {
        "dr": [r - m for r, m in zip(rewards, mean, strict=True)],
        "grpo": [(0.5**0.5) * (1 if r > m else -1) for r, m in zip(rewards, mean, strict=True)],
        "rloo": [rewards[i] - rewards[i ^ 1] for i in range(8)],
    }
    credits = {
        "dr": {"kind": "group_relative", "normalise": False},
        "grpo": {"kind": "group_relative"},
        "rloo": {"kind": "leave_one_out"},
    }
    for name, credit in credits.items():
        assign_credit(found, ppo(credit=credit).credit, 2, {})
        for episode, gain in zip(found, expected[name], strict=True):
            assert episode.advantages.tolist() == pytest.approx([gain] * episode.sequence.targets, abs=1e-5), name


def test_the_reward_comes_with_the_last_token_and_advantages_follow_gae(start):
    found, _ = prepared(start, ppo(credit={"kind": "critic", "gamma": 0.9, "lam": 0.8}, whiten="none"))
    for episode in found:
        values = episode.values.tolist()
        count = len(values)
        assert count == episode.sequence.targets
        rewards = [0.0] * (count - 1) + [episode.reward.reward]
        errors = [rewards[t] + 0.9 * (values[t + 1] if t + 1 < count else 0.0) - values[t] for t in range(count)]
        expected = [sum((0.9 * 0.8) ** (k - t) * errors[k] for k in range(t, count)) for t in range(count)]
        assert episode.advantages.tolist() == pytest.approx(expected, abs=1e-5)
        assert episode.returns.tolist() == pytest.approx(
            [a + v for a, v in zip(expected, values, strict=True)], abs=1e-5
        )
        assert torch.allclose(episode.old_logprobs, episode.reference_logprobs, atol=1e-5)


@pytest.mark.parametrize("how", ["full", "scale"])
@pytest.mark.parametrize("credit", CREDITS[:2], ids=str)
def test_advantages_are_normalised_over_all_tokens_of_all_episodes(start, how, credit):
    bare = torch.cat([e.advantages for e in prepared(start, ppo(whiten="none", credit=credit))[0]])
    found, _ = prepared(start, ppo(whiten=how, credit=credit))
    joined = torch.cat([e.advantages for e in found])
    expected = (bare - bare.mean()) / bare.std() if how == "full" else bare / bare.square().mean().sqrt()
    assert torch.allclose(joined, expected, atol=1e-5)
    assert [len(e.advantages) for e in found] == [e.sequence.targets for e in found]


def test_whitening_leaves_the_targets_of_the_critic(start):
    whitened, bare = (torch.cat([e.returns for e in prepared(start, ppo(whiten=how))[0]]) for how in ("full", "none"))
    assert torch.allclose(whitened, bare, atol=1e-6)


@pytest.mark.parametrize("value", [0.1, 1 / 3, -2.7])
def test_advantages_that_are_all_equal_vanish_when_whitened(value):
    found = episodes()
    for episode in found:
        episode.advantages = torch.full((episode.sequence.targets,), value)
    normalise(found, "full", None)
    assert all(episode.advantages.eq(0).all() for episode in found)


def test_tokens_weigh_as_much_as_the_trainer_finds_them_likelier_up_to_the_cap():
    found = episodes()
    for episode in found:
        count = episode.sequence.targets
        episode.advantages = torch.full((count,), 2.0)
        episode.trajectory["logprobs"] = [-1.0] * count
        episode.old_logprobs = torch.linspace(-3.0, 1.0, count)
    normalise(found, "none", 1.5)
    for episode in found:
        ratios = (episode.old_logprobs + 1.0).exp().tolist()
        assert episode.advantages.tolist() == pytest.approx([2.0 * min(ratio, 1.5) for ratio in ratios], rel=1e-5)


@pytest.mark.parametrize("credit", CREDITS, ids=str)
def test_kl_in_the_reward_is_taken_from_every_token_and_all_before_it(start, credit):
    credit = credit | ({"gamma": 0.9, "lam": 0.8} if credit["kind"] == "critic" else {})
    keys = {"credit": credit, "whiten": "none", "kl_coefficient": 0.5, "kl_estimator": "k1"}
    apart = ppo(**keys, kl_in="reward")
    bare, _ = prepared(start, ppo(**keys))
    found, _ = prepared(start, apart)
    assert all(e.advantages.allclose(b.advantages, atol=1e-5) for e, b in zip(found, bare, strict=True))
    for episode in found:
        episode.reference_logprobs = episode.old_logprobs - torch.linspace(-1.0, 2.0, episode.sequence.targets)
    credit_episodes(found, apart, values_of(found))
    decay = 0.9 * 0.8 if credit["kind"] == "critic" else 1.0
    for episode, before in zip(found, bare, strict=True):
        taken = (0.5 * torch.linspace(-1.0, 2.0, episode.sequence.targets)).tolist()
        sums = [sum(decay**k * later for k, later in enumerate(taken[t:])) for t in range(len(taken))]
        assert (before.advantages - episode.advantages).tolist() == pytest.approx(sums, abs=1e-4)


def process(found, **keys) -> list[list[float]]:
    """Of every episode the advantage of each step, from the tokens at which steps end."""
    assign_credit(found, ppo(credit={"kind": "process", **keys}).credit, 2, {})
    for episode in found:
        ends = episode.trajectory["step_ends"]
        for begin, end in zip([0, *ends], ends, strict=False):
            assert len(set(episode.advantages[begin:end].tolist())) == 1, "all tokens of a step have the same"
    return [[e.advantages[end - 1].item() for end in e.trajectory["step_ends"]] for e in found]


def test_every_step_is_credited_with_its_own_and_all_later_step_rewards():
    found = episodes()
    gains = process(found, normalise=False, gamma=0.5, outcome_weight=2.0)
    for episode, own in zip(found, gains, strict=True):
        rewards = [*episode.step_scores[:-1], episode.step_scores[-1] + 2.0 * episode.reward.outcome]
        expected = [sum(0.5**k * later for k, later in enumerate(rewards[j:])) for j in range(len(rewards))]
        assert own == pytest.approx(expected, abs=1e-6)


def test_differences_of_scores_telescope_to_the_last_one_less_that_before():
    found = episodes()
    gains = process(found, normalise=False, step_reward="differences", outcome_weight=1.0)
    for place, (episode, own) in enumerate(zip(found, gains, strict=True)):
        scores = episode.step_scores
        question = (scores[0] + found[place ^ 1].step_scores[0]) / 2
        expected = [scores[-1] - before + episode.reward.outcome for before in (question, *scores[:-1])]
        assert own == pytest.approx(expected, abs=1e-6)


def test_step_rewards_are_standardised_over_all_steps_of_the_group():
    found = episodes()
    gains = process(found, gamma=0.0)
    for first in range(0, 8, 2):
        joined = torch.tensor([score for episode in found[first : first + 2] for score in episode.step_scores])
        expected = ((joined - joined.mean()) / joined.std()).tolist()
        assert gains[first] + gains[first + 1] == pytest.approx(expected, abs=1e-5)


def test_steps_without_tokens_of_their_own_lend_their_reward_to_the_next():
    (episode,) = episodes(1)
    count = episode.sequence.targets
    episode.scored_ends, episode.step_scores = (1, 1, count), (0.5, 0.25, 0.125)
    assign_credit([episode], ppo(credit={"kind": "process", "normalise": False}).credit, 1, {})
    assert episode.advantages.tolist() == pytest.approx([0.875] + [0.125] * (count - 1))
    episode.scored_ends, episode.step_scores = (), ()
    assign_credit([episode], ppo(credit={"kind": "process", "normalise": False}).credit, 1, {})
    assert episode.advantages.tolist() == [0.0] * count
