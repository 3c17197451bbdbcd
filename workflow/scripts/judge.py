"""Answers that are there already, scored by every PRM named."""

from stepladder.evaluation.answers import answer_rows, summary
from stepladder.files import remove
from stepladder.job import Job, run
from stepladder.questions.collect import question_of
from stepladder.questions.judging import algebra
from stepladder.records import ANSWERS, QUESTIONS, TRAJECTORIES, Counts, read_records, write_records
from stepladder.rewards.model import load_prm
from stepladder.rewards.scoring import step_probabilities

COLUMNS = [name for name in TRAJECTORIES.names if name != "logprobs"]


def main(job: Job) -> None:
    asked = {row["question_id"]: question_of(row) for row in read_records(job.path("questions"), QUESTIONS)}
    trajectories = read_records(job.path("trajectories"), TRAJECTORIES, COLUMNS)
    scores = {}
    for name, path in zip(job.spec.prms, job.inputs["prms"], strict=True):
        prm = load_prm(path, job.step_style, job.path("tokenizer"))
        scores[name] = step_probabilities(job, prm, trajectories, job.checkpoint / f"sampled-{name}")
    rows = answer_rows(trajectories, asked, "sampled", scores)
    counts = Counts(len(trajectories))
    counts.rows_out = len(rows)
    write_records(rows, ANSWERS, job.output / "answers.parquet")
    job.write_metrics(summary(rows, asked) | algebra(), counts)
    remove(job.checkpoint)


if __name__ == "__main__":
    run(main)
