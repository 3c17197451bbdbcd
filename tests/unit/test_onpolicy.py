"""On-policy updates: at the old policy, towards the reference, apart from the critic, whatever the credit."""

import copy
import math

import pytest
import torch
from accelerate.state import AcceleratorState
from onpolicy_scene import CREDITS, episodes, ppo, prepare, prepared, trainer_for, values_of

import tiny
from stepladder.policies.actor_critic import Actor, ActorCritic, frozen_logprobs
from stepladder.policies.clipped import kl_estimate
from stepladder.policies.credit import credit_episodes
from stepladder.policies.language import load_reference
from stepladder.policies.updates import _loss, update
from stepladder.rewards.reward import Reward


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("start"))


@pytest.fixture
def other_precision():
    """Accelerate holds the first precision of a process; here the process gets another, and its own back."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def weights(trainer) -> dict[str, torch.Tensor]:
    return copy.deepcopy(trainer.bare_model.state_dict())


@pytest.mark.parametrize("credit", CREDITS, ids=str)
def test_the_first_update_is_at_the_old_policy_and_at_the_reference(start, credit):
    spec = ppo(credit=credit)
    found, trainer = prepared(start, spec)
    losses = update(found, spec, trainer, 0, seed=0)
    joined = torch.cat([e.advantages for e in found])
    assert abs(losses["kl"]) < 1e-6 and losses["clipped"] == 0.0
    assert losses["policy_loss"] == pytest.approx(-joined.mean().item(), abs=1e-5)
    assert losses["loss"] == pytest.approx(losses["policy_loss"] + losses.get("value_loss", 0.0), abs=1e-5)
    assert ("value_loss" in losses) == (credit["kind"] == "critic")


@pytest.mark.usefixtures("other_precision")
@pytest.mark.parametrize("credit", [CREDITS[0], CREDITS[3]], ids=str)
@pytest.mark.parametrize("micro_batch", [None, 3])
def test_in_bf16_too_the_first_update_is_at_the_old_policy_and_at_the_reference(start, credit, micro_batch):
    spec = ppo(credit=credit, optimisation={"precision": "bf16", "micro_batch": micro_batch})
    found, trainer = prepared(start, spec)
    assert all(torch.equal(e.old_logprobs, e.reference_logprobs) for e in found)
    losses = update(found, spec, trainer, 0, seed=0)
    assert abs(losses["kl"]) < 1e-6 and losses["clipped"] == 0.0
    exact = frozen_logprobs(load_reference(start), [e.sequence for e in found], 1.0)
    rounded = torch.cat([e.old_logprobs for e in found]) - torch.cat(exact)
    assert rounded.abs().max() > 1e-3, "the passes before the update are in bf16, too"


def test_the_error_of_the_critic_is_half_its_mean_square(start):
    spec = ppo()
    found, trainer = prepared(start, spec)
    losses = update(found, spec, trainer, 0, seed=0)
    errors = torch.cat([e.returns - e.values for e in found])
    assert losses["value_loss"] == pytest.approx(0.5 * errors.square().mean().item(), rel=1e-4)


@pytest.mark.parametrize("credit", CREDITS[1:-2], ids=str)
@pytest.mark.parametrize("whiten", ["none", "scale", "full"])
@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_episodes_that_all_earn_the_same_move_no_policy(start, credit, whiten, reward):
    spec = ppo(credit=credit, whiten=whiten)
    trainer, found = trainer_for(start, spec), episodes()
    for episode in found:
        episode.reward = Reward(3, reward, reward, 0.0, reward)
        episode.step_scores = (reward,) * len(episode.step_scores)
    prepare(found, spec, trainer, start, values=dict.fromkeys(values_of(found), reward))
    before = weights(trainer)
    losses = update(found, spec, trainer, 0, seed=0)
    assert losses["policy_loss"] == 0.0 and all(math.isfinite(value) for value in losses.values())
    after = trainer.bare_model.state_dict()
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)


def test_later_updates_feel_the_reference_and_the_clip(start):
    spec = ppo(epochs=6, optimisation={"learning_rate": 3e-2, "clip_norm": None}, kl_coefficient=0.5)
    found, trainer = prepared(start, spec)
    losses = update(found, spec, trainer, 0, seed=0)
    assert trainer.steps_done == 6
    assert losses["kl"] > 1e-3 and 0 < losses["clipped"] < 1
    expected = losses["policy_loss"] + 0.5 * losses["kl"] + losses["value_loss"]
    assert losses["loss"] == pytest.approx(expected, rel=1e-4)


class Garbled(torch.nn.Module):
    """Says what the inner module says, and garbage of padding."""

    def __init__(self, inner: torch.nn.Module, garbage: float):
        super().__init__()
        self.inner, self.garbage = inner, garbage

    def forward(self, ids, attention, first, temperature):
        said = self.inner(ids, attention, first, temperature)
        return tuple(each.masked_fill(attention[:, first:] == 0, self.garbage) for each in said)


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf])
def test_padding_may_hold_anything(start, estimator, garbage):
    spec = ppo(kl_coefficient=0.5, kl_estimator=estimator)
    found, trainer = prepared(start, spec)
    for episode in found:
        episode.reference_logprobs = episode.reference_logprobs - 0.1
    loss, model = _loss(found, spec, 0, 1.0), trainer.bare_model
    expected, told = loss(model, range(8))
    total, said = loss(Garbled(model, garbage), range(8))
    assert said == told and total == expected and said["kl"] > 0
    total.backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_without_advantages_an_update_pulls_the_policy_to_the_reference(start, estimator):
    """The sign of the KL term: a policy that has left the reference comes nearer to it."""
    spec = ppo(
        credit={"kind": "leave_one_out"},
        kl_estimator=estimator,
        kl_coefficient=1.0,
        optimisation={"learning_rate": 1e-4},
    )
    trainer, found = trainer_for(start, spec), episodes()
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in trainer.bare_model.policy.parameters():
            weight += 0.1 * torch.randn_like(weight)

    def apart() -> float:
        prepare(found, spec, trainer, start)
        for episode in found:
            episode.advantages = torch.zeros_like(episode.advantages)
        return torch.cat([e.reference_logprobs - e.old_logprobs for e in found]).square().mean().item()

    gaps = []
    for seed in range(3):
        gaps.append(apart())
        update(found, spec, trainer, 0, seed=seed)
    assert gaps[0] > 0.01
    assert sorted(gaps, reverse=True) == gaps and apart() < gaps[-1]


@pytest.mark.parametrize("credit", [{"kind": "critic", "lam": 1.0}, {"kind": "leave_one_out"}], ids=str)
def test_an_update_makes_good_answers_likelier_and_bad_ones_less(start, credit):
    spec = ppo(credit=credit, whiten="scale", kl_coefficient=0.0)
    trainer = trainer_for(start, spec)
    if credit["kind"] == "critic":
        torch.nn.init.zeros_(trainer.bare_model.value_head.weight)
    found = episodes(2)
    found[0].reward, found[1].reward = (Reward(3, value, value, 0.0, value) for value in (1.0, -1.0))
    prepare(found, spec, trainer, start)
    before = [episode.old_logprobs.sum() for episode in found]
    update(found, spec, trainer, 0, seed=0)
    prepare(found, spec, trainer, start)
    after = [episode.old_logprobs.sum() for episode in found]
    assert after[0] > before[0] and after[1] < before[1]


def test_while_the_critic_warms_up_the_policy_stays(start):
    spec = ppo(credit={"kind": "critic", "warmup": 1}, epochs=2)
    found, trainer = prepared(start, spec)
    before = weights(trainer)
    update(found, spec, trainer, 0, seed=0)
    after = trainer.bare_model.state_dict()
    policy = [name for name in before if name.startswith("policy")]
    assert policy and all(torch.equal(before[name], after[name]) for name in policy)
    assert not any(torch.equal(before[name], after[name]) for name in ("value_head.weight", "value_head.bias"))
    update(found, spec, trainer, 1, seed=1)
    assert not any(torch.equal(before[name], trainer.bare_model.state_dict()[name]) for name in policy)


@pytest.mark.parametrize("credit", [CREDITS[0], CREDITS[1], CREDITS[3]], ids=str)
@pytest.mark.parametrize("micro_batch", [1, 3])
def test_micro_batches_change_no_update(start, credit, micro_batch):
    found = []
    for size in (None, micro_batch):
        spec = ppo(credit=credit, optimisation={"micro_batch": size, "learning_rate": 5e-4})
        ready, trainer = prepared(start, spec)
        said = update(ready, spec, trainer, 0, seed=0)
        found.append((said, trainer.bare_model.state_dict()))
    assert tiny.furthest(found[0][1], found[1][1]) < 1e-5
    assert tiny.furthest(found[0][1], trainer_for(start, ppo(credit=credit)).bare_model.state_dict()) > 4e-4
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-3, abs=1e-5)


def test_only_a_critic_has_a_critics_weights(start):
    spec = ppo(credit={"kind": "critic", "learning_rate": 0.5}, optimisation={"learning_rate": 0.25})
    trainer = trainer_for(start, spec)
    assert isinstance(trainer.bare_model, ActorCritic)
    assert {group["initial_lr"] for group in trainer.optimizer.param_groups} == {0.25, 0.5}
    own = trainer_for(start, ppo(optimisation={"learning_rate": 0.25}))
    assert {group["initial_lr"] for group in own.optimizer.param_groups} == {0.25}
    bare = trainer_for(start, ppo(credit={"kind": "rollouts"})).bare_model
    assert type(bare) is Actor and all(name.startswith("policy.") for name in bare.state_dict())


@pytest.mark.parametrize("micro_batch", [None, 3])
def test_the_published_unit_is_a_mean_over_sequences_of_bounded_sums(start, micro_batch):
    spec = ppo(
        credit={"kind": "leave_one_out"}, kl_coefficient=0.5, kl_unit="sequence_as_published",
        optimisation={"batch_size": 8, "micro_batch": micro_batch},
    )  # fmt: skip
    found, trainer = prepared(start, spec)
    for episode in found:
        episode.reference_logprobs = episode.old_logprobs + torch.linspace(-1.0, 3.5, episode.sequence.targets)
    estimates = [kl_estimate(e.old_logprobs, e.reference_logprobs, "k3") for e in found]
    losses = update(found, spec, trainer, 0, seed=0)
    sums = [each.clamp(0.0, 10.0).sum().item() for each in estimates]
    assert losses["loss"] - losses["policy_loss"] == pytest.approx(0.5 * sum(sums) / 8, rel=1e-4)
    assert losses["kl"] == pytest.approx(torch.cat(estimates).mean().item(), rel=1e-4)
    assert max(each.max() for each in estimates) > 20


@pytest.mark.parametrize("credit", CREDITS, ids=str)
def test_with_the_kl_in_the_reward_the_loss_has_no_term_of_it(start, credit):
    spec = ppo(credit=credit, kl_in="reward", kl_coefficient=10.0, kl_estimator="k1")
    found, trainer = prepared(start, spec)
    for episode in found:
        episode.reference_logprobs = episode.old_logprobs - 1.0
    credit_episodes(found, spec, values_of(found))
    losses = update(found, spec, trainer, 0, seed=0)
    assert losses["kl"] == pytest.approx(1.0, rel=1e-4)
    assert losses["loss"] == pytest.approx(losses["policy_loss"] + losses.get("value_loss", 0.0), rel=1e-4, abs=1e-5)
