"""On-policy learning from rewarded answers."""

from stepladder.job import Job, run
from stepladder.policies.onpolicy import train_ppo
from stepladder.records import QUESTIONS, Counts, read_records
from stepladder.tracking.live import follow


def main(job: Job) -> None:
    questions = [row for row in read_records(job.path("questions"), QUESTIONS) if row["split"] == job.spec.split]
    train_ppo(job, questions, Counts(len(questions)), follow(job))


if __name__ == "__main__":
    run(main)
