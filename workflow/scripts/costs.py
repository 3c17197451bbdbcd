"""What a study has cost, as a table by stage and as one line a job."""

import argparse
import sys
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.files import atomic_path
from stepladder.report.costs import lay_out_costs, read_cost, render_costs_csv
from stepladder.report.render import render_html, render_markdown
from stepladder.study.graph import build
from stepladder.study.load import Sources, read_study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="study.json: the merged configuration")
    parser.add_argument("--output", type=Path, required=True, help="the study's folder")
    given = parser.parse_args()
    study = build(read_study(given.study), Sources([]))
    costs = [read_cost(Path(path)) for path in study.cost_files()]
    layout = lay_out_costs(costs)
    texts = {
        "costs.csv": render_costs_csv(costs),
        "costs.md": render_markdown(layout),
        "costs.html": render_html(layout),
    }
    for name, text in texts.items():
        with atomic_path(given.output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except StepladderError as error:
        print(f"stepladder: costs: {error}", file=sys.stderr)
        raise SystemExit(1) from None
