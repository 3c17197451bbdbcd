"""One reward a trajectory."""

from dataclasses import asdict
from statistics import fmean

from stepladder.job import Job, run
from stepladder.records import REWARDS, SCORES, TRAJECTORIES, Counts, read_records, write_records
from stepladder.rewards.reward import counted_steps, reward, scores_by_trajectory


def main(job: Job) -> None:
    columns = ["question_id", "sample", "dataset", "correct", *(["text"] if job.spec.kinds else [])]
    trajectories = read_records(job.path("trajectories"), TRAJECTORIES, columns)
    scores = scores_by_trajectory(read_records(job.path("scores"), SCORES))
    counts = Counts(len(trajectories))
    rows = []
    for row in trajectories:
        steps = scores.get((row["question_id"], row["sample"]), [])
        counted = [steps[step] for step in counted_steps(row, steps, job.spec)]
        rewarded = asdict(reward(counted, row["correct"], job.spec))
        rows.append({key: row[key] for key in ("question_id", "sample", "dataset")} | rewarded)
    counts.rows_out = len(rows)
    write_records(rows, REWARDS, job.output / "rewards.parquet")
    right = [row["reward"] for row in rows if row["outcome"]]
    wrong = [row["reward"] for row in rows if not row["outcome"]]
    job.write_metrics(
        {
            "steps": fmean(row["steps"] for row in rows),
            "reward_of_right": fmean(right) if right else None,
            "reward_of_wrong": fmean(wrong) if wrong else None,
        },
        counts,
    )


if __name__ == "__main__":
    run(main)
