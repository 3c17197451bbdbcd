"""The labels that others gave to the steps of published solutions."""

from pydantic import TypeAdapter

from stepladder.errors import StepladderError
from stepladder.job import Job, run
from stepladder.records import LABELS, TRAJECTORIES, Counts, read_records, write_records
from stepladder.study.specs.trajectories import Trajectories
from stepladder.supervision.published import refuse_changed, solutions_of, sources
from stepladder.supervision.solutions import label_rows

COLUMNS = ["question_id", "sample", "prompt_ids", "token_ids", "step_ends", "text"]


def main(job: Job) -> None:
    read_from = TypeAdapter(Trajectories).validate_python(job.data["trajectories"])
    path = job.path("trajectories")
    trajectories = {(row["question_id"], row["sample"]): row for row in read_records(path, TRAJECTORIES, COLUMNS)}
    counts = Counts()
    files = sources(read_from, job.inputs["files"], path.parent / "hub")
    solutions = solutions_of(read_from, files, job.spec.neutral, counts)
    rows, found, without_label, without_trajectory = [], 0, 0, 0
    for question, members in sorted(solutions.items()):
        for sample, solution in enumerate(members):
            trajectory = trajectories.get((question, sample))
            if trajectory is not None:
                found += 1
                refuse_changed(solution, trajectory)
            elif solution.source is None:
                counts.drop("no trajectory")
                continue
            else:  # of a benchmark: nobody can score it, and so it counts as missed
                without_trajectory += 1
            labelled = label_rows(solution, sample, trajectory)
            without_label += len(solution.steps) - len(labelled)
            rows += labelled
    if found < len(trajectories):
        raise StepladderError(
            f"{path}: {len(trajectories) - found} of its solutions are not in the source any more; delete the folder "
            "of that node and run again"
        )
    counts.rows_out = len(rows)
    write_records(rows, LABELS, job.output / "labels.parquet")
    soft = [row["soft"] for row in rows]
    said = {"labelled": len(rows), "without_label": without_label, "soft": sum(soft) / max(len(soft), 1)}
    job.write_metrics(said | {"solutions_without_trajectory": without_trajectory}, counts)


if __name__ == "__main__":
    run(main)
