"""A table of lengths, from the rewards and trajectories of all seeds."""

from dataclasses import asdict

from stepladder.files import write_text
from stepladder.job import Job, run
from stepladder.records import Counts
from stepladder.report.length_layout import lay_out_lengths
from stepladder.report.lengths import make_length_table, read_rewards, read_trajectories
from stepladder.report.render import texts_of


def main(job: Job) -> None:
    trajectories, rewards = read_trajectories(job.inputs["trajectories"]), read_rewards(job.inputs["rewards"])
    table = make_length_table(job.spec, trajectories, rewards, job.data["trajectories"], job.derive_seed("bootstrap"))
    for name, text in texts_of(table.lines, table.seeds, lay_out_lengths(table)).items():
        write_text(text, job.output / name)
    counts = Counts(sum(len(each) for by_seed in rewards.values() for each in by_seed.values()))
    counts.rows_out = sum(len(line.cells) for line in table.lines)
    measures = [{"row": line.label} | {name: asdict(cell) for name, cell in line.cells.items()} for line in table.lines]
    job.write_metrics({"seeds": table.seeds, "rows": measures}, counts)


if __name__ == "__main__":
    run(main)
