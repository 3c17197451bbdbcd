"""One whole graph, then everything that must hold of it when it is run again, changed, sharded or reported."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from graph import QUICKSTART, ROOT, TABLE_FILES, TINY, planned, run


def changed(tmp_path: Path, change: dict) -> list[Path]:
    """The study's files with one more laid over them."""
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(change))
    return [*TINY, path]


def test_every_node_leaves_its_result_and_says_how_it_was_made(finished):
    metrics = sorted(finished.glob("quickstart/*/*/**/metrics.json"))
    assert len(metrics) == 26
    for path in metrics:
        made = json.loads(path.read_text())
        assert {"job", "seed", "counts", "metrics", "versions", "device", "wall_seconds", "git"} <= set(made)
    assert all((finished / "quickstart" / "tables" / "main" / name).stat().st_size > 0 for name in TABLE_FILES)


def test_no_checkpoint_shard_or_temporary_file_is_left(finished):
    checkpoints = finished / "quickstart" / "checkpoints"
    assert not checkpoints.exists() or not any(checkpoints.iterdir())
    assert not list(finished.rglob("*.tmp"))
    assert not list(finished.rglob("shards/*.parquet"))


def test_policy_learned_the_form_of_an_answer(finished):
    metrics = json.loads((finished / "quickstart/evaluations/sft/seed0/metrics.json").read_text())["metrics"]
    assert metrics["average"]["unparsable"] < 0.5


def test_trained_policies_differ_from_their_start(finished):
    weights = {
        name: (finished / f"quickstart/policies/{name}/seed0/checkpoint/model.safetensors").read_bytes()
        for name in ("base", "sft", "dpo_outcome", "ppo_published")
    }
    assert len(set(weights.values())) == 4


def test_costs_are_those_of_every_job_with_the_tokens_of_every_stage_that_makes_or_reads_some(finished):
    with (finished / "quickstart" / "costs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 26 + 3
    assert all(float(row["wall_seconds"]) > 0 and int(row["max_memory_mb"]) > 10 for row in rows)
    generated, trained = (
        {row["stage"] for row in rows if row[column]} for column in ("generated_tokens", "trained_tokens")
    )
    assert generated == {"trajectories (sampled)", "labels (monte_carlo)", "policies (ppo)", "evaluations (sampled)"}
    assert trained == {f"policies ({method})" for method in ("pretrain", "sft", "dpo", "ppo")} | {"prms"}
    answers = pq.read_table(finished / "quickstart/evaluations/sft/seed0/answers.parquet")
    (evaluated,) = (row for row in rows if (row["stage"], row["name"]) == ("evaluations (sampled)", "sft"))
    assert int(evaluated["generated_tokens"]) == sum(answers["tokens"].to_pylist())
    costs = (finished / "quickstart" / "costs.md").read_text()
    assert costs.startswith("# What quickstart has cost") and "| all " in costs


def test_status_says_that_all_is_done(finished):
    said = subprocess.run(
        [sys.executable, "-m", "stepladder.status", "--configfile", *map(str, TINY), "--config", f"results={finished}"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "quickstart: 29 done" in said.stdout.splitlines(), said.stdout + said.stderr


def test_a_second_run_has_nothing_to_do(finished):
    assert planned(run(finished, TINY, "--dry-run")) == {}


def test_order_of_keys_reruns_nothing(finished, tmp_path):
    def backwards(value):
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return value

    study = yaml.safe_load(QUICKSTART.read_text())
    path = tmp_path / "backwards.yaml"
    path.write_text(yaml.safe_dump(backwards(study), sort_keys=False))
    assert planned(run(finished, [path, *TINY[1:]], "--dry-run")) == {}


@pytest.mark.parametrize(
    ("stage", "name", "key", "value", "expected"),
    [
        (
            "policies",
            "dpo_outcome",
            "beta",
            0.1,
            {"policies_dpo": 1, "evaluations_sampled": 1, "tables_answers": 1, "study": 1, "costs": 1, "track": 1,
             "all": 1},
        ),
        ("tables", "main", "title", "Other", {"tables_answers": 1, "study": 1, "costs": 1, "track": 1, "all": 1}),
        (
            "rewards",
            "wrs",
            "accumulate",
            "min",
            {"rewards": 1, "pairs": 3, "reference": 3, "policies_dpo": 3, "policies_ppo": 1, "evaluations_sampled": 4,
             "tables_answers": 1, "study": 1, "costs": 1, "track": 1, "all": 1},
        ),
    ],
)  # fmt: skip
def test_a_changed_node_reruns_itself_and_what_is_made_from_it(finished, tmp_path, stage, name, key, value, expected):
    files = changed(tmp_path, {stage: {name: {key: value}}})
    assert planned(run(finished, files, "--dry-run")) == expected


def test_shards_give_the_same_rows_as_one_job(finished, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(finished, results, copy_function=shutil.copy2)
    for stage in ("trajectories/samples", "labels/monte_carlo"):
        shutil.rmtree(results / "quickstart" / stage)
    sharded = changed(tmp_path, {"scale": {"shards": 2}})
    target = results / "quickstart/labels/monte_carlo/seed0/labels.parquet"
    run(results, sharded, str(target), "--rerun-triggers", "mtime")
    for file in ("trajectories/samples/seed0/trajectories.parquet", "labels/monte_carlo/seed0/labels.parquet"):
        assert pq.read_table(results / "quickstart" / file).equals(pq.read_table(finished / "quickstart" / file))


def test_report_holds_the_table_both_figures_and_the_costs(finished, tmp_path):
    report = tmp_path / "report.html"
    run(finished, TINY, "--report", str(report))
    text = report.read_text()
    for name in ("table.html", "bars.png", "best_of_n.png", "costs.html"):
        assert name in text
