"""Tracking against a real MLflow on SQLite: what arrives, and that the same files twice change nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.entities import ViewType
from tracked_study import TABLE_CSV, config

from stepladder.errors import StepladderError
from stepladder.records import read_json
from stepladder.study.load import study_text


def test_first_ingest_creates_a_run_per_result(tracked):
    report = tracked.ingest()
    # Two seeds of two policies and two evaluations, and the table; the questions and the model have not run.
    assert (report.created, report.unchanged, report.superseded, report.missing) == (9, 0, 0, 3)
    runs = {run.info.run_id: run for run in tracked.runs()}
    assert len(runs) == 10 and set(report.runs.values()) < set(runs)
    (parent,) = (run for run in runs.values() if run.data.tags["stage"] == "study")
    assert all(run.info.status == "FINISHED" for run in runs.values())
    children = [runs[run_id] for run_id in report.runs.values()]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}

    sft = runs[report.runs["policies/sft/0"]]
    assert sft.info.run_name == "policies/sft seed 0"
    assert sft.info.end_time - sft.info.start_time == 2500
    assert sft.data.params["optimisation.learning_rate"] == "1e-05" and sft.data.params["from"] == "base"
    assert sft.data.params["loss_on"] == "chain"
    numbers = {"learning_rate": 1e-5, "loss": 0.25, "held/auc": 0.75, "training/loss": 0.5}
    numbers |= {"rows_in": 12, "rows_out": 9, "rows_dropped": 3, "wall_seconds": 2.5}
    assert sft.data.metrics == numbers
    tags = {key: sft.data.tags[key] for key in ("study", "stage", "node", "seed", "git", "device")}
    assert tags == {
        "study": "tiny", "stage": "policies", "node": "sft", "seed": "0", "git": "abc+", "device": "cpu"
    }  # fmt: skip
    assert json.loads(sft.data.tags["versions"])["torch"] == "2.13.0"


def test_training_curves_keep_their_steps(tracked):
    run_id = tracked.ingest().runs["policies/sft/0"]
    curve = tracked.client.get_metric_history(run_id, "training/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 2.0), (2, 1.0), (4, 0.5)]


def test_lineage_names_the_runs_a_result_is_made_from(tracked):
    runs = tracked.ingest().runs
    tags = {key: tracked.client.get_run(run_id).data.tags for key, run_id in runs.items()}
    assert tags["policies/sft/1"]["upstream.policies.base"] == runs["policies/base/1"]
    assert tags["evaluations/dpo/0"]["upstream.policies.base"] == runs["policies/base/0"]
    both = f"{runs['evaluations/sft/0']},{runs['evaluations/sft/1']}"
    assert tags["tables/main/0"]["upstream.evaluations.sft"] == both


def test_tables_come_with_their_files_and_as_a_table(tracked):
    run_id = tracked.ingest().runs["tables/main/0"]
    names = {file.path for file in tracked.client.list_artifacts(run_id)}
    assert names == {"metrics.json", "table.csv", "table.md", "table.json"}
    shown = read_json(Path(tracked.client.download_artifacts(run_id, "table.json")))
    assert shown["columns"] == ["row", "column", "mean", "difference"]
    assert shown["data"] == [["SFT", "average", 37.5, None], ["DPO", "average", 75.0, 37.5]]
    assert "table.json" in tracked.client.get_run(run_id).data.tags["mlflow.loggedArtifacts"]


def test_second_ingest_changes_nothing(tracked):
    first = tracked.ingest()
    before = tracked.state()
    second = tracked.ingest()
    assert (second.created, second.unchanged, second.superseded, second.missing) == (0, 9, 0, 3)
    assert second.runs == first.runs
    assert tracked.state() == before


def test_a_changed_result_supersedes_exactly_one_run(tracked):
    first = tracked.ingest()
    tracked.write("policies", "base", 1, {"loss": 0.5})
    second = tracked.ingest()
    assert (second.created, second.unchanged, second.superseded) == (0, 8, 1)
    changed = {key for key in first.runs if first.runs[key] != second.runs[key]}
    assert changed == {"policies/base/1"}
    new, old = second.runs["policies/base/1"], first.runs["policies/base/1"]
    assert tracked.client.get_run(new).data.metrics["loss"] == 0.5
    assert tracked.client.get_run(old).info.lifecycle_stage == "deleted"
    assert tracked.client.get_run(old).data.tags["superseded_by"] == new
    assert len(tracked.runs()) == 10 and len(tracked.runs(ViewType.ALL)) == 11
    # What was made from it is unchanged, and points at the new run.
    assert tracked.client.get_run(second.runs["policies/sft/1"]).data.tags["upstream.policies.base"] == new
    assert tracked.ingest().unchanged == 9


def test_a_changed_table_is_a_result_that_changed(tracked):
    first = tracked.ingest()
    (tracked.folder("tables", "main", 0) / "table.csv").write_text(TABLE_CSV.replace("75.0", "76.0"))
    second = tracked.ingest()
    assert (second.superseded, second.unchanged) == (1, 8)
    assert first.runs["tables/main/0"] != second.runs["tables/main/0"]


def test_a_run_that_was_cut_short_is_replaced(tracked):
    experiment = tracked.ingest() and tracked.client.get_experiment_by_name("tiny").experiment_id
    whole = {run.info.run_id for run in tracked.runs()}
    (sft,) = (run for run in tracked.runs() if run.info.run_name == "policies/sft seed 0")
    tracked.client.create_run(experiment, tags={"run_key": sft.data.tags["run_key"]}, run_name="half")
    assert tracked.ingest().unchanged == 9
    assert {run.info.run_id for run in tracked.runs()} == whole


def test_a_result_that_comes_later_is_added(tracked):
    tracked.ingest()
    tracked.write("models", "small", 0, {})
    report = tracked.ingest()
    assert (report.created, report.unchanged, report.missing) == (1, 9, 2)
    base = tracked.client.get_run(report.runs["policies/base/0"])
    assert base.data.tags["upstream.models.small"] == report.runs["models/small/0"]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("metrics.json", '{"job": ', "metrics.json: not JSON"),
        ("metrics.json", "{}", "metrics.json: not what a job writes"),
        ("metrics.json", "[]", "metrics.json: not what a job writes"),
        ("history.jsonl", '{"step": 1, "loss": 1.0}\n{"step": 2, "lo\n', "history.jsonl: line 2 is no JSON object"),
    ],
)
def test_a_broken_file_is_one_clear_line_and_nothing_is_written(tracked, file, content, said):
    (tracked.folder("policies", "sft", 1) / file).write_text(content)
    with pytest.raises(StepladderError, match=said) as caught:
        tracked.ingest()
    assert "\n" not in str(caught.value)
    assert tracked.client.get_experiment_by_name("tiny") is None


def test_the_entry_point_is_quiet_and_reports(tracked, root, tmp_path):
    command = [sys.executable, str(root / "workflow/scripts/track.py")]
    (tracked.root / "study.json").write_text(study_text(config(Path("results"))))
    command += ["--study", str((tracked.root / "study.json").relative_to(tmp_path))]
    env = {"PYTHONPATH": str(root / "src"), "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    (tmp_path / "results/mlflow.db").unlink()
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    report = read_json(tracked.root / "tracking.json")
    assert report["created"] == 9 and len(report["runs"]) == 9
    assert (tmp_path / "results/mlflow.db").is_file() and not (tmp_path / "mlruns").exists()
    (tracked.folder("policies", "sft", 1) / "metrics.json").write_text("broken")
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "metrics.json: not JSON" in done.stderr
