"""Muon and AdamW as one optimiser, and the course of the learning rate."""

import copy
import math

import pytest
import torch
from torch import nn

import tiny
from stepladder.study.optimisation import Optimisation
from stepladder.training.optimizer import Muon, build_optimizer, learning_rate_factor, orthogonalise


def optimisation(**keys) -> Optimisation:
    return Optimisation.model_validate(keys)


@pytest.mark.parametrize("shape", [(4, 24, 24), (2, 8, 40), (3, 40, 8)])
def test_orthogonalising_drives_singular_values_towards_one(shape):
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    found = orthogonalise(matrices)
    values = torch.linalg.svdvals(found)
    assert found.dtype == torch.float32
    assert values[:, : min(shape[1:]) - 2].min() > 0.6 and values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    nearest = left @ right
    cosine = (found * nearest).sum((1, 2)) / (found.norm(dim=(1, 2)) * nearest.norm(dim=(1, 2)))
    assert cosine.min() > 0.97


def test_orthogonalising_does_not_depend_on_scale():
    torch.manual_seed(0)
    matrices = torch.randn(1, 12, 16)
    assert torch.allclose(orthogonalise(matrices), orthogonalise(1024 * matrices), atol=1e-3)
    assert not orthogonalise(torch.zeros(1, 4, 4)).any()


@pytest.mark.parametrize("shape", [(16, 16), (48, 12), (12, 48)])
def test_muon_goes_where_torchs_goes(shape):
    torch.manual_seed(0)
    start = torch.randn(shape)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    mine = Muon([{"params": [ours], "lr": 0.02, "muon": True}], betas=(0.9, 0.99), weight_decay=0.1)
    reference = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1)
    for _ in range(5):
        gradient = torch.randn(shape)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        reference.step()
    moved, expected = ours.detach() - start, theirs.detach() - start
    assert (moved - expected).norm() < 0.02 * expected.norm()


def test_other_groups_of_muon_are_adamw():
    torch.manual_seed(0)
    start = torch.randn(7)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    mine = Muon([{"params": [ours], "lr": 0.05}], betas=(0.8, 0.95), weight_decay=0.1)
    reference = torch.optim.AdamW([theirs], lr=0.05, betas=(0.8, 0.95), weight_decay=0.1)
    for _ in range(6):
        ours.grad = torch.randn(7)
        theirs.grad = ours.grad.clone()
        mine.step()
        reference.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_restored_optimiser_goes_on_as_the_first_would(name):
    def built():
        model = tiny.model(seed=1)
        return model, build_optimizer([(model, 1e-2)], optimisation(optimizer=name))

    def train(model, optimizer, steps):
        for step in steps:
            torch.manual_seed(step)
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()

    (first, optimizer), (second, other) = built(), built()
    train(first, optimizer, range(3))
    second.load_state_dict(first.state_dict())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(first, optimizer, range(3, 6))
    train(second, other, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_parameters_without_gradient_stay():
    model = tiny.model()
    before = copy.deepcopy(model.state_dict())
    build_optimizer([(model, 1e-2)], optimisation(optimizer="muon", weight_decay=0.1)).step()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_muon_takes_hidden_matrices_and_nothing_else():
    model = tiny.model()
    head = nn.Linear(32, 1)
    groups = build_optimizer(
        [(model, 1e-2), (head, 1e-3)], optimisation(optimizer="muon", muon_learning_rate=0.5)
    ).param_groups
    names = {id(parameter): name for name, parameter in [*model.named_parameters(), *head.named_parameters("head")]}
    moved = {names[id(p)] for group in groups if group["muon"] for p in group["params"]}
    others = {names[id(p)]: group["lr"] for group in groups if not group["muon"] for p in group["params"]}
    assert moved == {name for name, _ in model.named_parameters() if "proj" in name}
    assert others == {
        "model.embed_tokens.weight": 1e-2,
        "model.norm.weight": 1e-2,
        "model.layers.0.input_layernorm.weight": 1e-2,
        "model.layers.0.post_attention_layernorm.weight": 1e-2,
        "head.weight": 1e-3,
        "head.bias": 1e-3,
    }
    assert {group["initial_lr"] for group in groups if group["muon"]} == {0.5}


def test_an_output_layer_of_its_own_is_no_hidden_matrix():
    model = tiny.model()
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
    groups = build_optimizer([(model, 1e-2)], optimisation(optimizer="muon")).param_groups
    assert not any(p is model.lm_head.weight for group in groups if group["muon"] for p in group["params"])
    assert any(p is model.lm_head.weight for group in groups if not group["muon"] for p in group["params"])


def test_a_head_of_several_classes_is_no_hidden_matrix():
    head, body = nn.Linear(8, 4), nn.Sequential(nn.Linear(8, 8))
    groups = build_optimizer([(head, 0.1), (body, 0.2)], Optimisation(optimizer="muon")).param_groups
    moved = {id(p) for group in groups if group["muon"] for p in group["params"]}
    assert moved == {id(body[0].weight)}


def test_every_parameter_is_in_one_group_and_shared_ones_belong_to_the_first():
    model = tiny.model()
    parts = [(model.model.embed_tokens, 0.5), (model, 1e-2)]
    groups = build_optimizer(parts, optimisation()).param_groups
    ids = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(ids) == sorted({id(parameter) for parameter in model.parameters()})
    assert [group["lr"] for group in groups if group["params"][0] is model.lm_head.weight] == [0.5]


def factors(total, **keys) -> list[float]:
    return [learning_rate_factor(step, total, optimisation(**keys)) for step in range(total)]


def test_the_learning_rate_rises_stays_and_falls():
    assert factors(10, warmup=0.2, decay=0.5) == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1, 4 / 5, 3 / 5, 2 / 5, 1 / 5])
    assert factors(4, warmup=0.0, decay=1.0) == pytest.approx([4 / 5, 3 / 5, 2 / 5, 1 / 5])
    assert factors(5, warmup=0.0, decay=0.0) == [1.0] * 5
    assert factors(1, warmup=0.03, decay=1.0) == [0.5]


def test_the_cosine_falls_as_half_a_wave():
    expected = [(1 - math.cos(math.pi * left / 5)) / 2 for left in (4, 3, 2, 1)]
    assert factors(4, warmup=0.0, decay=1.0, schedule="cosine") == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("total", [1, 2, 7, 1000])
def test_the_learning_rate_is_never_zero_nor_above_one(schedule, total):
    found = factors(total, schedule=schedule)
    assert all(0 < factor <= 1 for factor in found)
    peak = found.index(max(found))
    assert found[: peak + 1] == sorted(found[: peak + 1]) and found[peak:] == sorted(found[peak:], reverse=True)
