"""A table of step measures with its figures, from the scores and labels of all seeds."""

from dataclasses import asdict

from stepladder.files import write_text
from stepladder.job import Job, run
from stepladder.records import Counts
from stepladder.report.render import texts_of
from stepladder.report.step_figures import draw_by_position, draw_reliability
from stepladder.report.step_layout import lay_out_steps
from stepladder.report.step_profiles import describe
from stepladder.report.step_scores import read_step_scores
from stepladder.report.steps import judge_rows, make_step_table


def main(job: Job) -> None:
    found = read_step_scores(job.inputs["scores"], job.inputs["labels"])
    rows = judge_rows(job.spec, found, job.derive_seed("bootstrap"))
    table = make_step_table(job.spec, rows)
    for name, text in texts_of(table.lines, table.seeds, lay_out_steps(table)).items():
        write_text(text, job.output / name)
    draw_reliability(rows, job.output / "reliability.png")
    draw_by_position(rows, job.output / "by_position.png")
    counts = Counts(sum(len(each.keys) for by_seed in found.labels.values() for each in by_seed.values()))
    counts.rows_out = sum(len(line.cells) for line in table.lines)
    measures = [
        describe(row) | {name: asdict(cell) for name, cell in line.cells.items()}
        for row, line in zip(rows, table.lines, strict=True)
    ]
    tests = {name: [asdict(test) for test in of] for name, of in table.tests.items() if of}
    job.write_metrics({"seeds": table.seeds, "rows": measures, "paired_tests": tests}, counts)


if __name__ == "__main__":
    run(main)
