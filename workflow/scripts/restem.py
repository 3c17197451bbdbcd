"""Fine-tuning on a policy's own right answers."""

from stepladder.job import Job, run
from stepladder.policies.language import right_answer_sequences, train_language
from stepladder.pretrained import load_config
from stepladder.records import TRAJECTORIES, Counts, read_records


def main(job: Job) -> None:
    longest = load_config(job.path("start")).max_position_embeddings
    trajectories = read_records(job.path("trajectories"), TRAJECTORIES)
    counts = Counts(len(trajectories))
    rows = right_answer_sequences(trajectories, job.spec.per_question, longest, counts)
    train_language(job, rows, counts, job.spec.mean_over, job.spec.temperature)


if __name__ == "__main__":
    run(main)
