"""A small study with results, and its MLflow."""

import json
import shutil
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import ViewType
from synthetic_answers import write_study

from stepladder.records import write_json
from stepladder.study.canonical import canonical_json
from stepladder.study.graph import build
from stepladder.study.load import Sources
from stepladder.tracking.ingest import ingest

TABLE_CSV = "row,column,mean,difference\nSFT,average,37.5,\nDPO,average,75.0,37.5\n"


def config(results: Path) -> dict:
    split = {"method": "sampled", "questions": "two", "split": "test"}
    return {
        "study": "tiny",
        "seeds": 2,
        "results": str(results),
        "questions": {"two": {"source": "generated", "sets": ["awpnli", "qqa"], "splits": {"sft": 9, "test": 3}}},
        "models": {"small": {"source": "new"}},
        "policies": {
            "sft": {"method": "sft", "from": "base", "questions": "two", "split": "sft"},
            "base": {"method": "pretrain", "model": "small"},
        },
        "evaluations": {"sft": {"policy": "sft", "samples": 4, **split}, "dpo": {"policy": "base", **split}},
        "tables": {
            "main": {
                "kind": "answers",
                "title": "t",
                "baseline": "SFT",
                "rows": [{"label": "SFT", "evaluation": "sft"}],
            }
        },
    }


class Tracked:
    """A study with results, and its MLflow."""

    def __init__(self, folder: Path, database: Path):
        (folder / "results").mkdir()
        shutil.copy(database, folder / "results/mlflow.db")
        self.study = build(config(folder / "results"), Sources([]))
        self.uri = f"sqlite:///{folder}/results/mlflow.db"
        self.artifacts = folder / "results/mlartifacts"
        self.root = folder / "results/tiny"
        write_study(self.root)
        training = {"learning_rate": 1e-5, "loss": 0.25, "by_set": {"qqa": 1.0}, "held": {"auc": 0.75, "awpnli": 0.5}}
        for seed in (0, 1):
            self.write("policies", "base", seed, {"loss": 1.5})
            self.write("policies", "sft", seed, training)
        history = "".join(json.dumps({"step": step, "loss": 2.0 / step}) + "\n" for step in (1, 2, 4))
        (self.folder("policies", "sft", 0) / "history.jsonl").write_text(history)
        self.write("tables", "main", 0, {"seeds": 2, "averages": [{"row": "SFT", "mean": 37.5}]})
        (self.folder("tables", "main", 0) / "table.csv").write_text(TABLE_CSV)
        (self.folder("tables", "main", 0) / "table.md").write_text("| a |\n")

    def folder(self, stage: str, name: str, seed: int) -> Path:
        return Path(self.study.folder(stage, name, seed))

    def write(self, stage: str, name: str, seed: int, metrics: dict) -> None:
        content = {
            "job": json.loads(self.study.job(stage, name)),
            "seed": seed,
            "counts": {"rows_in": 12, "rows_out": 9, "dropped": {"too long": 2, "empty": 1}},
            "metrics": metrics,
            "versions": {"python": "3.11.0", "torch": "2.13.0"},
            "device": "cpu",
            "wall_seconds": 2.5,
            "git": "abc+",
        }
        write_json(content, self.folder(stage, name, seed) / "metrics.json")

    def ingest(self):
        return ingest(self.study, self.uri, self.artifacts)

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)

    def runs(self, view: int = ViewType.ACTIVE_ONLY) -> list:
        experiment = self.client.get_experiment_by_name("tiny")
        return self.client.search_runs([experiment.experiment_id], "", view)

    def state(self) -> list:
        """Everything a reader of MLflow sees, artefact bytes included."""
        files = {str(path): path.read_bytes() for path in sorted(self.artifacts.rglob("*")) if path.is_file()}
        return [*sorted((run.info.run_id, canonical_json(run.to_dictionary())) for run in self.runs()), files]
