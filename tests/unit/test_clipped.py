"""The pieces of PPO: masked means, whitening, clipped losses, estimates of the KL divergence."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import tensor

from stepladder.errors import StepladderError
from stepladder.policies.clipped import (
    clipped_policy_loss,
    clipped_value_loss,
    kl_estimate,
    masked_mean,
    whiten,
)

examples = settings(deadline=None, max_examples=60)
ALL = torch.ones(1, 1, dtype=torch.bool)
tokens = st.lists(
    st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-2, 2), st.booleans()), min_size=1, max_size=12
)


def test_masked_mean():
    x, mask = tensor([[1.0, 2.0, float("nan")], [4.0, float("inf"), 0.0]]), tensor([[1, 1, 0], [1, 0, 0]])
    assert masked_mean(x, mask).item() == pytest.approx(7 / 3)
    assert masked_mean(x, mask, count=14).item() == pytest.approx(0.5)
    assert masked_mean(x, torch.zeros_like(mask)).item() == 0


@examples
@given(tokens, st.integers(1, 11))
def test_micro_batches_with_the_count_of_all_add_up_to_the_whole(rows, cut):
    new, old, advantages, mask = tensor(rows).T
    count = int(mask.sum())
    parts = [slice(0, cut), slice(cut, None)]
    for loss in (clipped_policy_loss, clipped_value_loss):
        whole = loss(new, old, advantages, mask, 0.2)
        split = sum(loss(new[p], old[p], advantages[p], mask[p], 0.2, count=max(count, 1)) for p in parts)
        assert split.item() == pytest.approx(whole.item(), rel=1e-4, abs=1e-6)


# --- the policy


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "flows"),
    [
        (1.0, 2.0, -2.0, True),
        (1.5, 2.0, -2.4, False),
        (0.5, 2.0, -1.0, True),
        (1.5, -2.0, 3.0, True),
        (0.5, -2.0, 1.6, False),
        (1.1, 2.0, -2.2, True),
    ],
)
def test_the_surrogate_is_clipped_only_where_it_would_gain(ratio, advantage, loss, flows):
    logprobs = tensor([[math.log(ratio)]], requires_grad=True)
    got = clipped_policy_loss(logprobs, torch.zeros(1, 1), tensor([[advantage]]), ALL, 0.2)
    got.backward()
    assert got.item() == pytest.approx(loss, rel=1e-5)
    assert logprobs.grad.item() == pytest.approx(-advantage * ratio if flows else 0.0, rel=1e-5)


def test_without_a_change_of_policy_the_gradient_is_that_of_reinforce():
    logprobs = torch.randn(2, 3, requires_grad=True)
    advantages, mask = torch.randn(2, 3), tensor([[1, 1, 0], [1, 1, 1]])
    clipped_policy_loss(logprobs, logprobs.detach(), advantages, mask, 0.2).backward()
    assert torch.allclose(logprobs.grad, -advantages * mask / 5)


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -float("inf"), 1e4])
def test_padding_may_hold_anything(garbage):
    mask = tensor([[True, True, False]])
    real = [tensor([[0.3, -0.2]]), tensor([[0.1, 0.4]]), tensor([[1.0, -1.0]])]
    for loss in (clipped_policy_loss, clipped_value_loss):
        wide = [torch.cat([x, torch.full((1, 1), garbage)], 1) for x in real]
        wide[0].requires_grad_()
        got = loss(*wide, mask, 0.2)
        got.backward()
        assert got.item() == pytest.approx(loss(*real, mask[:, :2], 0.2).item())
        assert wide[0].grad[0, 2] == 0 and wide[0].grad.isfinite().all()
    x = torch.cat([real[0], torch.full((1, 1), garbage)], 1)
    for shift in (True, False):
        assert whiten(x, mask, shift)[0, 2] == 0 and whiten(x, mask, shift).isfinite().all()


# --- the critic


@pytest.mark.parametrize(
    ("value", "old", "target", "loss"),
    [
        (1.0, 1.0, 0.0, 0.5),
        (2.0, 1.0, 3.0, 0.5 * (1.2 - 3) ** 2),
        (2.0, 1.0, 0.0, 0.5 * 4),
        (0.9, 1.0, 0.0, 0.5 * 0.81),
        (-1.0, 1.0, -2.0, 0.5 * (0.8 + 2) ** 2),
    ],
)
def test_the_value_loss_is_the_larger_of_free_and_clipped(value, old, target, loss):
    got = clipped_value_loss(tensor([[value]]), tensor([[old]]), tensor([[target]]), ALL, 0.2)
    assert got.item() == pytest.approx(loss, rel=1e-5)


@examples
@given(tokens)
def test_a_wide_clip_leaves_half_the_mean_squared_error(rows):
    values, old, returns, mask = tensor(rows).T
    expected = 0.5 * masked_mean((values - returns).square(), mask)
    assert clipped_value_loss(values, old, returns, mask, 100.0).item() == pytest.approx(expected.item(), abs=1e-6)


# --- KL


@examples
@given(st.floats(-8, 8), st.floats(-8, 8))
def test_kl_estimates_of_one_token(logprob, reference):
    d = reference - logprob
    for kind, expected in {"k1": -d, "k2": d * d / 2, "k3": math.exp(d) - 1 - d}.items():
        got = kl_estimate(tensor(logprob, dtype=torch.float64), tensor(reference, dtype=torch.float64), kind)
        assert got.item() == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_k1_and_k3_are_unbiased_and_only_k1_is_ever_negative():
    policy, reference = tensor([0.5, 0.3, 0.2]).double(), tensor([0.2, 0.3, 0.5]).double()
    divergence = (policy * (policy / reference).log()).sum().item()
    for kind in ("k1", "k3"):
        expectation = (policy * kl_estimate(policy.log(), reference.log(), kind)).sum().item()
        assert expectation == pytest.approx(divergence, rel=1e-9)
    assert kl_estimate(policy.log(), reference.log(), "k1").min() < 0
    for kind in ("k2", "k3"):
        assert kl_estimate(policy.log(), reference.log(), kind).min() >= 0


@pytest.mark.parametrize("kind", ["k2", "k3"])
@pytest.mark.parametrize(("logprob", "reference"), [(-1.0, -3.0), (-3.0, -1.0)])
def test_descent_on_the_kl_term_pulls_the_policy_to_the_reference(kind, logprob, reference):
    logprobs = tensor([logprob], requires_grad=True)
    kl_estimate(logprobs, tensor([reference]), kind).sum().backward()
    assert math.copysign(1, -logprobs.grad.item()) == math.copysign(1, reference - logprob)


def test_kl_of_the_reference_itself_is_zero_and_small_gaps_keep_their_precision():
    x = tensor([-0.1, -5.0])
    for kind in ("k1", "k2", "k3"):
        assert (kl_estimate(x, x, kind) == 0).all()
    got = kl_estimate(tensor([0.0]), tensor([1e-3]), "k3").item()
    assert got == pytest.approx(5.0017e-7, rel=1e-3)


# --- whitening


@examples
@given(
    st.lists(st.integers(-100, 100), min_size=3, max_size=12).filter(lambda x: len(set(x)) > 1),
    st.floats(0.5, 3),
    st.floats(-3, 3),
)
def test_whitening_has_unit_deviation_and_knows_scale_and_shift(values, scale, shift):
    x = tensor(values, dtype=torch.float64) / 20
    mask = torch.ones_like(x, dtype=torch.bool)
    full, scaled = whiten(x, mask), whiten(x, mask, shift_mean=False)
    assert full.mean().item() == pytest.approx(0.0, abs=1e-9) and full.std().item() == pytest.approx(1.0)
    assert scaled.square().mean().item() == pytest.approx(1.0)
    assert torch.equal(scaled.sign(), x.sign())
    assert torch.allclose(whiten(scale * x + shift, mask), full, atol=1e-9)
    assert torch.allclose(whiten(scale * x, mask, shift_mean=False), scaled, atol=1e-9)


def test_whitening_looks_at_the_mask_only():
    x, mask = tensor([[1.0, 3.0, 100.0], [5.0, -100.0, 0.0]]), tensor([[1, 1, 0], [1, 0, 0]])
    assert whiten(x, mask).tolist() == [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    rms = math.sqrt(35 / 3)
    assert whiten(x, mask, shift_mean=False)[0].tolist() == pytest.approx([1 / rms, 3 / rms, 0.0])


@pytest.mark.parametrize("shift", [True, False])
def test_whitening_does_not_blow_up_noise(shift):
    mask = torch.ones(6, dtype=torch.bool)
    noise = 1e-7 * tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    assert whiten(noise, mask, shift).abs().max() < 1e-3
    assert whiten(torch.zeros(6), mask, shift).abs().max() == 0
    assert whiten(torch.full((6,), 0.1), mask, True).abs().max() < 1e-3
    assert torch.allclose(whiten(torch.full((6,), 0.1), mask, False), torch.ones(6))
    assert whiten(tensor([3.0]), mask[:1], True).item() == 0
    assert whiten(tensor([3.0]), torch.zeros(1), shift).item() == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda x: clipped_policy_loss(x, x, x, ALL, 0.0),
        lambda x: clipped_value_loss(x, x, x, ALL, -0.2),
        lambda x: kl_estimate(x, x, "k4"),
    ],
)
def test_bad_options_are_refused(call):
    with pytest.raises(StepladderError):
        call(torch.zeros(1, 1))


def test_in_expectation_k1_in_the_reward_and_k2_in_the_loss_have_the_gradient_of_the_divergence():
    """And k3 has not: in the loss its gradient is that of the reverse divergence."""
    reference = tensor([0.2, 0.3, 0.5]).double().log()
    logits = tensor([0.7, -0.2, 0.1]).double().requires_grad_()

    def gradient(loss) -> torch.Tensor:
        return torch.autograd.grad(loss, logits, retain_graph=True)[0]

    logprobs = logits.log_softmax(0)
    policy = logprobs.detach().exp()
    exact = gradient((logprobs.exp() * (logprobs - reference)).sum())
    gains = -kl_estimate(logprobs.detach(), reference, "k1")
    rows = [
        clipped_policy_loss(logprobs[i : i + 1], logprobs[i : i + 1].detach(), gains[i], ALL[0], 0.2) for i in range(3)
    ]
    assert torch.allclose(gradient((policy * torch.stack(rows)).sum()), exact)
    in_the_loss = {
        kind: gradient((policy * kl_estimate(logprobs, reference, kind)).sum()) for kind in ("k1", "k2", "k3")
    }
    assert torch.allclose(in_the_loss["k2"], exact)
    assert torch.allclose(in_the_loss["k1"], torch.zeros(3).double(), atol=1e-12)
    assert torch.allclose(in_the_loss["k3"], gradient(-(reference.exp() * logprobs).sum()))
