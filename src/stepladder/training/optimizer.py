"""Optimisers and the learning rate's course."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.adamw import adamw
from transformers import PreTrainedModel

from stepladder.study.optimisation import Optimisation

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly: singular values driven towards 1 (Muon, Jordan et al. 2024).

    Args:
        matrices: (batch, rows, columns).
    """
    a, b, c = _NEWTON_SCHULZ
    tall = matrices.size(-2) > matrices.size(-1)
    x = matrices.mT if tall else matrices
    x = x.to(torch.bfloat16)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(Optimizer):
    """Muon for the groups marked ``muon``, AdamW for the others, as one optimiser.

    torch.optim.Muon takes matrices only and one at a time; small models spend most of a step on that. Here matrices of
    one shape are orthogonalised together.
    """

    def __init__(self, groups: list[dict[str, Any]], betas: tuple[float, float], weight_decay: float):
        super().__init__(groups, {"betas": betas, "weight_decay": weight_decay, "momentum": 0.95, "muon": False})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            (self._step_muon if group["muon"] else self._step_adamw)(group, parameters)

    def _step_muon(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        by_shape: dict[torch.Size, list[Tensor]] = {}
        for parameter in parameters:
            by_shape.setdefault(parameter.shape, []).append(parameter)
        for shape, alike in by_shape.items():
            momenta = [self._moment(p, "momentum") for p in alike]
            gradients = [p.grad for p in alike]
            torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
            directions = torch._foreach_lerp(gradients, momenta, group["momentum"])
            updates = orthogonalise(torch.stack(directions))
            scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
            torch._foreach_mul_(alike, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(alike, list(updates.unbind()), alpha=-scale)

    def _moment(self, parameter: Tensor, name: str) -> Tensor:
        return self.state[parameter].setdefault(name, torch.zeros_like(parameter))

    def _step_adamw(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        steps = [self.state[p].setdefault("step", torch.tensor(0.0)) for p in parameters]
        adamw(
            parameters,
            [p.grad for p in parameters],
            [self._moment(p, "exp_avg") for p in parameters],
            [self._moment(p, "exp_avg_sq") for p in parameters],
            [],
            steps,
            foreach=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=1e-8,
            maximize=False,
        )


def build_optimizer(parts: Iterable[tuple[nn.Module, float]], optimisation: Optimisation) -> Optimizer:
    """An optimiser over modules, each with its own learning rate for what Muon does not move.

    Args:
        parts: (module, learning rate); parameters shared between modules belong to the first. A module that is one
            linear layer is a head, which Muon does not move.
    """
    seen: set[int] = set()
    groups: list[dict[str, Any]] = []
    for module, learning_rate in parts:
        embeddings = {id(p) for m in module.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
        for model in (m for m in module.modules() if isinstance(m, PreTrainedModel)):
            if (output := model.get_output_embeddings()) is not None:
                embeddings |= {id(p) for p in output.parameters()}
        if isinstance(module, nn.Linear):
            embeddings |= {id(p) for p in module.parameters()}
        own = [p for p in module.parameters() if p.requires_grad and id(p) not in seen]
        seen.update(id(p) for p in own)
        hidden = [p for p in own if p.ndim == 2 and min(p.shape) > 1 and id(p) not in embeddings]
        if optimisation.optimizer == "muon":
            groups.append({"params": hidden, "lr": optimisation.muon_learning_rate, "muon": True})
            hidden_ids = {id(p) for p in hidden}
            own = [p for p in own if id(p) not in hidden_ids]
        groups.append({"params": own, "lr": learning_rate})
    groups = [group for group in groups if group["params"]]
    if optimisation.optimizer == "muon":
        optimizer = Muon(groups, optimisation.betas, optimisation.weight_decay)
    else:
        optimizer = AdamW(groups, betas=optimisation.betas, weight_decay=optimisation.weight_decay)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def learning_rate_factor(step: float, total: int, optimisation: Optimisation) -> float:
    """The share of the full learning rate at ``step`` (from 0) of ``total``: rises, stays, falls to 0 at the end."""
    warmup = round(optimisation.warmup * total)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    falling = round(optimisation.decay * (total - warmup))
    if falling == 0 or step < total - falling:
        return 1.0
    left = (total - step) / (falling + 1)
    return 0.5 - 0.5 * math.cos(math.pi * left) if optimisation.schedule == "cosine" else left
