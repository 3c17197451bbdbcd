"""Losses over classes: the published cross-entropy, and the one that knows how few trials there were."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import tensor

from stepladder.errors import StepladderError
from stepladder.rewards.class_losses import class_loss, count_loss

examples = settings(deadline=None, max_examples=40)
FLAT = torch.zeros(1, 4, dtype=torch.float64)


def target(successes: int, trials: int, classes: int) -> torch.Tensor:
    """The target of one row: the gradient at flat logits is the flat distribution less the target."""
    logits = torch.zeros(1, classes, dtype=torch.float64, requires_grad=True)
    count_loss(logits, tensor([successes]), tensor([trials])).backward()
    return 1 / classes - logits.grad[0]


def test_cross_entropy_by_hand():
    logits = tensor([[0.0, math.log(3), 0.0], [9.0, 9.0, 9.0], [math.log(2), 0.0, 0.0]])
    assert class_loss(logits, tensor([1, -100, 2])).item() == pytest.approx((math.log(5 / 3) + math.log(4)) / 2)
    assert class_loss(FLAT, tensor([3])).item() == pytest.approx(math.log(4), abs=1e-12)


def test_targets_of_counts_by_hand():
    # Three right of three: beta-binomial with parameters 4 and 1 over three more trials.
    assert target(3, 3, 4).tolist() == pytest.approx([1 / 35, 4 / 35, 10 / 35, 20 / 35], abs=1e-12)
    assert target(0, 3, 4).tolist() == pytest.approx([20 / 35, 10 / 35, 4 / 35, 1 / 35], abs=1e-12)
    assert target(0, 0, 4).tolist() == pytest.approx([1 / 4] * 4, abs=1e-12)
    # With two classes, one further trial: the rule of succession.
    assert target(2, 3, 2).tolist() == pytest.approx([2 / 5, 3 / 5], abs=1e-12)
    assert target(10**6, 10**6, 4)[3] == pytest.approx(1.0, abs=1e-5)


@examples
@given(st.integers(0, 8), st.integers(0, 8), st.integers(1, 8))
def test_targets_are_distributions_with_the_mean_of_the_posterior(right, wrong, further):
    chances = target(right, right + wrong, further + 1)
    assert chances.min() > 0 and chances.sum().item() == pytest.approx(1.0, abs=1e-10)
    mean = (chances * torch.arange(further + 1)).sum().item() / further
    assert mean == pytest.approx((right + 1) / (right + wrong + 2), abs=1e-10)
    assert target(wrong, right + wrong, further + 1).tolist() == pytest.approx(chances.flip(0).tolist(), abs=1e-12)


def test_the_loss_of_counts_is_least_at_its_target_and_passes_gradcheck():
    best = torch.log(target(2, 3, 4))[None].requires_grad_()
    count_loss(best, tensor([2]), tensor([3])).backward()
    assert best.grad.abs().max() < 1e-12
    torch.manual_seed(0)
    logits = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    successes, trials = tensor([0, 3, 1, -100, 0]), tensor([3, 3, 2, -100, 0])
    assert torch.autograd.gradcheck(lambda x: count_loss(x, successes, trials), logits)
    assert torch.autograd.gradcheck(lambda x: class_loss(x, successes), logits)


def both(logits, successes, trials):
    return class_loss(logits, successes), count_loss(logits, successes, trials)


def test_padding_may_hold_anything_and_the_order_of_rows_does_not_matter():
    torch.manual_seed(1)
    logits, successes, trials = torch.randn(4, 4), tensor([0, 1, 3, 2]), tensor([3, 3, 3, 2])
    garbage = torch.full((1, 4), float("nan"))
    padded = torch.cat([logits.flip(0), garbage]).requires_grad_()
    losses = both(padded, *(torch.cat([each.flip(0), tensor([-100])]) for each in (successes, trials)))
    assert [loss.item() for loss in losses] == pytest.approx([loss.item() for loss in both(logits, successes, trials)])
    sum(losses).backward()
    assert padded.grad.isfinite().all() and (padded.grad[4] == 0).all()


@pytest.mark.parametrize("loss", [0, 1])
def test_padding_alone_gives_zero_and_half_precision_float32(loss):
    logits = torch.full((2, 3), float("nan"), requires_grad=True)
    value = both(logits, tensor([-100, -100]), tensor([-100, -100]))[loss]
    value.backward()
    assert value == 0 and (logits.grad == 0).all()
    half = both(tensor([[6e4, -6e4, 0.0]], dtype=torch.float16), tensor([1]), tensor([2]))[loss]
    assert half.dtype == torch.float32 and half.isfinite()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: class_loss(FLAT, tensor([4])), "row 0"),
        (lambda: class_loss(torch.zeros(2, 3), tensor([0, -1])), "row 1"),
        (lambda: class_loss(FLAT, tensor([[1]])), "one label a row"),
        (lambda: class_loss(torch.zeros(2, 1), tensor([0, 0])), "rows, classes"),
        (lambda: count_loss(FLAT, tensor([4]), tensor([3])), "row 0"),
        (lambda: count_loss(FLAT, tensor([1, 2]), tensor([3])), "one label a row"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(StepladderError, match=message):
        call()
