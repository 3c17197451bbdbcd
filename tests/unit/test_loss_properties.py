"""Losses of process reward models: numerical behaviour, properties, refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_references import LOSSES, RANK_LOSSES, published
from torch import tensor

from stepladder.errors import StepladderError
from stepladder.rewards.losses import (
    ablated_rank_loss,
    after_first_error,
    bce_loss,
    bce_loss_in_bf16,
    mse_loss,
    orm_loss,
    rank_loss,
    theory_rank_loss,
)

examples = settings(deadline=None, max_examples=40)
# --- numerical behaviour, in float32


def gradient(loss, scores, labels, **options):
    scores = tensor(scores, requires_grad=True)
    value = loss(scores, tensor(labels), **options)
    value.backward()
    return value.item(), scores.grad


@pytest.mark.parametrize("margin", [50.0, 52.0, 88.0, 89.0, 300.0])
def test_a_wrong_step_far_above_keeps_its_full_gradient(margin):
    value, grad = gradient(rank_loss, [[0.0, margin - 4]], [[1, 0]])
    assert value == pytest.approx(margin, rel=1e-6)
    assert grad[0, 1].item() == pytest.approx(1.0, abs=1e-6)


def test_all_scores_high_keep_the_gradient_of_the_wrong_step():
    _, grad = gradient(rank_loss, [[80.0, 80.0, 80.0]], [[1, 1, 0]])
    assert grad[0, 2].item() == pytest.approx(0.98223, abs=1e-5)


@pytest.mark.parametrize("low", [-88.0, -90.0, -104.0, -1e4])
def test_a_correct_step_far_below_is_pulled_up(low):
    value, grad = gradient(rank_loss, [[low]], [[1]])
    assert value == pytest.approx(-low, rel=1e-6)
    assert grad.item() == pytest.approx(-1.0, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("garbage", [0.0, 200.0, 1e38, float("inf"), float("nan")])
def test_padding_may_hold_anything(loss, garbage):
    clean, grad = gradient(loss, [[1.0, 2.0, -3.0], [0.5, -0.5, 1.0]], [[1, 1, 0], [0, 1, 0]])
    scores = [[1.0, 2.0, garbage, -3.0], [0.5, -0.5, garbage, 1.0], [garbage] * 4]
    labels = [[1, 1, -100, 0], [0, 1, -100, 0], [-100] * 4]
    value, padded_grad = gradient(loss, scores, labels)
    assert value == pytest.approx(clean, rel=1e-6)
    assert torch.allclose(padded_grad[:2, [0, 1, 3]], grad, atol=1e-6)
    assert (padded_grad[:, 2] == 0).all() and (padded_grad[2] == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_padding_alone_gives_zero_and_a_zero_gradient(loss):
    value, grad = gradient(loss, [[5.0, float("nan")]], [[-100, -100]])
    assert value == 0 and (grad == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", [1.0, 30.0, 1e4, 1e30])
def test_extreme_scores_stay_finite(loss, size):
    torch.manual_seed(0)
    scores = (size * torch.randn(8, 12)).tolist()
    labels = torch.randint(0, 2, (8, 12)).tolist()
    with torch.autograd.set_detect_anomaly(True):
        value, grad = gradient(loss, scores, labels)
    assert math.isfinite(value) and grad.isfinite().all()


@pytest.mark.parametrize("size", [6.2, 6.3, 20.0, 200.0])
def test_cross_entropy_keeps_its_gradient_on_a_confident_mistake(size):
    value, grad = gradient(bce_loss, [[size]], [[0]])
    assert value == pytest.approx(size, abs=3e-3) and grad.item() > 0.99
    value, grad = gradient(orm_loss, [[size]], [[0]])
    assert value == pytest.approx(size, abs=3e-3) and grad.item() > 0.99


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_give_finite_gradients_in_their_own_precision(loss, dtype):
    # At zeta 4 a score above 7.1 overflows a sum of exponentials in fp16.
    scores = tensor([[1.0, 300.0, 6e4], [-1.0, -300.0, -6e4]], dtype=dtype, requires_grad=True)
    value = loss(scores, tensor([[1, 0, 0], [0, 1, 1]]))
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite()
    assert scores.grad.dtype == dtype and scores.grad.isfinite().all() and scores.grad.abs().max() > 0


@pytest.mark.parametrize("size", [6.2, 6.3, 300.0])
def test_the_published_cross_entropy_loses_its_gradient(size):
    value, grad = gradient(bce_loss_in_bf16, [[size]], [[0]])
    expected = (5.53125, 0.99609375) if size == 6.2 else (100.0, 0.0)
    assert (value, grad.item()) == pytest.approx(expected, rel=1e-3)
    scores, labels = [[0.5, -1.0, 2.0, 9.0]], [[1, 0, 1, -100]]
    published, mended = gradient(bce_loss_in_bf16, scores, labels), gradient(bce_loss, scores, labels)
    assert published[0] == pytest.approx(mended[0], rel=0.01)
    assert torch.allclose(published[1], mended[1], atol=0.01) and published[1][0, 3] == 0


# --- steps after the first error

RECOVERING = [[1, 0, 1, 1], [0, 1, -100, -100], [1, 1, 1, -100], [-100, 1, 0, 0]]


def test_steps_after_the_first_error_by_hand():
    labels = tensor(RECOVERING)
    monotone = [[1, 0, 0, 0], [0, 0, -100, -100], [1, 1, 1, -100], [-100, 1, 0, 0]]
    dropped = [[1, 0, -100, -100], [0, -100, -100, -100], [1, 1, 1, -100], [-100, 1, 0, -100]]
    assert after_first_error(labels, "raw").tolist() == RECOVERING
    assert after_first_error(labels, "monotone").tolist() == monotone
    assert after_first_error(labels, "drop").tolist() == dropped
    soft = tensor([[0.75, 0.5, 0.25, 0.9]])
    assert after_first_error(soft, "monotone").tolist() == [[0.75, 0.5, 0.25, 0.0]]
    assert after_first_error(soft, "drop").tolist() == [[0.75, 0.5, 0.25, -100.0]]
    assert labels.tolist() == RECOVERING
    with pytest.raises(StepladderError, match="raw, monotone or drop"):
        after_first_error(labels, "last")


# --- properties

batches = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([0, 1, -100])), min_size=width, max_size=width),
        min_size=1,
        max_size=4,
    )
)


def tensors(batch) -> tuple[torch.Tensor, torch.Tensor]:
    cells = tensor(batch, dtype=torch.float64)
    return cells[..., 0], cells[..., 1].long()


@pytest.mark.parametrize("loss", LOSSES)
@examples
@given(batch=batches, order=st.randoms())
def test_neither_padding_nor_the_order_of_rows_matters(loss, batch, order):
    scores, labels = tensors(batch)
    rows = list(range(len(scores)))
    order.shuffle(rows)
    wide_scores = torch.cat([torch.full_like(scores, 7.0), scores, torch.full_like(scores, -9.0)], 1)
    wide_labels = torch.cat([torch.full_like(labels, -100), labels, torch.full_like(labels, -100)], 1)
    expected = loss(scores, labels).item()
    assert loss(scores[rows], labels[rows]).item() == pytest.approx(expected, abs=1e-12)
    assert loss(wide_scores, wide_labels).item() == pytest.approx(expected, abs=1e-12)


@examples
@given(batch=batches, zeta=st.floats(0, 8), double_count=st.booleans())
def test_rank_loss_equals_the_plain_derivation(batch, zeta, double_count):
    totals = []
    for cells in batch:
        scores, labels = zip(*cells, strict=True)
        total, count = published(scores, labels, zeta, 0.0, double_count)
        totals += [total / count] if count else []
    expected = sum(totals) / len(totals) if totals else 0.0
    assert rank_loss(*tensors(batch), zeta, double_count).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("how", ["monotone", "drop"])
@examples
@given(batch=batches)
def test_what_is_left_has_no_recovery_and_an_error_wherever_there_was_one(how, batch):
    scores, labels = tensors(batch)
    left = after_first_error(labels, how)
    assert torch.equal(after_first_error(left, how), left)
    assert torch.equal((left == 0).any(1), (labels == 0).any(1))
    for row in left.tolist():
        kept = [label for label in row if label != -100]
        assert kept == sorted(kept, reverse=True)
    # The published ablation and the first wrong step then mean the same, and the outcome has one target.
    assert orm_loss(scores, left).item() == pytest.approx(orm_loss(scores, left, "no_error").item(), abs=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@examples
@given(batch=batches)
def test_float32_agrees_with_float64(loss, batch):
    scores, labels = tensors(batch)
    assert loss(scores.float(), labels).item() == pytest.approx(loss(scores, labels).item(), abs=5e-5)


@pytest.mark.parametrize("options", [{}, {"double_count": True}, {"zeta": 0.5}])
@pytest.mark.parametrize("loss", [rank_loss, theory_rank_loss])
def test_gradcheck_of_rank_losses(loss, options):
    torch.manual_seed(1)
    scores = (3 * torch.randn(5, 6, dtype=torch.float64)).requires_grad_()
    labels = torch.randint(0, 2, (5, 6))
    labels[0, 4:] = labels[3] = -100
    assert torch.autograd.gradcheck(lambda x: loss(x, labels, **options), scores)


@pytest.mark.parametrize("loss", [ablated_rank_loss, bce_loss, mse_loss, orm_loss])
def test_gradcheck_of_other_losses(loss):
    torch.manual_seed(2)
    scores = (3 * torch.randn(5, 6, dtype=torch.float64)).requires_grad_()
    labels = torch.randint(0, 2, (5, 6))
    labels[0, 4:] = labels[3] = -100
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), scores)


def test_a_perfect_last_step_costs_nothing_or_log_two_when_counted_twice():
    labels = tensor([[1, 1]])
    first = rank_loss(tensor([[0.0]]), tensor([[1]])).item()
    high = tensor([[0.0, 60.0]], dtype=torch.float64)
    assert 2 * rank_loss(high, labels).item() - first == pytest.approx(0.0, abs=1e-6)
    twice = 2 * rank_loss(high, labels, double_count=True).item() - first
    assert twice == pytest.approx(math.log(2), abs=1e-6)


@examples
@given(st.floats(-6, 6), st.floats(-6, 6), st.floats(-6, 6))
def test_double_count_is_log_two_plus_the_loss_with_half_the_competitors(first, own, wrong):
    labels = tensor([[1, 1, 0]])
    loss = 3 * rank_loss(tensor([[first, own, wrong]], dtype=torch.float64), labels, double_count=True).item()
    mass = math.exp(wrong + 4)
    others = math.log(1 + mass) + math.log(1 + math.exp(first) + mass) - first
    competitors = 1 + math.exp(first) + mass
    expected = math.log(2) + math.log(math.exp(own) + competitors / 2) - own
    assert loss - others == pytest.approx(expected, abs=1e-10)


def test_soft_labels_pull_the_score_to_their_logit():
    labels = tensor([[0.25, 0.75]])
    scores = torch.logit(labels).requires_grad_()
    bce_loss(scores, labels).backward()
    assert scores.grad.abs().max() < 1e-6
    assert mse_loss(torch.logit(labels), labels).item() == pytest.approx(0.0, abs=1e-12)
    assert bce_loss(tensor([[0.0]]), tensor([[0.3]])).item() == pytest.approx(math.log(2), abs=1e-6)


def test_pointwise_losses_are_means_over_steps_not_rows():
    scores, labels = tensor([[2.0, 2.0, 2.0], [0.0, 9.0, 9.0]]), tensor([[0, 0, 0], [1, -100, -100]])
    expected = (3 * math.log(1 + math.e**2) + math.log(2)) / 4
    assert bce_loss(scores, labels).item() == pytest.approx(expected, rel=1e-6)


def test_outcome_targets_differ_where_a_chain_recovers():
    scores, labels = tensor([[0.0, 0.0, 2.0, 5.0]]), tensor([[1, 0, 1, -100]])
    assert orm_loss(scores, labels).item() == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-5)
    assert orm_loss(scores, labels, "no_error").item() == pytest.approx(math.log(1 + math.exp(2)), rel=1e-5)


# --- refusals


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 2), "must be \\(batch, steps\\)"),
        (torch.zeros(3), torch.zeros(3), "must be \\(batch, steps\\)"),
        (torch.zeros(1, 2), tensor([[1, 2]]), "labels"),
        (torch.zeros(1, 2), tensor([[1.0, float("nan")]]), "labels"),
        (torch.zeros(1, 2), tensor([[1, -1]]), "labels"),
    ],
)
def test_bad_input_is_refused(loss, scores, labels, message):
    with pytest.raises(StepladderError, match=message):
        loss(scores, labels)


@pytest.mark.parametrize("loss", RANK_LOSSES)
def test_rank_losses_refuse_soft_labels(loss):
    with pytest.raises(StepladderError, match="threshold soft labels"):
        loss(torch.zeros(1, 2), tensor([[0.5, 1.0]]))


def test_options_out_of_range_are_refused():
    for zeta in (-1.0, float("nan"), float("inf")):
        with pytest.raises(StepladderError, match="zeta"):
            rank_loss(torch.zeros(1, 1), tensor([[1]]), zeta=zeta)
    with pytest.raises(StepladderError, match="last_label or no_error"):
        orm_loss(torch.zeros(1, 1), tensor([[1]]), "first_label")
