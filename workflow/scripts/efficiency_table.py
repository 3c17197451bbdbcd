"""A table of accuracy against cost with its figures, from the answers of all seeds and what made their policies."""

from dataclasses import asdict

from stepladder.files import write_text
from stepladder.job import Job, run
from stepladder.records import Counts
from stepladder.report.answers import read_evaluated
from stepladder.report.costs import read_cost
from stepladder.report.courses import draw_courses, read_courses, render_courses_csv
from stepladder.report.efficiency import draw_efficiency, lay_out_efficiency, make_efficiency_table
from stepladder.report.render import texts_of


def main(job: Job) -> None:
    evaluated = read_evaluated(job.inputs["answers"])
    costs = [read_cost(path) for path in job.inputs.get("costs", [])]
    table = make_efficiency_table(job.spec, evaluated, costs, job.data["spent"], job.derive_seed("bootstrap"))
    for name, text in texts_of(table.lines, table.seeds, lay_out_efficiency(table)).items():
        write_text(text, job.output / name)
    draw_efficiency(table, job.output / "efficiency.png")
    learners = dict(zip((row.label for row in job.spec.rows), job.data["learners"], strict=True))
    courses = read_courses(learners, job.inputs["histories"])
    write_text(render_courses_csv(courses), job.output / "courses.csv")
    draw_courses(job.spec.title, courses, job.output / "courses.png")
    counts = Counts(evaluated.rows)
    counts.rows_out = len(table.lines)
    rows = [{"row": line.label} | {name: asdict(cell) for name, cell in line.cells.items()} for line in table.lines]
    job.write_metrics({"seeds": table.seeds, "rows": rows}, counts)


if __name__ == "__main__":
    run(main)
