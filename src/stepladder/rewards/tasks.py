"""What each head of a PRM learns: the readings that are its rows, and their loss as a sum over units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from stepladder.errors import StepladderError
from stepladder.reasoning.reencoding import step_texts
from stepladder.rewards import losses
from stepladder.rewards.class_losses import class_loss, count_loss
from stepladder.rewards.heads.base import ProcessRewardModel, Reading
from stepladder.rewards.heads.pair import classes_of
from stepladder.rewards.losses import PADDING
from stepladder.study.specs import prms as specs

THRESHOLD = 0.5


@dataclass(frozen=True)
class Task:
    """The rows of a training.

    Attributes:
        readings: one a row.
        weights: the units in each row that the summed loss is divided by.
        loss: sum over the units of some rows, from the model's outputs of these rows (rows, steps, outputs).
    """

    readings: list[Reading]
    weights: list[float]
    loss: Callable[[Tensor, Sequence[int]], Tensor]


def make_task(spec: specs.Prm, model: ProcessRewardModel, rows: Sequence[dict[str, Any]]) -> Task:
    """What a spec's head learns from labelled trajectories (``training.labelled_trajectories``).

    Raises:
        StepladderError: when the labels are not those that the head needs.
    """
    match spec:
        case specs.PerStep():
            return _per_step(spec, model, rows)
        case specs.Pair():
            return _pair(spec, model, rows)
        case specs.LastToken():
            return _last_token(spec, model, rows)


def step_targets(spec: specs.PerStep, row: dict[str, Any]) -> list[float]:
    """Targets of a trajectory's steps in [0, 1], -100 for a step that is left out or has no label.

    The state after a finished trajectory is worth its outcome, of which there is no doubt for a prior to speak in.
    """
    match spec.target:
        case "soft":
            targets = row["soft"]
        case "posterior":
            counts = zip(row["soft"], row["successes"], row["rollouts"], row["finished"], strict=True)
            targets = [
                soft if known or soft == PADDING else (right + 1) / (trials + 2)
                for soft, right, trials, known in counts
            ]
        case "hard":
            targets = [float(hard) for hard in row["hard"]]
        case "threshold":
            targets = [soft if soft == PADDING else float(soft >= THRESHOLD) for soft in row["soft"]]
    return losses.after_first_error(torch.tensor([targets]), spec.recoveries)[0].tolist()


def step_loss(spec: specs.PerStep, scores: Tensor, targets: Tensor) -> Tensor:
    """Sum of the loss: over steps of those that are taken step by step, over trajectories of the others.

    Args:
        scores, targets: (batch, steps), targets -100 at padding.
    """
    real = targets != PADDING
    rows, steps = real.any(1).sum(), real.sum()
    match spec.loss:
        case "rank":
            return losses.rank_loss(scores, targets, spec.zeta, spec.double_count) * rows
        case "theory_rank":
            return losses.theory_rank_loss(scores, targets, spec.zeta, spec.double_count) * rows
        case "ablated_rank":
            return losses.ablated_rank_loss(scores, targets, spec.double_count) * rows
        case "orm":
            return losses.orm_loss(scores, targets, spec.orm_target) * rows
        case "mse":
            return losses.mse_loss(scores, targets) * steps
        case "bce":
            return losses.bce_loss(scores, targets) * steps
        case "bce_as_published":
            return losses.bce_loss_in_bf16(scores, targets) * steps


def _per_step(spec: specs.PerStep, model: ProcessRewardModel, rows: Sequence[dict[str, Any]]) -> Task:
    if spec.target == "posterior":
        for row in rows:
            _refuse_means(row, "target: posterior")
    targets = [step_targets(spec, row) for row in rows]
    by_steps = spec.loss in ("bce", "mse", "bce_as_published")
    units = [sum(target != PADDING for target in row) if by_steps else 1 for row in targets]

    def loss(outputs: Tensor, chosen: Sequence[int]) -> Tensor:
        return step_loss(spec, outputs.squeeze(-1), pad_steps([targets[i] for i in chosen], outputs))

    return Task(list(chain.from_iterable(model.read(rows))), units, loss)


def _last_token(spec: specs.LastToken, model: ProcessRewardModel, rows: Sequence[dict[str, Any]]) -> Task:
    """The prefixes of a trajectory are learnt in one pass over it: causal attention gives each what it alone gives.

    What a finished trajectory is worth is known by its one trial, so its class is all of K or none, whatever the loss.
    """
    for row in rows:
        _check_counts(spec, row)

    def loss(outputs: Tensor, chosen: Sequence[int]) -> Tensor:
        trials = pad_steps([rows[i]["rollouts"] for i in chosen], outputs).flatten()
        successes = pad_steps([rows[i]["successes"] for i in chosen], outputs).flatten()
        finished = pad_steps([rows[i]["finished"] for i in chosen], outputs).flatten()
        flat, labelled = outputs.flatten(0, 1), trials != PADDING
        by_class = labelled & (((finished == 1) & (trials == 1)) if spec.loss == "counts" else True)
        by_count = labelled & ~by_class
        classes = (successes * spec.trials / trials).where(by_class, PADDING)
        counts = count_loss(flat, successes.where(by_count, PADDING), trials.where(by_count, PADDING))
        return class_loss(flat, classes) * by_class.sum() + counts * by_count.sum()

    labelled = [sum(trials != PADDING for trials in row["rollouts"]) for row in rows]
    return Task(list(chain.from_iterable(model.read(rows))), labelled, loss)


def _pair(spec: specs.Pair, model: ProcessRewardModel, rows: Sequence[dict[str, Any]]) -> Task:
    read = model.pairs([step_texts(model.reader, row) for row in rows], spec.max_length)
    labelled = [
        (reading, soft)
        for row, readings in zip(rows, read, strict=True)
        for reading, soft in zip(readings, row["soft"], strict=True)
        if soft != PADDING
    ]
    readings, classes = [reading for reading, _ in labelled], classes_of([soft for _, soft in labelled])

    def loss(outputs: Tensor, chosen: Sequence[int]) -> Tensor:
        return class_loss(outputs.squeeze(1), classes[list(chosen)].to(outputs.device)) * len(chosen)

    return Task(readings, [1.0] * len(readings), loss)


def _check_counts(spec: specs.LastToken, row: dict[str, Any]) -> None:
    _refuse_means(row, "the last_token head")
    if spec.loss == "classes" and any(
        good * spec.trials % all_
        for good, all_ in zip(row["successes"], row["rollouts"], strict=True)
        if all_ != PADDING
    ):
        raise StepladderError(
            f"{_labels_of(row)}: counts of {max(row['rollouts'])} rollouts are none of {spec.trials}; "
            "set trials to the labels' rollouts, or take loss: counts"
        )


def _refuse_means(row: dict[str, Any], reader: str) -> None:
    if 0 in row["rollouts"]:
        raise StepladderError(f"{_labels_of(row)}: hold means without counts; {reader} needs counts of rollouts")


def _labels_of(row: dict[str, Any]) -> str:
    return f"labels of question {row['question_id']}, sample {row['sample']}"


def pad_steps(rows: Sequence[Sequence[float]], outputs: Tensor) -> Tensor:
    """Numbers a step as (rows, steps of the outputs), -100 at padding."""
    steps = outputs.size(1)
    return torch.tensor([[*row, *[float(PADDING)] * (steps - len(row))] for row in rows], device=outputs.device)
