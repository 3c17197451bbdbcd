"""Preference pairs from rewarded trajectories."""

from stepladder.job import Job, run
from stepladder.policies.pairs import build_pairs, pair_statistics
from stepladder.records import LABELS, PAIRS, REWARDS, SCORES, TRAJECTORIES, Counts, read_records, write_records


def main(job: Job) -> None:
    rewards = {(row["question_id"], row["sample"]): row["reward"] for row in read_records(job.path("rewards"), REWARDS)}
    columns = ["question_id", "sample", "dataset", "prompt_ids", "token_ids", "step_ends", "correct"]
    trajectories = read_records(job.path("trajectories"), TRAJECTORIES, columns)
    counts = Counts()
    rewarded = (row | {"reward": rewards[row["question_id"], row["sample"]]} for row in trajectories)
    step_scores: dict[tuple[str, int], list[float]] = {}
    for path in job.inputs["scores"]:
        for row in sorted(read_records(path, SCORES), key=lambda row: row["step"]):
            step_scores.setdefault((row["question_id"], row["sample"]), []).append(row["score"])
    left_out = {row["question_id"] for path in job.inputs["left_out"] for row in read_records(path, LABELS)}
    pairs = build_pairs(rewarded, job.spec, job.derive_seed("pairs"), counts, step_scores, left_out)
    write_records(pairs, PAIRS, job.output / "pairs.parquet")
    job.write_metrics(pair_statistics(pairs), counts)


if __name__ == "__main__":
    run(main)
