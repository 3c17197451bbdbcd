"""One policy's answers to every data set of a split, greedy and sampled, scored by every PRM named."""

import shutil

from stepladder.evaluation.answers import answer_rows, summary
from stepladder.generation.requests import Sampling
from stepladder.generation.work import PolicyEngine, answer_questions
from stepladder.job import Job, run
from stepladder.questions.collect import question_of
from stepladder.questions.judging import algebra
from stepladder.questions.orders import as_asked, order_of
from stepladder.records import ANSWERS, QUESTIONS, Counts, read_records, write_records
from stepladder.rewards.model import load_prm
from stepladder.rewards.scoring import step_probabilities


def main(job: Job) -> None:
    spec = job.spec
    questions = [row for row in read_records(job.path("questions"), QUESTIONS) if row["split"] == spec.split]
    asked = {row["question_id"]: question_of(row) for row in questions}
    orders = {key: order_of(key, len(question.options), spec.option_order) for key, question in asked.items()}
    shown = [as_asked(row, orders[row["question_id"]]) for row in questions]
    policy = PolicyEngine(job.path("policy"), job.engine)
    greedy = Sampling(0.0, 1.0, spec.max_tokens)
    answered = {"greedy": answer_questions(job, shown, policy, greedy, 1, "greedy")}
    if spec.samples:
        sampling = Sampling(spec.temperature, spec.top_p, spec.max_tokens)
        answered["sampled"] = answer_questions(job, shown, policy, sampling, spec.samples, "sampled")
    policy.close()
    prms = {
        name: load_prm(path, job.step_style, job.path("policy"))
        for name, path in zip(spec.prms, job.inputs["prms"], strict=True)
    }
    rows = []
    for decoding, trajectories in answered.items():
        scores = {
            name: step_probabilities(job, prm, trajectories, job.checkpoint / f"{decoding}-{name}")
            for name, prm in prms.items()
        }
        rows += answer_rows(trajectories, asked, decoding, scores, orders)
    counts = Counts(len(questions) * (1 + spec.samples))
    counts.rows_out = len(rows)
    write_records(rows, ANSWERS, job.output / "answers.parquet")
    generated = {"generated_tokens": sum(row["tokens"] for row in rows)}
    job.write_metrics(summary(rows, asked) | generated | algebra(), counts)
    shutil.rmtree(job.checkpoint, ignore_errors=True)


if __name__ == "__main__":
    run(main)
