"""Advantages: generalised estimation, step gains and group baselines."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import tensor

from stepladder.errors import StepladderError
from stepladder.policies.advantages import gae, group_relative, leave_one_out, step_advantages

examples = settings(deadline=None, max_examples=60)
numbers = st.floats(-3, 3)
episodes = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=10)


def by_definition(rewards, values, gamma, lam) -> list[float]:
    """The sum of (gamma lam)^l times the l-th later temporal-difference error."""
    after = [*values[1:], 0.0]
    errors = [r + gamma * later - v for r, v, later in zip(rewards, values, after, strict=True)]
    return [
        sum((gamma * lam) ** (later - step) * errors[later] for later in range(step, len(errors)))
        for step in range(len(errors))
    ]


@examples
@given(episodes, st.floats(0, 1), st.floats(0, 1))
def test_gae_is_the_discounted_sum_of_errors(episode, gamma, lam):
    rewards, values = zip(*episode, strict=True)
    got = gae(tensor(rewards, dtype=torch.float64), tensor(values, dtype=torch.float64), gamma, lam)
    assert got.tolist() == pytest.approx(by_definition(rewards, values, gamma, lam), abs=1e-9)


def test_gae_by_hand():
    rewards, values = tensor([0.0, 0.0, 1.0]), tensor([0.5, 0.6, 0.2])
    assert gae(rewards, values).tolist() == pytest.approx([0.5, 0.4, 0.8])
    assert gae(rewards, values, lam=0.0).tolist() == pytest.approx([0.1, -0.4, 0.8])
    assert gae(rewards, values, gamma=0.5, lam=0.5).tolist() == pytest.approx([-0.275, -0.3, 0.8], abs=1e-6)


@examples
@given(st.lists(episodes, min_size=1, max_size=4), st.data())
def test_a_padded_batch_is_its_rows_wherever_the_padding_is(rows, data):
    width = max(map(len, rows)) + 3
    rewards, values = torch.full((2, len(rows), width), float("nan"), dtype=torch.float64)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for row, episode in enumerate(rows):
        places = sorted(data.draw(st.permutations(range(width)))[: len(episode)])
        mask[row, places] = True
        rewards[row, places], values[row, places] = torch.tensor(episode, dtype=torch.float64).T
    got = gae(rewards, values, 0.9, 0.8, mask)
    assert (got[~mask] == 0).all()
    for row, episode in enumerate(rows):
        alone = by_definition(*zip(*episode, strict=True), 0.9, 0.8)
        assert got[row, mask[row]].tolist() == pytest.approx(alone, abs=1e-9)
    assert torch.allclose(gae(rewards, values, 0.9, 0.8, mask.long()), got)


def test_gae_of_a_terminal_reward_is_the_return_minus_the_value():
    rewards, values = torch.zeros(2, 5), torch.rand(2, 5)
    rewards[:, -1] = tensor([1.0, -2.0])
    assert torch.allclose(gae(rewards, values), tensor([[1.0], [-2.0]]) - values)


def test_gae_passes_gradients_to_the_values_at_real_steps_only():
    values = torch.rand(1, 4, requires_grad=True)
    gae(torch.ones(1, 4), values, 0.9, 0.5, tensor([[1, 1, 0, 0]])).sum().backward()
    assert (values.grad[0, 2:] == 0).all() and (values.grad[0, :2] != 0).all()


def test_gae_of_no_step_is_empty():
    assert gae(torch.zeros(3, 0), torch.zeros(3, 0)).shape == (3, 0)


# --- step advantages


def test_step_advantages_are_gains_in_value():
    assert step_advantages([0.5, 0.75, 0.25], 1.0).tolist() == [0.25, -0.5, 0.75]
    assert step_advantages(tensor([0.5]), 0.0).tolist() == [-0.5]
    assert step_advantages([1, 0], 0.5).tolist() == [-1.0, 0.5]


@examples
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_step_advantages_sum_to_reward_minus_first_value_and_equal_gae_without_lambda(values, reward):
    before = tensor(values, dtype=torch.float64)
    got = step_advantages(before, reward)
    assert len(got) == len(values)
    assert got.sum().item() == pytest.approx(reward - values[0], abs=1e-9)
    rewards = torch.zeros_like(before)
    rewards[-1] = reward
    assert torch.allclose(got, gae(rewards, before, gamma=1.0, lam=0.0))


# --- group baselines


def test_group_baselines_by_hand():
    rewards = tensor([1.0, 0.0, 0.0, 1.0])
    assert group_relative(rewards).tolist() == pytest.approx([0.8660254, -0.8660254, -0.8660254, 0.8660254])
    assert leave_one_out(rewards).tolist() == pytest.approx([2 / 3, -2 / 3, -2 / 3, 2 / 3])
    assert leave_one_out(tensor([3, 1])).tolist() == [2.0, -2.0]
    assert group_relative(tensor([3, 1])).tolist() == pytest.approx([0.5**0.5, -(0.5**0.5)])


groups = st.lists(st.integers(-5, 5), min_size=2, max_size=8).map(lambda rewards: [r / 4 for r in rewards])


@examples
@given(groups, st.floats(0.25, 4), numbers)
def test_group_baselines_sum_to_zero_and_know_scale_and_shift(rewards, scale, shift):
    rewards = tensor(rewards, dtype=torch.float64)
    for advantages in (group_relative, leave_one_out):
        got = advantages(rewards)
        assert got.sum().item() == pytest.approx(0.0, abs=1e-9)
        assert torch.equal(got.sign(), (rewards - rewards.mean()).sign() * (got != 0))
    moved = scale * rewards + shift
    assert torch.allclose(leave_one_out(moved), scale * leave_one_out(rewards), atol=1e-9)
    if rewards.unique().numel() > 1:
        assert torch.allclose(group_relative(moved), group_relative(rewards), atol=1e-6)
        assert group_relative(rewards).std().item() == pytest.approx(1.0)


@examples
@given(groups, st.data())
def test_group_baselines_follow_their_samples_in_whatever_order(rewards, data):
    order = data.draw(st.permutations(range(len(rewards))))
    rewards = tensor(rewards, dtype=torch.float64)
    for advantages in (group_relative, leave_one_out):
        assert torch.allclose(advantages(rewards[order]), advantages(rewards)[order], atol=1e-9)


@examples
@given(groups)
def test_group_baselines_keep_their_range(rewards):
    rewards = tensor(rewards, dtype=torch.float64)
    spread, samples = (rewards.max() - rewards.min()).item(), len(rewards)
    assert leave_one_out(rewards).abs().max().item() <= spread + 1e-9
    # One that differs from all the others is (n - 1) / sqrt(n) deviations away, and none can be farther.
    assert group_relative(rewards).abs().max().item() <= (samples - 1) / samples**0.5 + 1e-9


@examples
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_gains_of_chances_lie_between_minus_one_and_one(values, reward):
    gains = step_advantages(tensor(values, dtype=torch.float64), reward)
    assert gains.abs().max().item() <= 1
    level = step_advantages(tensor([reward] * len(values), dtype=torch.float64), reward)
    assert (level == 0).all()


@examples
@given(st.lists(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=3), min_size=1, max_size=5), st.data())
def test_episodes_of_a_batch_know_nothing_of_each_other_nor_of_their_order(rows, data):
    order = data.draw(st.permutations(range(len(rows))))
    rewards, values = tensor(rows, dtype=torch.float64).unbind(-1)
    got = gae(rewards, values, 0.9, 0.8)
    assert torch.equal(gae(rewards[order], values[order], 0.9, 0.8), got[order])


@pytest.mark.parametrize("reward", [0.0, 0.1, 1e-9, 1e9])
def test_equal_rewards_have_no_advantage(reward):
    rewards = torch.full((2, 7), reward)
    assert (group_relative(rewards) == 0).all()
    assert torch.allclose(leave_one_out(rewards), torch.zeros(2, 7), atol=1e-6 * max(reward, 1))


def test_groups_do_not_mix():
    rewards = tensor([[1.0, 0.0, 0.0], [5.0, 5.0, 2.0]])
    for advantages in (group_relative, leave_one_out):
        got = advantages(rewards)
        assert torch.allclose(got[0], advantages(rewards[0])) and torch.allclose(got[1], advantages(rewards[1]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: gae(torch.zeros(3), torch.zeros(4)),
        lambda: gae(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)),
        lambda: gae(torch.zeros(2, 3), torch.zeros(2, 3), mask=torch.ones(3)),
        lambda: step_advantages([], 1.0),
        lambda: step_advantages(torch.zeros(2, 2), 1.0),
        lambda: group_relative(tensor([1.0])),
        lambda: leave_one_out(torch.zeros(4, 1)),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(StepladderError):
        call()
