"""Solutions whose steps others have labelled, as trajectories."""

from stepladder.errors import StepladderError
from stepladder.job import Job, run
from stepladder.pretrained import load_config
from stepladder.reasoning.tokens import load_tokenizer
from stepladder.records import TRAJECTORIES, Counts, write_records
from stepladder.supervision.published import solutions_of, sources
from stepladder.supervision.trajectories import trajectory_row


def main(job: Job) -> None:
    spec = job.spec
    tokenizer = load_tokenizer(job.path("tokenizer"))
    longest = load_config(job.path("tokenizer")).max_position_embeddings
    counts = Counts()
    files = sources(spec, job.inputs["files"], job.output / "hub")
    solutions = solutions_of(spec, files, "correct", counts)
    rows = []
    for _, members in sorted(solutions.items()):
        for sample, solution in enumerate(members):
            made = trajectory_row(solution, sample, tokenizer, spec.format, longest)
            if isinstance(made, str):
                counts.drop(made)
            else:
                rows.append(made)
    if not rows:
        said = ", ".join(f"{reason} ({number})" for reason, number in counts.dropped.items())
        raise StepladderError(f"no solution is left: {said}; take a model that reads longer texts, or another file")
    counts.rows_out = len(rows)
    write_records(rows, TRAJECTORIES, job.output / "trajectories.parquet")
    read = {"files": {source.path.name: source.sha256 for source in files}}
    found = {"problems": len(solutions), "steps": sum(len(row["step_ends"]) for row in rows)}
    job.write_metrics(read | found | {"correct": sum(row["correct"] for row in rows) / len(rows)}, counts)


if __name__ == "__main__":
    run(main)
