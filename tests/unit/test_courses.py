"""Courses of on-policy trainings: which rows have one, what is told of each, and means over seeds of unlike lengths."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from study_files import edited, put, study_from
from synthetic_answers import write_evaluation

from stepladder.errors import StepladderError
from stepladder.records import read_json, write_history, write_json
from stepladder.report.courses import Course, draw_courses, read_courses, render_courses_csv
from stepladder.study.canonical import canonical_json

ROWS = [
    {"label": "SFT", "evaluation": "sft"},
    {"label": "PPO", "evaluation": "ppo"},
    {"label": "PPO, samples", "evaluation": "ppo", "answer": "mean_sample"},
]
SPEC = {"kind": "efficiency", "title": "Cost $of$ credit", "baseline": "PPO", "rows": ROWS, "resamples": 50}


def point(step: int, tokens: int, accuracy: float, **more: float) -> dict[str, float]:
    return {"step": step, "generated_tokens": tokens, "reward": 2 * accuracy, "accuracy": accuracy, "kl": 0.01} | more


FIRST = [point(1, 100, 0.2, explained_variance=-0.5), point(2, 200, 0.4, explained_variance=0.5)]
SECOND = [point(1, 150, 0.3), point(2, 250, 0.5), point(3, 350, 0.9)]


def write_training(root: Path, name: str, seed: int, points: list[dict[str, float]]) -> Path:
    folder = root / "policies" / name / f"seed{seed}"
    folder.mkdir(parents=True)
    write_history(points, folder / "history.jsonl")
    job = {"study": "s", "stage": "policies", "name": name, "spec": {"method": "ppo"}}
    made = {"job": job, "seed": seed, "wall_seconds": 5.0, "device": "cpu", "metrics": {"generated_tokens": 7}}
    write_json(made, folder / "metrics.json")
    return folder / "history.jsonl"


def test_the_rows_that_have_learnt_on_policy_have_a_course_the_baseline_too():
    rows = [dict(row) for row in ROWS] + [{"label": "DPO", "evaluation": "dpo"}]
    study = study_from(edited(put("evaluations.ppo.samples", 4), put("tables.cost", {**SPEC, "rows": rows})))
    assert '"learners":[null,"ppo","ppo",null]' in study.job("tables", "cost")
    for key, file in (("histories", "history.jsonl"), ("learnt", "metrics.json")):
        files = study.inputs("tables", "cost", 0)[key]
        assert [Path(path).parts[-4:] for path in files] == [("policies", "ppo", f"seed{n}", file) for n in (0, 1)]
    assert {f"{study.folder('tables', 'cost', 0)}/courses.{kind}" for kind in ("png", "csv")} < {*study.table_files()}


def test_every_point_is_told(tmp_path):
    paths = [write_training(tmp_path, "ppo", 0, FIRST), write_training(tmp_path, "ppo", 1, SECOND)]
    courses = read_courses({"SFT": None, "PPO": "ppo", "again": "ppo"}, paths)
    rows = list(csv.DictReader(io.StringIO(render_courses_csv(courses))))
    assert [row["row"] for row in rows] == ["PPO"] * 5 + ["again"] * 5
    assert rows[1] == {
        "row": "PPO", "seed": "0", "iteration": "2", "generated_tokens": "200", "reward": "0.8", "accuracy": "0.4",
        "kl": "0.01", "explained_variance": "0.5",
    }  # fmt: skip
    assert [(row["seed"], row["iteration"], row["explained_variance"]) for row in rows[2:5]] == [
        ("1", "1", ""), ("1", "2", ""), ("1", "3", ""),
    ]  # fmt: skip


def test_the_mean_is_over_seeds_where_all_have_points():
    course = Course("PPO", {0: FIRST, 1: SECOND})
    tokens, values = course.mean("accuracy")
    # At 150 the first seed lies half way from 0.2 to 0.4, at 200 the second one half way from 0.3 to 0.5.
    assert tokens.tolist() == [150, 200] and values == pytest.approx([(0.3 + 0.3) / 2, (0.4 + 0.4) / 2])
    assert course.mean("explained_variance").shape == (2, 0), "one seed has none"
    alone = Course("PPO", {0: FIRST})
    assert np.array_equal(alone.mean("accuracy"), alone.line(0, "accuracy"))
    assert Course("PPO", {0: FIRST, 1: [point(9, 900, 0.1)]}).mean("kl").shape == (2, 0), "no token is shared"


def test_the_picture_shows_the_courses_or_says_that_there_are_none(tmp_path):
    courses = [Course(f"{place} $", {0: FIRST, 1: SECOND}) for place in range(7)]
    for name in ("a", "b"):
        draw_courses("t", courses, tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    pixels = np.round(255 * matplotlib.image.imread(tmp_path / "a.png")[..., :3]).astype(int)
    assert all((abs(pixels - colour) <= 1).all(-1).any() for colour in ([0x00, 0x72, 0xB2], [0xD5, 0x5E, 0x00]))
    draw_courses("t", [], tmp_path / "none.png")
    assert np.mean(matplotlib.image.imread(tmp_path / "none.png")[..., :3] < 0.9) < 0.05


def test_a_broken_history_is_one_clear_line(tmp_path):
    path = write_training(tmp_path, "ppo", 0, FIRST)
    path.write_text('{"step": 1}\n{"loss": 2.0}\n')
    with pytest.raises(StepladderError, match=r"history.jsonl: line 2 is no JSON object with a step"):
        read_courses({"PPO": "ppo"}, [path])


def test_the_entry_point(tmp_path, root):
    answers = [write_evaluation(tmp_path, name, 0, {"awpnli/0": "R"}) for name in ("sft", "ppo")]
    history = write_training(tmp_path, "ppo", 0, FIRST)
    cost = history.parent / "metrics.json"
    job = {"study": "t", "stage": "tables", "name": "n", "step_style": "line", "spec": SPEC | {"rows": ROWS[:2]}}
    job |= {"spent": [[], ["policies/ppo"]], "learners": [None, "ppo"]}
    command = [sys.executable, str(root / "workflow/scripts/efficiency_table.py"), "--job", canonical_json(job)]
    command += ["--input", "answers", *map(str, answers), "--input", "costs", str(cost)]
    command += ["--input", "histories", str(history), "--output", str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    texts = {"table.csv", "table.html", "table.md", "table.tex", "metrics.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == texts | {
        "efficiency.png", "courses.png", "courses.csv",
    }  # fmt: skip
    rows = list(csv.DictReader((tmp_path / "out" / "courses.csv").open()))
    assert [(row["row"], float(row["accuracy"])) for row in rows] == [("PPO", 0.2), ("PPO", 0.4)]
    json.dumps(read_json(tmp_path / "out" / "metrics.json"), allow_nan=False)
