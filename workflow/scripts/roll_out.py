"""One shard of the rollouts that values of states are judged by."""

from stepladder.generation.work import PolicyEngine
from stepladder.job import Job, run
from stepladder.policies.actor_critic import critic_values
from stepladder.questions.judging import algebra
from stepladder.records import QUESTIONS, ROLLOUTS, TRAJECTORIES, Counts, read_records, write_records
from stepladder.supervision.monte_carlo import chosen_trajectories
from stepladder.supervision.rollouts import keep_rollouts

COLUMNS = ["question_id", "sample", "prompt_ids", "token_ids", "step_ends"]


def main(job: Job) -> None:
    questions = {row["question_id"]: row for row in read_records(job.path("questions"), QUESTIONS)}
    trajectories = read_records(job.path("trajectories"), TRAJECTORIES, COLUMNS)
    chosen = chosen_trajectories(trajectories, job.spec.per_question)
    policy = PolicyEngine(job.path("policy"), job.engine)
    rows = keep_rollouts(job, chosen, questions, policy, job.shard)
    policy.close()  # a critic needs the room
    if job.spec.critic:
        values = critic_values(job.path("policy"), [row["state_ids"] for row in rows])
        rows = [row | {"critic": value} for row, value in zip(rows, values, strict=True)]
    counts = Counts(len(rows))
    counts.rows_out = len(rows)
    write_records(rows, ROLLOUTS, job.shard_file("parquet"))
    job.write_metrics(algebra(), counts, job.shard_file("json"))


if __name__ == "__main__":
    run(main)
