"""Policy and critic in one module: aligned with the answer's tokens, the same in every batch."""

import copy
import random

import pytest
import torch
from transformers import AutoModelForCausalLM

import tiny
from stepladder.errors import StepladderError
from stepladder.policies.actor_critic import Actor, ActorCritic, before_update, critic_values, frozen_logprobs, pad
from stepladder.pretrained import load_model
from stepladder.training.sequences import TokenSequence, collate, first_target


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    loaded = ActorCritic.load(tiny.checkpoint(tmp_path_factory.mktemp("start"))).eval()
    torch.manual_seed(0)
    torch.nn.init.normal_(loaded.value_head.weight, std=0.3)
    torch.nn.init.normal_(loaded.value_head.bias)
    return loaded


@pytest.fixture(scope="module")
def sequences():
    rng = random.Random(0)
    rows = []
    for _ in range(9):
        length = rng.randrange(3, 25)
        rows.append(TokenSequence(tuple(rng.randrange(3, 500) for _ in range(length)), rng.randrange(1, length)))
    return rows


@torch.no_grad()
def one_by_one(model, sequence, temperature=1.0) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.tensor([sequence.ids])
    chosen = (model.policy(ids).logits[0, :-1] / temperature).log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    values = model.value_head(model.critic(ids).last_hidden_state)[0, :-1, 0]
    return chosen[sequence.first_target - 1 :], values[sequence.first_target - 1 :]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probs_of_the_answers_tokens_and_values_of_the_states_before_them(model, sequences, temperature):
    logprobs, values = before_update(model, sequences, temperature)
    fixed = frozen_logprobs(model.policy, sequences, temperature)
    for sequence, found, value, same in zip(sequences, logprobs, values, fixed, strict=True):
        expected, expected_values = one_by_one(model, sequence, temperature)
        assert found.shape == (sequence.targets,)
        assert torch.allclose(found, expected, atol=1e-5) and torch.allclose(same, expected, atol=1e-5)
        assert torch.allclose(value, expected_values, atol=1e-5)


def test_padded_rows_line_up_with_what_the_module_returns(model, sequences):
    ids, attention, targets = collate(sequences, torch.device("cpu"))
    first = first_target(sequences)
    with torch.no_grad():
        logprobs, values = model(ids, attention, first, 1.0)
    old, old_values = before_update(model, sequences, 1.0)
    mask = targets[:, first:]
    assert torch.allclose(pad(old, sequences, first, mask.size(1)), logprobs * mask, atol=1e-5)
    assert torch.allclose(pad(old_values, sequences, first, mask.size(1)), values * mask, atol=1e-5)


def test_a_new_critic_starts_as_the_policys_body_and_says_zero(tmp_path):
    fresh = ActorCritic.load(tiny.checkpoint(tmp_path))
    policy, critic = dict(fresh.policy.model.named_parameters()), dict(fresh.critic.named_parameters())
    assert policy.keys() == critic.keys()
    assert all(torch.equal(policy[name], critic[name]) and policy[name] is not critic[name] for name in policy)
    _, values = before_update(fresh, [TokenSequence((5, 6, 7), 1)], 1.0)
    assert values[0].tolist() == [0.0, 0.0]


def test_policy_and_critic_learn_apart(model, sequences):
    ids, attention, _ = collate(sequences, torch.device("cpu"))
    for part, others in ((0, ("critic", "value_head")), (1, ("policy",))):
        moving = copy.deepcopy(model)
        moving(ids, attention, 1, 1.0)[part].sum().backward()
        touched = {name.split(".")[0] for name, p in moving.named_parameters() if p.grad is not None and p.grad.any()}
        assert touched and not touched & set(others)


def test_a_critic_that_was_saved_with_its_policy_says_of_states_what_it_said_in_training(model, sequences, tmp_path):
    model.save_pretrained(tmp_path / "both")
    _, values = before_update(model, sequences, 1.0)
    states = [row.ids[:end] for row in sequences for end in range(row.first_target, len(row.ids))]
    found = critic_values(tmp_path / "both", states)
    assert found == pytest.approx(torch.cat(values).tolist(), abs=1e-5)
    assert len({round(value, 4) for value in found}) > 10, "the critic is not constant"


def test_the_policy_of_such_a_checkpoint_is_the_policy_and_one_without_a_critic_is_told(model, sequences, tmp_path):
    model.save_pretrained(tmp_path / "both")
    saved = load_model(AutoModelForCausalLM, tmp_path / "both")
    pairs = zip(model.policy.state_dict().values(), saved.state_dict().values(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
    Actor(model.policy).save_pretrained(tmp_path / "alone")
    with pytest.raises(StepladderError, match="critic: no such checkpoint"):
        critic_values(tmp_path / "alone", [sequences[0].ids])
