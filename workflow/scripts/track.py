"""The results of a study into MLflow; run by one local rule, after all jobs that write results."""

from dataclasses import asdict
from pathlib import Path

from stepladder.records import write_json
from stepladder.study.graph import Study
from stepladder.study_job import run_on_study
from stepladder.tracking.ingest import ingest


def main(study: Study) -> None:
    results = Path(study.settings.results)
    uri = study.settings.tracking or f"sqlite:///{results}/mlflow.db"
    report = ingest(study, uri, results / "mlartifacts")
    write_json(asdict(report), Path(study.root) / "tracking.json")


if __name__ == "__main__":
    run_on_study(main, "tracking")
