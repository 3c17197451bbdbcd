"""A table of accuracy against cost with its figure, from the answers of all seeds and what made their policies."""

from dataclasses import asdict

from stepladder.files import write_text
from stepladder.job import Job, run
from stepladder.records import Counts
from stepladder.report.answers import read_evaluated
from stepladder.report.costs import read_cost
from stepladder.report.efficiency import draw_efficiency, lay_out_efficiency, make_efficiency_table
from stepladder.report.render import texts_of


def main(job: Job) -> None:
    evaluated = read_evaluated(job.inputs["answers"])
    costs = [read_cost(path) for path in job.inputs.get("costs", [])]
    table = make_efficiency_table(job.spec, evaluated, costs, job.data["spent"], job.derive_seed("bootstrap"))
    for name, text in texts_of(table.lines, table.seeds, lay_out_efficiency(table)).items():
        write_text(text, job.output / name)
    draw_efficiency(table, job.output / "efficiency.png")
    counts = Counts(evaluated.rows)
    counts.rows_out = len(table.lines)
    rows = [{"row": line.label} | {name: asdict(cell) for name, cell in line.cells.items()} for line in table.lines]
    job.write_metrics({"seeds": table.seeds, "rows": rows}, counts)


if __name__ == "__main__":
    run(main)
