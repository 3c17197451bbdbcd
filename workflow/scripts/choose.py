"""One of several policies, by its accuracy on questions that are kept for that."""

from stepladder.files import whole_folder
from stepladder.job import Job, run
from stepladder.policies.checkpoints import link_files
from stepladder.policies.choice import accuracy, chosen
from stepladder.records import ANSWERS, Counts, read_records, write_history


def main(job: Job) -> None:
    spec = job.spec
    accuracies = [accuracy(read_records(path, ANSWERS), spec.by) for path in job.inputs["answers"]]
    place = chosen(accuracies, spec.rule)
    with whole_folder(job.output / "checkpoint") as folder:
        link_files(job.inputs["policies"][place], folder)
    write_history([], job.output / "history.jsonl")
    said = {"chosen": spec.among[place], "accuracies": dict(zip(spec.among, accuracies, strict=True))}
    job.write_metrics(said, Counts(len(accuracies)))


if __name__ == "__main__":
    run(main)
