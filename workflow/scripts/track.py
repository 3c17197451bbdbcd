"""The results of a study into MLflow; run by one local rule, after all jobs that write results."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.records import write_json
from stepladder.study.graph import build
from stepladder.study.load import Sources, read_study
from stepladder.tracking.ingest import ingest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="study.json: the merged configuration")
    parser.add_argument("--output", type=Path, required=True, help="tracking.json: what was written, and the run ids")
    given = parser.parse_args()
    study = build(read_study(given.study), Sources([]))
    results = study.settings.results
    uri = study.settings.tracking or f"sqlite:///{results}/mlflow.db"
    report = ingest(study, uri, Path(results) / "mlartifacts")
    write_json(asdict(report), given.output)


if __name__ == "__main__":
    try:
        main()
    except StepladderError as error:
        for line in str(error).splitlines():
            print(f"stepladder: tracking: {line}", file=sys.stderr)
        raise SystemExit(1) from None
