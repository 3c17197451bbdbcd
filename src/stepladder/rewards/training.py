"""Training a process reward model on step labels."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stepladder.errors import StepladderError
from stepladder.files import whole_folder
from stepladder.job import Job
from stepladder.records import Counts
from stepladder.rewards.adapters import add_adapters, merge_adapters
from stepladder.rewards.heads.base import ProcessRewardModel
from stepladder.rewards.losses import PADDING
from stepladder.rewards.model import load_prm, new_prm
from stepladder.rewards.tasks import Task, make_task
from stepladder.study.canonical import derive_seed
from stepladder.study.specs.prms import Prm
from stepladder.training.batches import plan_batches, tokens_in
from stepladder.training.trainer import Loss, Trainer

# What the labels say of a step, and what stands there for a step that nobody labelled.
_UNLABELLED = {"soft": PADDING, "hard": PADDING, "rollouts": PADDING, "successes": PADDING, "finished": False}


def labelled_trajectories(
    trajectories: Sequence[dict[str, Any]], labels: Sequence[dict[str, Any]], counts: Counts
) -> list[dict[str, Any]]:
    """Trajectories with lists of what the labels say of their steps, of those that have labels and steps.

    A step without a label before one that has one says -100, which losses and judgements pass over.
    What lies behind the last labelled step of a trajectory is cut off: of a published solution people may have read
    no more than the steps up to the first wrong one.
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
        ends = row["step_ends"][: max(steps) + 1]
        if len(ends) < len(row["step_ends"]):
            row = row | {"token_ids": row["token_ids"][: ends[-1]], "step_ends": ends}
        ordered = [steps.get(step, _UNLABELLED) for step in range(len(ends))]
        rows.append(row | {name: [label[name] for label in ordered] for name in _UNLABELLED})
    return rows


def is_held_out(question_id: str, share: float) -> bool:
    """Whether a question judges models instead of training them; decided by the question alone."""
    return derive_seed("held out", question_id) / 2**63 < share


def replayed(rows: Iterable[dict[str, Any]], heldout: float, share: float, seed: int) -> list[dict[str, Any]]:
    """The labelled trajectories of an earlier round that are learnt again: all those of questions drawn by a seed.

    Questions that judge models teach none, in whatever round.
    """
    return [
        row
        for row in rows
        if not is_held_out(row["question_id"], heldout) and derive_seed(seed, row["question_id"]) / 2**63 < share
    ]


def train_prm(job: Job, rows: Sequence[dict[str, Any]]) -> tuple[Trainer, dict[str, Any]]:
    """Trains a PRM on labelled trajectories and writes its checkpoint.

    Returns:
        the trainer, for :func:`trained_prm`, and numbers of the training for metrics.json.

    Raises:
        StepladderError: without rows, or when the time budget is spent.
    """
    spec: Prm = job.spec
    if not rows:
        raise StepladderError("there is no labelled trajectory to train on; look at metrics.json of the labels node")
    model = new_prm(spec, job.path("backbone"), job.step_style, job.path("tokenizer"), job.derive_seed("head"))
    if spec.head != "pair" and spec.lora:
        add_adapters(model.backbone, spec.lora)
    task = make_task(spec, model, rows)
    lengths = [len(reading.ids) for reading in task.readings]
    batches = plan_batches(lengths, spec.optimisation, job.derive_seed("batches"))
    rate = spec.optimisation.learning_rate
    parts = [(model.head, spec.head_learning_rate or rate), (model.classifier, rate)]
    trainer = Trainer(model.train(), parts, spec.optimisation, len(batches), job.derive_seed("training"))
    if trainer.accelerator.is_main_process and _lacks_margin(spec):
        print(f"stepladder: {job.title}: zeta is 0: no margin lies between right and wrong steps", file=sys.stderr)
    trainer.fit(
        batches,
        lambda batch: float(sum(task.weights[i] for i in batch)),
        loss_of(task),
        checkpoint=job.checkpoint,
        budget=job.budget(),
        label=f"{job.node} seed {job.seed}",
    )
    model.eval()
    metrics = {
        "trained_tokens": tokens_in(batches, lengths),
        "truncated": sum(reading.cut for reading in task.readings),
        **course(trainer.history, round(spec.optimisation.warmup * len(batches))),
    }
    with trainer.whole_weights():
        if spec.head != "pair" and spec.lora:
            merge_adapters(model.backbone)
        if trainer.accelerator.is_main_process:
            with whole_folder(job.output / "checkpoint") as folder:
                model.save(folder)
        trainer.accelerator.wait_for_everyone()
    if trainer.accelerator.is_main_process and metrics.get("loss_above_start"):
        print(_alarm(job, metrics), file=sys.stderr)
    return trainer, metrics


def trained_prm(job: Job, trainer: Trainer) -> ProcessRewardModel:
    """The PRM of :func:`train_prm`, to be judged on one rank.

    With ZeRO-3 it is read back: one rank alone holds a part of its weights, and cannot make a pass over them.
    """
    if trainer.splits_weights:
        return load_prm(job.output / "checkpoint", job.step_style, job.path("tokenizer"))
    return trainer.bare_model


def loss_of(task: Task) -> Loss:
    """The loss of some rows for the trainer, beside what scores of 0 cost on the same labels."""

    def loss(module: nn.Module, chosen: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        outputs = module([task.readings[i] for i in chosen])
        return task.loss(outputs, chosen), {"closed_form_loss": task.loss(torch.zeros_like(outputs), chosen)}

    return loss


def course(history: Sequence[dict[str, float]], warmup: int) -> dict[str, Any]:
    """The first loss, and the mean one after the warm-up, each beside what scores of 0 cost on the same labels.

    Args:
        warmup: steps with a rising learning rate; where no later step is kept, the last one is taken.
    """
    if not history:
        return {}
    first = history[0]
    settled = [point for point in history if point["step"] > warmup] or [history[-1]]
    mean, closed_form = (sum(point[name] for point in settled) / len(settled) for name in ("loss", "closed_form_loss"))
    return {
        "initial_loss": first["loss"],
        "initial_closed_form_loss": first["closed_form_loss"],
        "mean_loss": mean,
        "closed_form_loss": closed_form,
        "loss_above_start": mean > closed_form,
    }


def _lacks_margin(spec: Prm) -> bool:
    return spec.head == "per_step" and spec.loss in ("rank", "theory_rank") and spec.zeta == 0


def _alarm(job: Job, metrics: dict[str, Any]) -> str:
    return (
        f"stepladder: {job.title}: after warm-up the loss stays at {metrics['mean_loss']:.4f}, above the "
        f"{metrics['closed_form_loss']:.4f} of a model that knows nothing: train longer, "
        "try another learning rate, and look at the labels"
    )
