"""The reference policy's log-probs of both sides of every pair."""

from stepladder.files import remove
from stepladder.job import Job, run
from stepladder.policies.dpo import reference_rows
from stepladder.policies.language import load_reference
from stepladder.records import PAIRS, REFERENCE, Counts, read_records, write_records


def main(job: Job) -> None:
    pairs = read_records(job.path("pairs"), PAIRS)
    rows = reference_rows(job, load_reference(job.path("policy")), pairs)
    write_records(rows, REFERENCE, job.output / "reference.parquet")
    counts = Counts(len(pairs))
    counts.rows_out = len(rows)
    job.write_metrics({}, counts, job.output / "reference.json")
    remove(job.checkpoint)


if __name__ == "__main__":
    run(main)
