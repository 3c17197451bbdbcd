"""A process reward model, trained on step labels and judged on held-out questions."""

from pathlib import Path
from typing import Any

from stepladder.errors import StepladderError
from stepladder.evaluation.prm import judge_prm
from stepladder.job import Job, run
from stepladder.records import LABELS, TRAJECTORIES, Counts, read_records
from stepladder.rewards.training import is_held_out, labelled_trajectories, replayed, train_prm, trained_prm

COLUMNS = ["question_id", "sample", "prompt_ids", "token_ids", "step_ends"]


def labelled(labels: Path, trajectories: Path, counts: Counts) -> list[dict[str, Any]]:
    rows = read_records(trajectories, TRAJECTORIES, COLUMNS)
    counts.rows_in += len(rows)
    return labelled_trajectories(rows, read_records(labels, LABELS), counts)


def main(job: Job) -> None:
    counts = Counts()
    rows = labelled(job.path("labels"), job.path("trajectories"), counts)
    training = [row for row in rows if not is_held_out(row["question_id"], job.spec.heldout)]
    held_out = [row for row in rows if is_held_out(row["question_id"], job.spec.heldout)]
    if not held_out:
        raise StepladderError("no labelled question is held out to judge on; raise heldout or sample more questions")
    counts.drop("held out for judging", len(held_out))
    again, mixed = [], {}
    if job.spec.replay:
        older = labelled(*job.inputs["replay"], counts)
        again = replayed(older, job.spec.heldout, job.spec.replay.share, job.derive_seed("replay"))
        counts.drop("not replayed", len(older) - len(again))
        mixed = {"replayed": len(again), "replayed_questions": len({row["question_id"] for row in again})}
    counts.rows_out = len(training) + len(again)
    trainer, metrics = train_prm(job, training + again)
    metrics |= mixed
    margin = job.spec.zeta if job.spec.head == "per_step" and job.spec.loss in ("rank", "theory_rank") else 0.0
    if trainer.accelerator.is_main_process:
        metrics |= judge_prm(trained_prm(job, trainer), held_out, f"{job.node} seed {job.seed} judged", margin)
    trainer.finish(job, metrics, counts)


if __name__ == "__main__":
    run(main)
