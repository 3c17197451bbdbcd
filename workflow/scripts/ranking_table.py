"""A table of how well values rank the alternatives to a step, from the rollouts of all seeds."""

from dataclasses import asdict

from stepladder.files import write_text
from stepladder.job import Job, run
from stepladder.records import Counts
from stepladder.report.kept_rollouts import read_rollouts
from stepladder.report.render import texts_of
from stepladder.report.value_layout import lay_out_ranking
from stepladder.report.values import judge_ranking, make_value_table


def main(job: Job) -> None:
    reads_texts = any(row.estimator == "similarity" for row in job.spec.rows)
    found = read_rollouts(job.inputs["rollouts"], reads_texts, alternatives=True)
    rows = judge_ranking(job.spec, found, job.derive_seed("bootstrap"))
    table = make_value_table(job.spec, rows, found, "best")
    for name, text in texts_of(table.lines, table.seeds, lay_out_ranking(table)).items():
        write_text(text, job.output / name)
    counts = Counts(sum(len(each.keys) for by_seed in found.values() for each in by_seed.values()))
    counts.rows_out = sum(len(line.cells) for line in table.lines)
    measures = [{"row": line.label} | {name: asdict(cell) for name, cell in line.cells.items()} for line in table.lines]
    job.write_metrics({"seeds": table.seeds, "rows": measures}, counts)


if __name__ == "__main__":
    run(main)
