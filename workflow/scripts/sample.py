"""One shard of a policy's sampled answers."""

from stepladder.generation.requests import Sampling
from stepladder.generation.work import PolicyEngine, answer_questions
from stepladder.job import Job, run
from stepladder.questions.judging import algebra
from stepladder.records import QUESTIONS, TRAJECTORIES, Counts, read_records, write_records


def main(job: Job) -> None:
    questions = [row for row in read_records(job.path("questions"), QUESTIONS) if row["split"] == job.spec.split]
    policy = PolicyEngine(job.path("policy"), job.engine)
    spec = job.spec
    sampling = Sampling(spec.temperature, spec.top_p, spec.max_tokens, spec.stop)
    rows = answer_questions(job, questions, policy, sampling, spec.samples, "sampled", job.shard)
    counts = Counts(len({row["question_id"] for row in rows}) * spec.samples)
    counts.rows_out = len(rows)
    write_records(rows, TRAJECTORIES, job.shard_file("parquet"))
    job.write_metrics(algebra(), counts, job.shard_file("json"))


if __name__ == "__main__":
    run(main)
