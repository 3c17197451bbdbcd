"""PQM's study at the smallest scale, on real files: every loss, head and label source, and tables between two ends."""

import csv
import os
from pathlib import Path

from graph import ROOT, run
from stepladder.records import QUESTIONS, read_json, read_records

FILES = [ROOT / "config/studies/pqm.yaml", ROOT / "config/scale/cpu.yaml", ROOT / "tests/pqm.yaml"]


def averages(table: Path) -> dict[str, float]:
    """The average of every row, by its label."""
    with table.open(newline="") as file:
        return {row["row"]: float(row["mean"]) for row in csv.DictReader(file) if row["column"] == "average"}


def test_the_study_of_pqm_runs_on_real_files(real_data, tmp_path):
    run(tmp_path / "results", FILES, config={"data_dir": os.path.relpath(real_data, ROOT)})
    results = tmp_path / "results" / "pqm"

    graded = read_json(results / "trajectories/gsm8k/seed0/metrics.json")["metrics"]["published_grades"]
    asked = [
        row for row in read_records(results / "questions/gsm8k/questions.parquet", QUESTIONS) if row["split"] == "test"
    ]
    assert graded == {"agree": 4 * len(asked), "disagree": 0} and len(asked) > 20
    for name in ("candidates", "world", "losses", "zeta", "backbones", "votes"):
        accuracy = averages(results / "tables" / name / "table.csv")
        oracle = accuracy["SC + oracle" if name == "votes" else "oracle"]
        assert accuracy["random"] < oracle, name
        assert all(accuracy[row] <= oracle for row in accuracy), (name, accuracy)
    # Models that never learnt mathematics may be right nowhere, and then nothing lies between the two ends.
    main = averages(results / "tables/main/table.csv")
    for policy in ("MetaMath-Mistral-7B", "MuggleMath-13B", "Llama-3-70B"):
        rows = {row: accuracy for row, accuracy in main.items() if row.startswith(policy)}
        measured = [accuracy for row, accuracy in rows.items() if not row.endswith("(reported)")]
        assert len(measured) == 10 and rows[f"{policy} random"] <= rows[f"{policy} oracle"] == max(measured), rows

    losses = averages(results / "tables/losses/table.csv")
    assert len(losses) == 10 and losses["BCE"] == averages(results / "tables/world/table.csv")["BCE"]
    for prm in ("bce", "mse", "orm", "rank_2", "rank_4", "rank_double_count", "theory_rank", "ablated_rank"):
        made = read_json(results / f"prms/{prm}/seed0/metrics.json")["metrics"]
        assert abs(made["initial_loss"] - made["initial_closed_form_loss"]) < 1e-4, prm
        assert not made["loss_above_start"], prm

    steps: dict[str, dict[str, str]] = {}
    with (results / "tables/steps/table.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            steps.setdefault(row["row"], {})[row["column"]] = row["mean"]
    assert {"BCE", "PQM zeta 4", "pairs of steps", "counts at the last token", "chance", "oracle"} < steps.keys()
    assert all(steps[row]["questions"] == steps["BCE"]["questions"] for row in steps)
    assert float(steps["oracle"]["step_auc"]) == 100 and float(steps["oracle"]["f1"]) == 100
