"""Published answers to the questions of a split, graded and cut as a policy's own are."""

from stepladder.errors import StepladderError
from stepladder.generation.candidates import candidate_rows, read_answers, source_of
from stepladder.job import Job, run
from stepladder.pretrained import load_config
from stepladder.questions.judging import algebra
from stepladder.reasoning.tokens import load_tokenizer
from stepladder.records import QUESTIONS, TRAJECTORIES, Counts, read_records, write_records


def main(job: Job) -> None:
    spec = job.spec
    questions = [row for row in read_records(job.path("questions"), QUESTIONS) if row["split"] == spec.split]
    tokenizer = load_tokenizer(job.path("tokenizer"))
    longest = load_config(job.path("tokenizer")).max_position_embeddings
    source = source_of(spec, job.inputs["files"], job.output / "hub")
    counts = Counts()
    answers = read_answers(source.path, spec.format)
    rows, about = candidate_rows(answers, questions, tokenizer, job.step_style, longest, counts)
    if not rows:
        said = ", ".join(f"{reason} ({number})" for reason, number in counts.dropped.items())
        raise StepladderError(f"{source.path}: no answer to split {spec.split!r} is left: {said}")
    write_records(rows, TRAJECTORIES, job.output / "trajectories.parquet")
    files = {"files": {source.path.name: source.sha256}}
    job.write_metrics(files | about | {"correct": sum(row["correct"] for row in rows) / len(rows)} | algebra(), counts)


if __name__ == "__main__":
    run(main)
