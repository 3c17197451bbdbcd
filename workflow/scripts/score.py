"""A PRM's step scores of trajectories."""

from stepladder.files import remove
from stepladder.job import Job, run
from stepladder.records import SCORES, TRAJECTORIES, Counts, read_records, write_records
from stepladder.rewards.model import load_prm
from stepladder.rewards.scoring import score_trajectories


def main(job: Job) -> None:
    columns = ["question_id", "sample", "prompt_ids", "token_ids", "step_ends"]
    trajectories = read_records(job.path("trajectories"), TRAJECTORIES, columns)
    model = load_prm(job.path("prm"), job.step_style, job.path("tokenizer"))
    rows = score_trajectories(job, model, trajectories, job.checkpoint / "scores")
    counts = Counts(len(trajectories))
    counts.rows_out = len(rows)
    write_records(rows, SCORES, job.output / "scores.parquet")
    mean = sum(row["score"] for row in rows) / max(len(rows), 1)
    job.write_metrics({"mean_score": mean, "truncated": model.cut(trajectories)}, counts)
    remove(job.checkpoint)


if __name__ == "__main__":
    run(main)
