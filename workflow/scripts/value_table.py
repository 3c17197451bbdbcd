"""A table of values with its figure, from the rollouts of all seeds."""

from dataclasses import asdict

from stepladder.files import write_text
from stepladder.job import Job, run
from stepladder.records import Counts
from stepladder.report.kept_rollouts import read_rollouts, read_scores
from stepladder.report.render import texts_of
from stepladder.report.value_figures import draw_by_step
from stepladder.report.value_layout import lay_out_values
from stepladder.report.values import judge_values, make_value_table


def main(job: Job) -> None:
    reads_texts = any(row.estimator == "similarity" for row in job.spec.rows)
    found = read_rollouts(job.inputs["rollouts"], reads_texts, alternatives=False)
    rows = judge_values(job.spec, found, read_scores(job.inputs["scores"]), job.derive_seed("bootstrap"))
    table = make_value_table(job.spec, rows, found, "mse")
    for name, text in texts_of(table.lines, table.seeds, lay_out_values(table)).items():
        write_text(text, job.output / name)
    draw_by_step(rows, job.output / "by_step.png")
    counts = Counts(sum(len(each.keys) for by_seed in found.values() for each in by_seed.values()))
    counts.rows_out = sum(len(line.cells) for line in table.lines)
    measures = [
        {"row": row.label, "by_step": [asdict(each) for each in row.errors]}
        | {name: asdict(cell) for name, cell in line.cells.items()}
        for row, line in zip(rows, table.lines, strict=True)
    ]
    job.write_metrics({"seeds": table.seeds, "rows": measures}, counts)


if __name__ == "__main__":
    run(main)
