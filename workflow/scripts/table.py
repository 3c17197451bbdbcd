"""A result table with its figures, from the answers of all seeds."""

from dataclasses import asdict

from stepladder.files import write_text
from stepladder.job import Job, run
from stepladder.records import Counts
from stepladder.report.answers import read_evaluated
from stepladder.report.audits import read_audits
from stepladder.report.cells import AVERAGE
from stepladder.report.curves import best_of_n_curves
from stepladder.report.figures import draw_bars, draw_curves
from stepladder.report.layout import lay_out
from stepladder.report.render import texts_of
from stepladder.report.reported import read_reported
from stepladder.report.tables import make_table


def main(job: Job) -> None:
    evaluated = read_evaluated(job.inputs["answers"])
    reported = read_reported(job.path("reported")) if job.inputs.get("reported") else {}
    seed = job.derive_seed("bootstrap")
    table = make_table(job.spec, evaluated, reported, seed, read_audits(job.inputs.get("audits", [])))
    for name, text in texts_of(table.lines, table.seeds, lay_out(table)).items():
        write_text(text, job.output / name)
    draw_bars(table, job.output / "bars.png")
    draw_curves(best_of_n_curves(job.spec, evaluated, seed), job.output / "best_of_n.png")
    counts = Counts(evaluated.rows)
    counts.rows_out = sum(len(line.cells) for line in table.lines)
    averages = [{"row": line.label} | asdict(line.cells[AVERAGE]) for line in table.lines if AVERAGE in line.cells]
    metrics = {"seeds": table.seeds, "questions": len(evaluated.questions), "averages": averages}
    metrics["paired_tests"] = [asdict(test) for test in table.tests]
    job.write_metrics(metrics, counts)


if __name__ == "__main__":
    run(main)
