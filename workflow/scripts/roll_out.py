"""One shard of the rollouts that values of states are judged by."""

from stepladder.generation.work import PolicyEngine
from stepladder.job import Job, run
from stepladder.policies.hindsight import with_critic, with_sampler_logprobs
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
    policy.close()  # the models below need the room
    rows = with_sampler_logprobs(rows, job.path("policy"), job.spec.temperature, job.spec.top_p)
    if job.spec.critic:
        rows = with_critic(rows, job.path("policy"))
    counts = Counts(len(rows))
    counts.rows_out = len(rows)
    write_records(rows, ROLLOUTS, job.shard_file("parquet"))
    job.write_metrics(algebra(), counts, job.shard_file("json"))


if __name__ == "__main__":
    run(main)
