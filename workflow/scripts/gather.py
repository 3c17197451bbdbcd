"""The shards of one node as one table."""

import shutil

from stepladder.generation.shards import gather_metrics, gather_tables
from stepladder.job import Job, run
from stepladder.records import LABELS, ROLLOUTS, TRAJECTORIES

SCHEMAS = {"trajectories": TRAJECTORIES, "labels": LABELS, "rollouts": ROLLOUTS}


def main(job: Job) -> None:
    schema = SCHEMAS[job.stage]
    table = gather_tables(job.inputs["parts"], schema, job.output / f"{job.stage}.parquet")
    counts, metrics = gather_metrics(job.inputs["metrics"], table)
    job.write_metrics(metrics, counts)
    shutil.rmtree(job.checkpoint, ignore_errors=True)


if __name__ == "__main__":
    run(main)
