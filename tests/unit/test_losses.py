"""Losses of process reward models against the reference values of PQM.

Reference values E1 to E9 were computed with 1e-5 added inside each logarithm, as the published code does.
``published`` is a plain re-derivation in exponential space, with that term as an argument: it must meet
the reference values with 1e-5, and the losses must meet it with 0.
"""

import math

import pytest
import torch
from loss_references import EPS, ROWS, published, row
from torch import tensor

from stepladder.rewards.losses import (
    ablated_rank_loss,
    bce_loss,
    mse_loss,
    orm_loss,
    rank_loss,
    theory_rank_loss,
)

EXACT = {
    "E1": 4.027063113833002,
    "E2": 2.323856151650394,
    "E3": 0.9805617755067235,
    "E4": 0.40760596444438046,
    "E6": math.log(24) / 3,
    "E7": math.log(2),
    "E8": 4.71127014874181,
    "E9": 2.323856151650394,
}
FIXED_WITH_EPS = {
    "E1": 4.0270632921061456,
    "E2": 2.3238565156612947,
    "E3": 0.9805646159744806,
    "E4": 0.40761261683181105,
    "E6": 1.0593548878866994,
    "E7": 0.6931521805474453,
    "E8": 4.711270238677705,
    "E9": 2.3238565156612947,
}
DOUBLE_COUNT_WITH_EPS = {
    "E1": 4.0270632921061456,
    "E2": 2.389564360122822,
    "E3": 1.1625317443834973,
    "E4": 0.40761261683181105,
    "E6": 1.229629651365437,
    "E7": 0.6931521805474453,
    "E8": 4.714228059748428,
    "E9": 2.389564360122822,
}
ABLATED_WITH_EPS = {
    "E1": 0.8958839012716664,
    "E2": 0.26241379186578656,
    "E3": 0.9805646159744806,
    "E4": 0.006725281511276169,
    "E6": 1.0593548878866994,
    "E7": 0.6931521805474453,
    "E8": 1.0593548878866994,
    "E9": 0.26241379186578656,
}
THEORY_AS_CODED = {
    "E1": 4.0270632921061456,
    "E2": 2.323911258417934,
    "E3": 1.1625317443834973,
    "E4": 0.3609793516541665,
    "E6": 1.229629651365437,
    "E7": 0.6931521805474453,
    "E8": 3.7089590899481824,
    "E9": 2.3239180540301434,
}


def published_theory(scores, labels, zeta=4.0, eps=EPS, double_count=True) -> float:
    positive, _ = published(scores, labels, zeta, eps, double_count)
    wrong = [column for column, y in enumerate(labels) if y == 0]
    # The published code skips the last column of the padded row, so the last wrong step only there.
    skipped = [column for column in wrong if column == len(labels) - 1]
    negative = sum(
        math.log(sum(math.exp(scores[later]) for later in wrong if later >= column) + eps) - scores[column]
        for column in wrong
        if column not in skipped
    )
    return (positive + negative) / sum(y != -100 for y in labels)


def test_the_plain_derivation_meets_every_reference_value():
    for name, (scores, labels) in ROWS.items():
        total, count = published(scores, labels)
        assert total / count == pytest.approx(FIXED_WITH_EPS[name], abs=1e-12)
        total, count = published(scores, labels, double_count=True)
        assert total / count == pytest.approx(DOUBLE_COUNT_WITH_EPS[name], abs=1e-12)
        total, count = published(scores, labels, eps=0.0)
        assert total / count == pytest.approx(EXACT[name], abs=1e-12)
        first_wrong = math.exp(scores[labels.index(0)]) if 0 in labels else 0.0
        total, count = published(scores, labels, wrong_mass=first_wrong)
        assert total / count == pytest.approx(ABLATED_WITH_EPS[name], abs=1e-12)
        assert published_theory(scores, labels) == pytest.approx(THEORY_AS_CODED[name], abs=1e-12)


@pytest.mark.parametrize("name", ROWS)
def test_rank_loss_is_the_exact_reference_value(name):
    assert rank_loss(*row(name)).item() == pytest.approx(EXACT[name], abs=1e-12)
    assert 0 <= FIXED_WITH_EPS[name] - rank_loss(*row(name)).item() <= EPS


@pytest.mark.parametrize("name", ROWS)
def test_double_count_is_the_published_form(name):
    scores, labels = ROWS[name]
    total, count = published(scores, labels, eps=0.0, double_count=True)
    loss = rank_loss(*row(name), double_count=True).item()
    assert loss == pytest.approx(total / count, abs=1e-12)
    assert 0 <= DOUBLE_COUNT_WITH_EPS[name] - loss <= EPS


@pytest.mark.parametrize("name", ROWS)
def test_ablated_rank_loss(name):
    scores, labels = ROWS[name]
    first_wrong = math.exp(scores[labels.index(0)]) if 0 in labels else 0.0
    total, count = published(scores, labels, eps=0.0, wrong_mass=first_wrong)
    loss = ablated_rank_loss(*row(name)).item()
    assert loss == pytest.approx(total / count, abs=1e-12)
    assert 0 <= ABLATED_WITH_EPS[name] - loss <= EPS


