"""Which questions of a split stand on passages that were trained on."""

from stepladder.job import Job, run
from stepladder.questions.audit import audit
from stepladder.records import AUDITS, QUESTIONS, read_records, write_records


def main(job: Job) -> None:
    questions, trained_on = (read_records(job.path(key), QUESTIONS) for key in ("questions", "seen"))
    rows, metrics, counts = audit(job.spec, questions, trained_on)
    write_records(rows, AUDITS, job.output / "audit.parquet")
    job.write_metrics(metrics, counts)


if __name__ == "__main__":
    run(main)
