"""What a study has cost, as a table by stage and as one line a job."""

from pathlib import Path

from stepladder.files import write_text
from stepladder.report.costs import lay_out_costs, read_cost, render_costs_csv
from stepladder.report.render import render_html, render_markdown
from stepladder.study.graph import Study
from stepladder.study_job import run_on_study


def main(study: Study) -> None:
    costs = [read_cost(Path(path)) for path in study.cost_files()]
    layout = lay_out_costs(costs)
    folder = Path(study.root)
    write_text(render_costs_csv(costs), folder / "costs.csv")
    write_text(render_markdown(layout), folder / "costs.md")
    write_text(render_html(layout), folder / "costs.html")


if __name__ == "__main__":
    run_on_study(main, "costs")