@pytest.mark.parametrize("name", ROWS)
def test_theory_rank_loss(name):
    scores, labels = ROWS[name]
    as_coded = theory_rank_loss(*row(name), double_count=True).item()
    assert as_coded == pytest.approx(published_theory(scores, labels, eps=0.0), abs=1e-12)
    # What was added inside the logarithms weighs more where the wrong steps score low.
    lowest = min((r for r, y in zip(scores, labels, strict=True) if y == 0), default=0.0)
    assert 0 <= THEORY_AS_CODED[name] - as_coded <= EPS * (1 + math.exp(-lowest))
    corrected = theory_rank_loss(*row(name)).item()
    expected = published_theory(scores, labels, eps=0.0, double_count=False)
    assert corrected == pytest.approx(expected, abs=1e-12)


def test_parts_of_the_theory_loss_of_e2():
    scores, labels = row("E2")
    positive, _ = published(*ROWS["E2"], double_count=True)
    assert positive / 4 == pytest.approx(1.7921732700921162, abs=1e-12)
    both = theory_rank_loss(scores, labels, double_count=True).item()
    assert both - published(*ROWS["E2"], eps=0.0, double_count=True)[0] / 4 == pytest.approx(
        0.5317379883258176, abs=EPS
    )


def padded(*names: str) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(ROWS[name][0]) for name in names)
    scores = [ROWS[name][0] + [3.0] * (width - len(ROWS[name][0])) for name in names]
    labels = [ROWS[name][1] + [-100] * (width - len(ROWS[name][1])) for name in names]
    return tensor(scores, dtype=torch.float64), tensor(labels)


def test_a_batch_is_the_mean_of_its_rows():
    loss = rank_loss(*padded("E2", "E3", "E4")).item()
    assert loss == pytest.approx(1.2373412972004993, abs=1e-12)
    assert 0 <= 1.237344582822529 - loss <= EPS


def test_gradient_of_e2():
    scores, labels = row("E2")
    scores.requires_grad_()
    rank_loss(scores, labels).backward()
    expected = [-0.2724499598, -0.2607018179, 0.0989484400, 0.7311355742]
    assert scores.grad[0].tolist() == pytest.approx(expected, abs=1e-10)


def test_pointwise_reference_values():
    scores, labels = padded("E2", "E3")
    assert bce_loss(scores, labels).item() == pytest.approx(0.3662077705046138, abs=1e-10)
    assert mse_loss(scores, labels).item() == pytest.approx(0.10906279857823091, abs=1e-10)
    for target in ("last_label", "no_error"):
        assert orm_loss(scores, labels, target).item() == pytest.approx(0.3132616875182228, abs=1e-10)


def test_bf16_scores_are_computed_in_float32():
    scores = tensor([[1.01, 2.02, -3.03, -1.04]])
    labels = tensor([[1, 1, 0, 0]])
    exact = rank_loss(scores.double(), labels).item()
    assert exact == pytest.approx(2.283874704715595, abs=2e-5)
    loss = rank_loss(scores.bfloat16(), labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(rank_loss(scores.bfloat16().double(), labels).item(), abs=1e-5)


@pytest.mark.parametrize("zeta", [0.0, 2.0, 4.0, 16.0])
@pytest.mark.parametrize(("right", "wrong"), [(0, 3), (1, 0), (2, 2), (5, 1), (12, 0)])
def test_loss_of_a_head_that_starts_at_zero(right, wrong, zeta):
    questions = 1 if wrong else 0
    terms = [math.log(1 + wrong * math.exp(zeta))] if wrong else []
    terms += [math.log(2 + place + wrong * math.exp(zeta)) for place in range(right)]
    loss = rank_loss(torch.zeros(1, right + wrong), tensor([[1] * right + [0] * wrong]), zeta)
    assert loss.item() == pytest.approx(sum(terms) / (questions + right), abs=1e-6)


@pytest.mark.parametrize("labels", [[1, 1, 0, 0], [1, 1, 1], [0, 0], [1, 0, 1], [0]])
def test_every_other_loss_of_a_head_that_starts_at_zero(labels):
    right, wrong, steps = labels.count(1), labels.count(0), len(labels)
    given = torch.zeros(1, steps), tensor([labels])
    question = [math.log(1 + wrong * math.exp(4))] if wrong else []
    terms = question + [math.log(2 + place + wrong * math.exp(4)) for place in range(right)]
    below = math.log(math.factorial(wrong))
    assert theory_rank_loss(*given).item() == pytest.approx((sum(terms) + below) / steps, abs=1e-6)
    first = [math.log(2)] if wrong else []
    first += [math.log(2 + place + (wrong > 0)) for place in range(right)]
    assert ablated_rank_loss(*given).item() == pytest.approx(sum(first) / len(first), abs=1e-6)
    assert bce_loss(*given).item() == pytest.approx(math.log(2), abs=1e-6)
    assert mse_loss(*given).item() == pytest.approx(0.25, abs=1e-6)
    assert orm_loss(*given).item() == pytest.approx(math.log(2), abs=1e-6)


def test_sets_by_label_keep_a_late_correct_step():
    scores, labels = [0.3, -1.0, 0.7], [1, 0, 1]
    total, count = published(scores, labels, eps=0.0)
    loss = rank_loss(tensor([scores], dtype=torch.float64), tensor([labels])).item()
    assert loss == pytest.approx(total / count, abs=1e-12)
    total, count = published(scores, labels, eps=0.0, wrong_mass=math.exp(-1.0))
    ablated = ablated_rank_loss(tensor([scores], dtype=torch.float64), tensor([labels])).item()
    assert ablated == pytest.approx(total / count, abs=1e-12)
