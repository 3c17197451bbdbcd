"""Preference losses against their closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import tensor

from stepladder.errors import StepladderError
from stepladder.policies.preference import drifts, preference_loss

examples = settings(deadline=None, max_examples=60)
KINDS = ("sigmoid", "conservative", "hinge", "ipo", "dpo_positive")
logprob = st.floats(-50, 0)
pairs = st.lists(st.tuples(logprob, logprob, logprob, logprob), min_size=1, max_size=5)


def softplus(x: float) -> float:
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def closed_form(kind, pair, beta, smoothing, weight) -> float:
    chosen, rejected, reference_chosen, reference_rejected = pair
    gap = (chosen - rejected) - (reference_chosen - reference_rejected)
    return {
        "sigmoid": softplus(-beta * gap),
        "conservative": (1 - smoothing) * softplus(-beta * gap) + smoothing * softplus(beta * gap),
        "hinge": max(0.0, 1 - beta * gap),
        "ipo": (gap - 1 / (2 * beta)) ** 2,
        "dpo_positive": softplus(-beta * (gap - weight * max(0.0, reference_chosen - chosen))),
    }[kind]


@pytest.mark.parametrize("kind", KINDS)
@examples
@given(pairs, st.floats(0.01, 2), st.floats(0, 0.49), st.floats(0, 60))
def test_losses_are_the_mean_of_their_closed_forms(kind, batch, beta, smoothing, weight):
    columns = tensor(batch, dtype=torch.float64).T
    loss = preference_loss(kind, *columns, beta, label_smoothing=smoothing, positive_weight=weight)
    expected = sum(closed_form(kind, pair, beta, smoothing, weight) for pair in batch) / len(batch)
    assert loss.shape == () and loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("beta", [0.1, 0.3, 2.0])
def test_losses_of_the_reference_policy_itself(beta):
    chosen, rejected = tensor([-3.0, -40.0]), tensor([-7.0, -2.0])
    start = {
        kind: preference_loss(kind, chosen, rejected, chosen, rejected, beta, label_smoothing=0.2).item()
        for kind in KINDS
    }
    assert start["sigmoid"] == start["dpo_positive"] == pytest.approx(math.log(2))
    assert start["conservative"] == pytest.approx(math.log(2))
    assert start["hinge"] == pytest.approx(1.0)
    assert start["ipo"] == pytest.approx(1 / (4 * beta**2))


def test_ipo_is_zero_at_its_target_gap():
    assert preference_loss("ipo", tensor([5.0]), tensor([0.0]), tensor([0.0]), tensor([0.0]), 0.1).item() == 0


def gradients(kind, chosen, rejected, **options) -> tuple[float, float]:
    chosen, rejected = (tensor([x], requires_grad=True) for x in (chosen, rejected))
    preference_loss(kind, chosen, rejected, tensor([-5.0]), tensor([-5.0]), 0.1, **options).backward()
    return chosen.grad.item(), rejected.grad.item()


@pytest.mark.parametrize("kind", KINDS)
def test_descent_raises_the_chosen_and_lowers_the_rejected(kind):
    chosen, rejected = gradients(kind, -5.0, -5.0, label_smoothing=0.1)
    assert chosen < 0 < rejected


@pytest.mark.parametrize(
    ("kind", "slope"),
    [("sigmoid", -0.05), ("conservative", -0.04), ("hinge", -0.1), ("ipo", -10.0), ("dpo_positive", -0.05)],
)
def test_gradients_of_the_reference_policy_itself(kind, slope):
    # beta = 0.1, smoothing e = 0.1: -beta / 2, -(1 - 2 e) beta / 2, -beta, -1 / beta, -beta / 2
    chosen, rejected = gradients(kind, -5.0, -5.0, label_smoothing=0.1)
    assert (chosen, rejected) == pytest.approx((slope, -slope))


@pytest.mark.parametrize(("gap", "slope"), [(2.0, -6.0), (5.0, 0.0), (7.0, 4.0)])
def test_ipo_pulls_the_gap_back_to_its_target(gap, slope):
    chosen, rejected = gradients("ipo", gap - 5.0, -5.0)  # the target is 5 at beta = 0.1, the slope 2 (gap - 5)
    assert (chosen, rejected) == pytest.approx((slope, -slope), abs=1e-5)


def test_the_hinge_rests_beyond_its_margin():
    assert gradients("hinge", 5.1, -5.0) == (0.0, 0.0)  # a gap of 10.1, the margin is 1 / beta = 10
    assert gradients("hinge", 4.9, -5.0) == pytest.approx((-0.1, 0.1))


def test_drifts_are_log_ratios_and_kl_is_their_mean_over_tokens_turned():
    policy = tensor([[-10.0, -20.0], [-3.0, -1.0]], requires_grad=True)
    told = drifts(policy, tensor([[-12.0, -15.0], [-3.0, -5.0]]), tensor([[4, 10], [1, 0]]))
    assert {name: values.tolist() for name, values in told.items()} == {
        "chosen_drift": [2.0, 0.0], "rejected_drift": [-5.0, 4.0],
        "chosen_kl": [-0.5, 0.0], "rejected_kl": [0.5, -4.0],
    }  # fmt: skip
    assert not any(values.requires_grad for values in told.values())


def test_k1_over_all_answers_of_the_reference_is_the_kl():
    reference, policy = tensor([0.5, 0.3, 0.2]).log(), tensor([0.2, 0.3, 0.5]).log()
    told = drifts(policy[:, None].expand(3, 2), reference[:, None].expand(3, 2), torch.ones(3, 2))
    exact = (reference.exp() * (reference - policy)).sum().item()
    assert (reference.exp() * told["chosen_kl"]).sum().item() == pytest.approx(exact)


def test_dpo_positive_raises_a_chosen_response_that_fell_more_than_it_lowers_the_rejected():
    chosen, rejected = gradients("dpo_positive", -9.0, -30.0)
    assert -chosen == pytest.approx(51 * rejected, rel=1e-4)
    chosen, rejected = gradients("dpo_positive", -4.0, -30.0)
    assert -chosen == pytest.approx(rejected, rel=1e-4)


def test_label_smoothing_turns_back_where_the_gap_is_sure():
    chosen, _ = gradients("conservative", 60.0, -60.0, label_smoothing=0.1)
    assert chosen > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e3, 1e6])
def test_extreme_gaps_stay_finite(kind, size):
    for sign in (1, -1):
        chosen = tensor([sign * size], requires_grad=True)
        zero = tensor([0.0])
        loss = preference_loss(kind, chosen, zero, zero, zero, 0.1, label_smoothing=0.1)
        loss.backward()
        assert loss.isfinite() and chosen.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck(kind):
    torch.manual_seed(0)
    columns = [(5 * torch.randn(6, dtype=torch.float64)).requires_grad_() for _ in range(4)]
    assert torch.autograd.gradcheck(
        lambda *x: preference_loss(kind, *x, 0.3, label_smoothing=0.1, positive_weight=3.0), columns
    )


def test_half_precision_is_raised_to_float32():
    columns = [tensor([-3.0]).bfloat16() for _ in range(4)]
    assert preference_loss("sigmoid", *columns, 0.1).dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "beta", "smoothing"),
    [
        ("kto", 0.1, 0.0),
        ("sigmoid", 0.0, 0.0),
        ("sigmoid", -1.0, 0.0),
        ("conservative", 0.1, 0.5),
        ("conservative", 0.1, -0.1),
    ],
)
def test_bad_options_are_refused(kind, beta, smoothing):
    zero = tensor([0.0])
    with pytest.raises(StepladderError):
        preference_loss(kind, zero, zero, zero, zero, beta, label_smoothing=smoothing)
