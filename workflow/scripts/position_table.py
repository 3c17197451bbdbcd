"""A table of positions with its figure, from the answers of all seeds."""

from dataclasses import asdict

from stepladder.files import write_text
from stepladder.job import Job, run
from stepladder.records import Counts
from stepladder.report.position_layout import draw_recall, lay_out_positions
from stepladder.report.positions import make_position_table, read_positions
from stepladder.report.render import texts_of


def main(job: Job) -> None:
    found = read_positions(job.inputs["answers"])
    table = make_position_table(job.spec, found, job.derive_seed("bootstrap"))
    for name, text in texts_of(table.lines, table.seeds, lay_out_positions(table)).items():
        write_text(text, job.output / name)
    draw_recall(table, job.output / "recall.png")
    placed = [each for by_seed in found.values() for sets in by_seed.values() for each in sets.values()]
    counts = Counts(sum(len(each.right) for each in placed))
    counts.rows_out = sum(len(line.cells) for line in table.lines)
    measures = [{"row": line.label} | {name: asdict(cell) for name, cell in line.cells.items()} for line in table.lines]
    job.write_metrics({"seeds": table.seeds, "rows": measures}, counts)


if __name__ == "__main__":
    run(main)
