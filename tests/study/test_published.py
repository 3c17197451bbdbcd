"""What others have published through every stage that needs no sampling: answers to choose from, steps to learn."""

import csv
import json
from pathlib import Path

import pytest

from graph import run
from stepladder.questions import gsm8k
from stepladder.records import ANSWERS, AUDITS, LABELS, SCORES, TRAJECTORIES, read_json, read_records

STUDY = Path(__file__).parents[1] / "published.yaml"


def means(path: Path) -> dict[tuple[str, str], float]:
    with path.open() as file:
        return {(row["row"], row["column"]): float(row["mean"]) for row in csv.DictReader(file)}


def write_benchmark(folder: Path) -> None:
    """Records as ProcessBench has them: two subsets, 20 problems each, by two generators; one too long to be scored."""
    folder.mkdir()
    for subset in ("gsm8k", "math"):
        records = [
            {"id": f"{subset}-{problem}-{generator}", "generator": f"org/m{generator}", "final_answer_correct": False,
             "problem": f"{subset} {problem}?", "steps": ["One and one are 2.", "Two and two are 5."],
             "label": (problem + generator) % 3 - 1}
            for problem in range(20) for generator in (1, 2)
        ]  # fmt: skip
        if subset == "math":
            records[0]["steps"][0] = "one " * 3000
        (folder / f"{subset}.json").write_text(json.dumps(records))


def test_published_answers_and_labels_go_through_every_stage(real_data, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name in ("gsm8k", "math_shepherd", "prm800k"):
        (data / name).symlink_to(real_data / name)
    write_benchmark(data / "bench")
    run(tmp_path / "results", [STUDY], "tables", config={"data_dir": str(data)})
    results = tmp_path / "results" / "published"

    made = {name: read_records(results / f"trajectories/{name}/seed0/trajectories.parquet", TRAJECTORIES)
            for name in ("shepherd", "prm800k", "candidates")}  # fmt: skip
    assert {name: len(rows) for name, rows in made.items()} == {"shepherd": 7, "prm800k": 36, "candidates": 96}
    for name in ("shepherd", "prm800k"):
        steps = {
            (row["question_id"], row["sample"], step) for row in made[name] for step in range(len(row["step_ends"]))
        }
        labels = read_records(results / f"labels/{name}/seed0/labels.parquet", LABELS)
        assert {(row["question_id"], row["sample"], row["step"]) for row in labels} == steps
    scores = read_records(results / "scores/rank/seed0/scores.parquet", SCORES)
    assert len(scores) == 25
    trained = read_json(results / "prms/rank/seed0/metrics.json")["counts"]
    assert trained["rows_out"] + trained["dropped"]["held out for judging"] == 36 == trained["rows_in"]

    steps = means(results / "tables/steps/table.csv")
    assert steps["rank", "steps"] == 25 and steps["rank", "questions"] == 7
    assert steps["oracle", "step_auc"] == 100 >= steps["rank", "step_auc"] >= 0
    assert (results / "tables/steps/reliability.png").stat().st_size > 0

    bench = means(results / "tables/bench/table.csv")
    for row in ("rank", "oracle", "chance"):
        assert bench[row, "mean_f1"] == pytest.approx((bench[row, "f1 gsm8k"] + bench[row, "f1 math"]) / 2, abs=1e-3)
        assert {(row, f"f1 {subset}/org/m{number}") for subset in ("gsm8k", "math") for number in (1, 2)} <= set(bench)
    assert bench["oracle", "f1 gsm8k"] == 100 >= bench["rank", "f1 gsm8k"] and bench["oracle", "questions"] == 40
    # Even an oracle misses what cannot be scored.
    assert bench["oracle", "f1 math"] < 100
    assert read_json(results / "tables/bench/metrics.json")["metrics"]["rows"][0]["not_scored"] == [1]
    assert "Solutions too long to be scored: 1;" in (results / "tables/bench/table.md").read_text()

    # Four models wrote the answers; what the file says of each is what grading says.
    published = gsm8k.read_solutions(gsm8k.local_solutions(real_data).path)
    said = {(each.text, each.published_correct) for each in published}
    answers = read_records(results / "evaluations/candidates/seed0/answers.parquet", ANSWERS)
    assert {(row["text"], row["correct"]) for row in answers} <= said and len(answers) == 96
    assert {row["decoding"] for row in answers} == {"sampled"}
    right = [
        [row["correct"] for row in answers if row["question_id"] == key] for key in {a["question_id"] for a in answers}
    ]
    table = means(results / "tables/answers/table.csv")
    assert (
        table["random", "average"]
        == table["mean", "average"]
        == pytest.approx(100 * sum(map(sum, right)) / 96, abs=1e-3)
    )
    assert table["oracle", "average"] == pytest.approx(100 * sum(map(any, right)) / 24, abs=1e-3)
    assert max(table[row, "average"] for row in ("SC@4", "rank BoN@4", "SC@4 by rank")) <= table["oracle", "average"]

    audited = read_records(results / "audits/loose/audit.parquet", AUDITS)
    clean = {row["question_id"] for row in audited if not row["seen"]}
    kept = [row["correct"] for row in answers if row["question_id"] in clean]
    assert len(audited) == 24 and 0 < len(kept) == 4 * len(clean) < 96
    assert table["mean, clean", "average"] == pytest.approx(100 * sum(kept) / len(kept), abs=1e-3)
    seen = means(results / "tables/seen/table.csv")
    assert (seen["GSM8K", "questions"], seen["GSM8K", "clean"]) == (24, len(clean))
