"""One shard of Monte Carlo step labels."""

from stepladder.generation.work import PolicyEngine
from stepladder.job import Job, run
from stepladder.questions.judging import algebra
from stepladder.records import LABELS, QUESTIONS, TRAJECTORIES, Counts, read_records, write_records
from stepladder.supervision.monte_carlo import chosen_trajectories
from stepladder.supervision.rollouts import label_states

COLUMNS = ["question_id", "sample", "prompt_ids", "token_ids", "step_ends", "correct", "text"]


def main(job: Job) -> None:
    questions = {row["question_id"]: row for row in read_records(job.path("questions"), QUESTIONS)}
    trajectories = read_records(job.path("trajectories"), TRAJECTORIES, COLUMNS)
    chosen = chosen_trajectories(trajectories, job.spec.per_question, job.spec.question_share)
    rows = label_states(job, chosen, questions, PolicyEngine(job.path("policy"), job.engine), job.shard)
    counts = Counts(len(rows))
    counts.rows_out = len(rows)
    write_records(rows, LABELS, job.shard_file("parquet"))
    job.write_metrics(algebra(), counts, job.shard_file("json"))


if __name__ == "__main__":
    run(main)
