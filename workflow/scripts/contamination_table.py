"""A table of how many questions were seen in what was trained on, from audits."""

from dataclasses import asdict

from stepladder.files import write_text
from stepladder.job import Job, run
from stepladder.records import Counts
from stepladder.report.audits import read_audits
from stepladder.report.contamination import lay_out_contamination, make_contamination_table
from stepladder.report.render import texts_of


def main(job: Job) -> None:
    audits = read_audits(job.inputs["audits"])
    lines = make_contamination_table(job.spec, audits)
    for name, text in texts_of(lines, None, lay_out_contamination(job.spec, audits, lines)).items():
        write_text(text, job.output / name)
    counts = Counts(sum(map(len, audits.values())))
    counts.rows_out = sum(len(line.cells) for line in lines)
    rows = [{"row": line.label} | {name: asdict(cell)["mean"] for name, cell in line.cells.items()} for line in lines]
    job.write_metrics({"rows": rows}, counts)


if __name__ == "__main__":
    run(main)
