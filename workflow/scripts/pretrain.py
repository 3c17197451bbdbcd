"""The base policy: a model trained on the generated world's atomic skills, or a finished one taken as it is."""

from stepladder.job import Job, run
from stepladder.policies.language import drill_sequences, train_language
from stepladder.reasoning.tokens import load_tokenizer
from stepladder.records import Counts


def main(job: Job) -> None:
    tokenizer = load_tokenizer(job.path("start"))
    rows = drill_sequences(tokenizer, job.spec.drills, job.derive_seed("drills"), job.spec.sets)
    train_language(job, rows, Counts(job.spec.drills))


if __name__ == "__main__":
    run(main)
