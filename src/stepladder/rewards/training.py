"""Training a process reward model on step labels."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stepladder.errors import StepladderError
from stepladder.files import whole_folder
from stepladder.job import Job
from stepladder.records import Counts
from stepladder.rewards.losses import bce_loss, mse_loss, orm_loss, rank_loss
from stepladder.rewards.model import collate_steps, new_prm, save_prm
from stepladder.study.canonical import derive_seed
from stepladder.study.specs.prms import PerStep
from stepladder.training.batches import plan_batches, tokens_in
from stepladder.training.trainer import Trainer

PADDING = -100.0
THRESHOLD = 0.5


def labelled_trajectories(
    trajectories: Sequence[dict[str, Any]], labels: Sequence[dict[str, Any]], target: str, counts: Counts
) -> list[dict[str, Any]]:
    """Trajectories with a list of step targets in [0, 1], of those that have labels and steps.

    Args:
        target: "soft" (mean of the trials), "hard" (any trial right) or "threshold" (mean at least one half).
    """
    found: dict[tuple[str, int], dict[int, dict[str, Any]]] = {}
    for label in labels:
        found.setdefault((label["question_id"], label["sample"]), {})[label["step"]] = label
    rows = []
    for row in trajectories:
        steps = found.get((row["question_id"], row["sample"]))
        if steps is None:
            counts.drop("trajectory without labels")
            continue
        ordered = [steps[step] for step in range(len(row["step_ends"]))]
        soft = [label["soft"] for label in ordered]
        targets = {
            "soft": soft,
            "hard": [float(label["hard"]) for label in ordered],
            "threshold": [float(value >= THRESHOLD) for value in soft],
        }[target]
        rows.append(row | {"targets": targets, "soft": soft})
    return rows


def is_held_out(question_id: str, share: float) -> bool:
    """Whether a question judges models instead of training them; decided by the question alone."""
    return derive_seed("held out", question_id) / 2**63 < share


def step_loss(spec: PerStep, scores: Tensor, targets: Tensor) -> tuple[Tensor, float]:
    """Sum of the loss and the units that it is a sum over: steps for bce and mse, trajectories for rank and orm.

    Args:
        scores, targets: (batch, steps), targets -100 at padding.
    """
    match spec.loss:
        case "rank":
            mean, units = rank_loss(scores, targets, spec.zeta, spec.double_count), len(targets)
        case "orm":
            mean, units = orm_loss(scores, targets), len(targets)
        case "bce":
            mean, units = bce_loss(scores, targets), int((targets != PADDING).sum())
        case _:
            mean, units = mse_loss(scores, targets), int((targets != PADDING).sum())
    return mean * units, units


def train_prm(job: Job, rows: Sequence[dict[str, Any]]) -> tuple[Trainer, int]:
    """Trains a PRM on labelled trajectories and writes its checkpoint.

    Returns:
        the trainer, which holds the trained model, and how many tokens it was trained on.

    Raises:
        StepladderError: without rows, or when the time budget is spent.
    """
    spec: PerStep = job.spec
    if not rows:
        raise StepladderError("there is no labelled trajectory to train on; look at metrics.json of the labels node")
    model = new_prm(job.path("backbone"), job.step_style, spec.loss)
    lengths = [len(row["prompt_ids"]) + len(row["token_ids"]) for row in rows]
    batches = plan_batches(lengths, spec.optimisation, job.derive_seed("batches"))
    head_rate = spec.head_learning_rate or spec.optimisation.learning_rate
    parts = [(model.head, head_rate), (model.backbone, spec.optimisation.learning_rate)]
    trainer = Trainer(model, parts, spec.optimisation, len(batches), job.derive_seed("training"))
    device = trainer.accelerator.device
    by_steps = spec.loss in ("bce", "mse")

    def loss(module: nn.Module, chosen: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        picked = [rows[i] for i in chosen]
        ids, attention, ends = collate_steps(picked, device)
        total, _ = step_loss(spec, module(ids, attention, ends), pad_targets(picked, ends.size(1)).to(device))
        return total, {}

    trainer.fit(
        batches,
        lambda batch: float(sum(len(rows[i]["targets"]) for i in batch) if by_steps else len(batch)),
        loss,
        checkpoint=job.checkpoint,
        budget=job.budget(),
        label=f"{job.node} seed {job.seed}",
    )
    state = trainer.state_dict()
    if trainer.accelerator.is_main_process:
        with whole_folder(job.output / "checkpoint") as folder:
            save_prm(trainer.bare_model, job.path("backbone"), folder, state)
    return trainer, tokens_in(batches, lengths)


def pad_targets(rows: Sequence[dict[str, Any]], steps: int) -> Tensor:
    """Step targets as (batch, steps), -100 at padding."""
    return torch.tensor([row["targets"] + [PADDING] * (steps - len(row["targets"])) for row in rows])
