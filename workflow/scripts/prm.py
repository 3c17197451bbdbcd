"""A process reward model, trained on step labels and judged on held-out questions."""

from stepladder.errors import StepladderError
from stepladder.evaluation.prm import judge_prm
from stepladder.job import Job, run
from stepladder.records import LABELS, TRAJECTORIES, Counts, read_records
from stepladder.rewards.training import is_held_out, labelled_trajectories, train_prm


def main(job: Job) -> None:
    columns = ["question_id", "sample", "prompt_ids", "token_ids", "step_ends"]
    trajectories = read_records(job.path("trajectories"), TRAJECTORIES, columns)
    counts = Counts(len(trajectories))
    rows = labelled_trajectories(trajectories, read_records(job.path("labels"), LABELS), counts)
    training = [row for row in rows if not is_held_out(row["question_id"], job.spec.heldout)]
    held_out = [row for row in rows if is_held_out(row["question_id"], job.spec.heldout)]
    if not held_out:
        raise StepladderError("no labelled question is held out to judge on; raise heldout or sample more questions")
    counts.drop("held out for judging", len(held_out))
    counts.rows_out = len(training)
    trainer, metrics = train_prm(job, training)
    margin = job.spec.zeta if job.spec.head == "per_step" and job.spec.loss in ("rank", "theory_rank") else 0.0
    if trainer.accelerator.is_main_process:
        metrics |= judge_prm(trainer.bare_model, held_out, f"{job.node} seed {job.seed} judged", margin)
    trainer.finish(job, metrics, counts)


if __name__ == "__main__":
    run(main)
