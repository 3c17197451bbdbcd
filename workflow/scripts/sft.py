"""Supervised fine-tuning on demonstrations."""

from stepladder.job import Job, run
from stepladder.policies.language import demonstration_sequences, drill_sequences, train_language
from stepladder.pretrained import load_config
from stepladder.reasoning.tokens import load_tokenizer
from stepladder.records import QUESTIONS, Counts, read_records


def main(job: Job) -> None:
    tokenizer = load_tokenizer(job.path("start"))
    longest = load_config(job.path("start")).max_position_embeddings
    questions = [row for row in read_records(job.path("questions"), QUESTIONS) if row["split"] == job.spec.split]
    counts = Counts(len(questions) + job.spec.drills)
    rows = demonstration_sequences(tokenizer, questions, job.spec.loss_on, longest, counts)
    if job.spec.drills:
        sets = {row["dataset"] for row in questions}
        rows += drill_sequences(tokenizer, job.spec.drills, job.derive_seed("drills"), sets)
    train_language(job, rows, counts)


if __name__ == "__main__":
    run(main)
