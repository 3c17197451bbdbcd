"""Step tables from the files that scores and labels nodes write: numbers by hand, faults, formats, figures."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import matplotlib.image
import numpy as np
import pytest

from stepladder.errors import StepladderError
from stepladder.evaluation.first_error import validation_part
from stepladder.records import LABELS, SCORES, read_json, write_json, write_records
from stepladder.report.render import render_csv
from stepladder.report.step_layout import lay_out_steps
from stepladder.report.step_scores import read_step_scores
from stepladder.report.steps import judge_rows, make_step_table
from stepladder.study.canonical import canonical_json
from stepladder.study.specs.tables import StepsRow, StepsTable

Chains = dict[tuple[str, int], list[float | None]]


def write_node(root: Path, stage: str, name: str, seed: int, rows: list[dict], schema) -> Path:
    path = root / stage / name / f"seed{seed}" / f"{stage}.parquet"
    write_records(rows, schema, path)
    write_json({"job": {"name": name}, "seed": seed}, path.parent / "metrics.json")
    return path


def write_labels(
    root: Path, name: str, seed: int, chains: Chains, sources: Mapping = MappingProxyType({}), missed: tuple = ()
) -> Path:
    """Soft labels by trajectory; a step with None has none. ``missed``: those that are too long to be scored."""
    rows = [
        {"question_id": question, "sample": sample, "step": step, "finished": step == len(soft) - 1, "rollouts": 1,
         "successes": 1, "soft": value, "hard": value > 0, "tokens": 0, "source": sources.get((question, sample)),
         "state": None if (question, sample) in missed else "s"}
        for (question, sample), soft in chains.items() for step, value in enumerate(soft) if value is not None
    ]  # fmt: skip
    return write_node(root, "labels", name, seed, rows[::-1], LABELS)


def write_scores(root: Path, name: str, seed: int, chains: Chains) -> Path:
    rows = [
        {"question_id": question, "sample": sample, "step": step, "logit": value, "score": 0.5}
        for (question, sample), logits in chains.items() for step, value in enumerate(logits)
    ]  # fmt: skip
    return write_node(root, "scores", name, seed, rows, SCORES)


LABELLED: Chains = {("q1", 0): [1.0, 0.0, None], ("q1", 1): [1.0], ("q2", 0): [0.0, 1.0]}
GOOD: Chains = {("q1", 0): [2.0, -5.0, 9.0], ("q1", 1): [3.0], ("q2", 0): [-1.0, 1.0], ("q3", 0): [7.0]}
BAD: Chains = {("q1", 0): [-2.0, 5.0, 9.0], ("q1", 1): [3.0], ("q2", 0): [-1.0, 1.0]}
ROWS = (StepsRow(label="good", scores="good", labels="l", margin=4), StepsRow(label="bad", scores="bad", labels="l"))
SPEC = StepsTable(kind="steps", title="Steps", baseline="bad", rows=ROWS, resamples=50)


def write_both(root: Path, seeds=(0,)) -> tuple[list[Path], list[Path]]:
    scores = [write_scores(root, name, seed, of) for name, of in (("good", GOOD), ("bad", BAD)) for seed in seeds]
    return scores, [write_labels(root, "l", seed, LABELLED) for seed in seeds]


def table_of(spec: StepsTable, scores, labels):
    return make_step_table(spec, judge_rows(spec, read_step_scores(scores, labels), seed=0))


def means(table) -> dict[str, dict[str, float]]:
    return {line.label: {name: cell.mean for name, cell in line.cells.items()} for line in table.lines}


def test_means_by_hand(tmp_path):
    table = table_of(SPEC, *write_both(tmp_path))
    found = means(table)
    assert list(found) == ["good", "bad", "chance", "oracle"]
    # Right: 2, 3, 1; wrong: -5, -1. The step that nobody labelled takes no part, nor does a score without a label.
    assert found["good"]["questions"] == 2 and found["good"]["steps"] == 5
    assert found["good"]["step_auc"] == 100 and found["good"]["order_accuracy"] == 100
    assert found["good"]["right_above_zero"] == 100 and found["good"]["wrong_below_margin"] == 50
    # Right: -2, 3, 1; wrong: 5, -1: three of six pairs lie well. Pairs of one solution: -2 < 5 and -1 < 1.
    assert found["bad"]["step_auc"] == pytest.approx(100 * 2 / 6) and found["bad"]["order_accuracy"] == 50
    assert found["bad"]["wrong_below_margin"] == 50
    # Steps that end no solution: 2 and -5 of q1, -1 of q2; -2, 5, -1 by the other.
    assert found["good"]["unfinished_step_auc"] == 100 and found["bad"]["unfinished_step_auc"] == 0
    assert found["oracle"]["step_auc"] == 100 and found["oracle"]["calibration_error"] == pytest.approx(0, abs=1e-3)
    good, bad = table.lines[:2]
    assert good.cells["step_auc"].difference == pytest.approx(100 * 4 / 6) and bad.cells["step_auc"].difference is None
    assert good.source == "scores.good on labels.l" and table.lines[2].source == "labels.l"


def test_steps_in_the_middle_that_nobody_labelled_take_no_part(tmp_path):
    questions = [f"q{place}" for place in range(20)]
    rng = np.random.default_rng(0)
    soft = {(question, 0): [1.0, float(rng.integers(2))] for question in questions}
    logits = {key: rng.normal(size=2).tolist() for key in soft}
    gaps = {key: [first, None, None, last] for key, (first, last) in soft.items()}
    row = StepsRow(label="one", scores="s", labels="l")
    spec = StepsTable(kind="steps", title="Steps", baseline="one", rows=(row,), resamples=20)
    found = []
    for place, (unlabelled, labels) in enumerate([([], soft), ([99.0, -99.0], gaps), ([-99.0, 99.0], gaps)]):
        folder = tmp_path / str(place)
        scores = {key: [first, *unlabelled, last] for key, (first, last) in logits.items()}
        files = [write_scores(folder, "s", 0, scores)], [write_labels(folder, "l", 0, labels)]
        (steps,) = read_step_scores(*files).of_prm("s", "l")
        assert set(steps.position.tolist()) == {0, len(unlabelled) + 1}, "a step keeps its place"
        found.append(means(table_of(spec, *files))["one"])
    assert found[0]["steps"] == 40 and "f1" in found[0]
    assert found[1] == found[2] == found[0]


SKILLS = (("good", 1.2), ("bad", 0.3))
KEYS = [(f"q{place:02}", sample) for place in range(60) for sample in (0, 1)]


def many(skill: float, seed: int = 0) -> tuple[Chains, Chains]:
    """(labels, scores) of 60 questions, two solutions each."""
    rng = np.random.default_rng(0)
    noise = np.random.default_rng((seed, round(100 * skill)))
    labels: Chains = {key: (rng.random(4) < 0.75).astype(float).tolist() for key in KEYS}
    return labels, {
        key: [float(skill * (2 * value - 1) + noise.normal()) for value in soft] for key, soft in labels.items()
    }


def write_many(root: Path, seeds=(0, 1)) -> tuple[list[Path], list[Path]]:
    scores = [write_scores(root, name, seed, many(skill, seed)[1]) for name, skill in SKILLS for seed in seeds]
    return scores, [write_labels(root, "l", seed, many(0)[0]) for seed in seeds]


def test_every_prm_lies_between_chance_and_the_oracle_with_intervals(tmp_path):
    table = table_of(SPEC, *write_many(tmp_path))
    for name in ("step_auc", "order_accuracy", "f1"):
        good, bad, chance, oracle = (line.cells[name] for line in table.lines)
        assert chance.mean < bad.mean < good.mean < oracle.mean == pytest.approx(100), name
        assert good.low < good.mean < good.high and good.difference_low > 0, name
        assert chance.difference_high < 0 < oracle.difference_low and bad.difference is None, name
    assert table.lines[2].cells["step_auc"].mean == pytest.approx(50, abs=8)
    assert table.seeds == 2 and {line.questions["f1"] for line in table.lines} == {60}


def test_every_two_rows_on_the_same_labels_are_tested_with_holms_p_values(tmp_path):
    scores, labels = write_many(tmp_path)
    labels += [write_labels(tmp_path, "other", seed, many(0)[0]) for seed in (0, 1)]
    named = {"good": ("good", "l"), "bad": ("bad", "l"), "again": ("bad", "l"), "there": ("good", "other")}
    rows = tuple(StepsRow(label=label, scores=of, labels=at) for label, (of, at) in named.items())
    table = table_of(SPEC.model_copy(update={"rows": rows}), scores, labels)
    good, bad = (line.cells["step_auc"].mean for line in table.lines[:2])
    for name in ("step_auc", "f1"):
        tests = table.tests[name]
        assert [(test.row, test.other) for test in tests] == [("good", "bad"), ("good", "again"), ("bad", "again")]
        first, second, same = tests
        # 50 resamples show no p-value below 2 / 51, which Holm takes three times.
        assert first.p_value == second.p_value == pytest.approx(3 * 2 / 51) and (same.estimate, same.p_value) == (0, 1)
    first = table.tests["step_auc"][0]
    assert first.estimate == pytest.approx(good - bad) and 0 < first.low < first.estimate < first.high
    assert table.tests["mean_f1"] == () and {line.differs_from.get("step_auc", ()) for line in table.lines} == {()}
    table = table_of(SPEC.model_copy(update={"rows": rows, "resamples": 400}), scores, labels)
    differs = {line.label: line.differs_from.get("step_auc", ()) for line in table.lines}
    assert differs.pop("good") == ("bad", "again") and differs.pop("bad") == differs.pop("again") == ("good",)
    assert set(differs.values()) == {()}
    written = list(csv.DictReader(io.StringIO(render_csv(table.lines, table.seeds))))
    told = {row["column"]: row["differs_from"] for row in written if row["row"] == "good"}
    assert told["step_auc"] == "bad; again" and told["order_accuracy"] == ""


def test_first_errors_are_judged_on_questions_that_fitted_no_threshold(tmp_path):
    scores, labels = write_many(tmp_path)
    found = read_step_scores(scores, labels)
    row = judge_rows(SPEC, found, seed=0)[0]
    few = judge_rows(SPEC.model_copy(update={"validation": 0.6}), found, seed=0)[0]
    assert len(row.thresholds) == 2 and row.thresholds[0] != row.thresholds[1] and row.thresholds != few.thresholds
    # Of so few questions the fitting ones have no solution of one kind.
    small = judge_rows(SPEC, read_step_scores(*write_both(tmp_path / "small")), seed=0)[0]
    assert small.thresholds == [None] and np.isnan(small.measures["f1"].estimate)


def write_benchmark(root: Path) -> tuple[list[Path], list[Path]]:
    """Of the 60 questions half to each subset, a solution by each of two generators.

    One with an error and one without are too long to be scored.
    """
    labels, _ = many(0)
    sources = {key: f"{'gsm8k' if key[0] < 'q30' else 'own'}/m{key[1]}" for key in KEYS}
    fits = validation_part([question for question, _ in KEYS], SPEC.validation)
    judged = [key for key, fit in zip(KEYS, fits, strict=True) if not fit]
    missed = tuple(next(key for key in judged if (0.0 in labels[key]) == wrong) for wrong in (True, False))
    scores = []
    for name, skill in SKILLS:
        scored = {key: logits for key, logits in many(skill)[1].items() if key not in missed}
        scores.append(write_scores(root, name, 0, scored))
    return scores, [write_labels(root, "l", 0, labels, sources, missed)]


def test_a_benchmark_is_told_of_by_subset_and_generator(tmp_path):
    scores, labels = write_benchmark(tmp_path)
    missed = read_step_scores(scores, labels).labels["l"][0].missed
    assert missed == {key: 0.0 in many(0)[0][key] for key in missed} and sorted(missed.values()) == [False, True]
    table = table_of(SPEC, scores, labels)
    good, bad, chance, oracle = (line.cells for line in table.lines)
    for cells in (good, bad, chance, oracle):
        assert cells["mean_f1"].mean == pytest.approx((cells["f1 gsm8k"].mean + cells["f1 own"].mean) / 2)
        assert {"with_error gsm8k/m0", "without_error own/m1"} <= set(cells)
    assert good["mean_f1"].low < good["mean_f1"].mean < good["mean_f1"].high and good["mean_f1"].difference_low > 0
    # What is too long is missed by all, even by the oracle.
    assert oracle["f1 own"].mean == 100 > oracle["f1 gsm8k"].mean and table.not_scored == 2
    (questions,) = {line.questions["f1"] for line in table.lines}
    assert (questions, table.lines[0].questions["f1 own/m0"]) == (60, 30) and good["questions"].mean == 60
    assert good["steps"].mean == 118 * 4

    layout = lay_out_steps(table)
    assert layout.header[-4:] == ["F1 GSM8K", "F1 own", "mean F1", "mean F1 vs bad"] and "F1" not in layout.header
    own = good["f1 own"]
    assert layout.rows[0][-3] == f"{own.mean:.1f} [{own.low:.1f}, {own.high:.1f}]" and layout.rows[1][-1] == "–"
    assert layout.notes[-1].startswith("Solutions too long to be scored: 2; they count as missed")
    rows = list(csv.DictReader(io.StringIO(render_csv(table.lines, table.seeds))))
    generators = [row for row in rows if row["row"] == "good" and row["column"].startswith("f1 gsm8k/")]
    assert [(row["column"], row["questions"]) for row in generators] == [("f1 gsm8k/m0", "30"), ("f1 gsm8k/m1", "30")]


def test_rows_on_other_labels_have_references_of_their_own_and_no_difference(tmp_path):
    scores, labels = write_both(tmp_path)
    labels.append(write_labels(tmp_path, "other", 0, {("q2", 0): [0.0, 1.0], ("q1", 1): [1.0]}))
    rows = (*ROWS, StepsRow(label="there", scores="good", labels="other"))
    table = table_of(SPEC.model_copy(update={"rows": rows}), scores, labels)
    named = [line.label for line in table.lines]
    assert named == ["good", "bad", "chance on l", "oracle on l", "there", "chance on other", "oracle on other"]
    assert table.lines[4].cells["step_auc"].difference is None and table.lines[4].cells["steps"].mean == 3


def test_layout_and_csv_say_the_same(tmp_path):
    table = table_of(SPEC, *write_both(tmp_path))
    layout = lay_out_steps(table)
    assert len(layout.header) == len(layout.rows[0]) and layout.header[:4] == ["PRM", "questions", "steps", "step AUC"]
    good, bad = layout.rows[:2]
    assert good[:3] == ["good", "2", "5"] and good[3].startswith("100.0 [") and good[4].startswith("+66.7 [")
    assert bad[4] == "–" and good[-2:] == ["–", "–"]
    rows = list(csv.DictReader(io.StringIO(render_csv(table.lines, table.seeds))))
    cell = next(row for row in rows if (row["row"], row["column"]) == ("good", "step_auc"))
    assert (cell["mean"], cell["difference"], cell["questions"]) == ("100.0000", "66.6667", "2")
    assert not any(row["column"] == "f1" for row in rows)


def test_faults_are_one_clear_line(tmp_path):
    scores, labels = write_both(tmp_path)
    write_scores(tmp_path, "bad", 0, {key: value for key, value in BAD.items() if key != ("q2", 0)})
    with pytest.raises(
        StepladderError, match=r"scores.bad seed 0 has no step 0 of question q2 sample 0, which labels.l"
    ):
        table_of(SPEC, scores, labels)
    more = write_scores(tmp_path, "good", 1, GOOD)
    with pytest.raises(StepladderError, match=r"scores.bad has seeds \[0\], scores.good \[0, 1\]; run both for all"):
        read_step_scores([*scores, more], labels)
    with pytest.raises(StepladderError, match="no step has a label"):
        read_step_scores(scores, [write_labels(tmp_path, "l", 0, {})])


def pixels_of(path: Path, colour: str) -> int:
    found = np.round(255 * matplotlib.image.imread(path)[..., :3]).astype(int)
    wanted = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
    return int(np.sum(np.all(abs(found - wanted) <= 1, axis=-1)))


def test_the_entry_point_writes_the_same_bytes_twice(tmp_path, root):
    scores, labels = write_many(tmp_path)
    job = {"study": "t", "stage": "tables", "name": "steps", "step_style": "line", "spec": SPEC.model_dump()}

    def build(folder: Path) -> dict[str, bytes]:
        command = [sys.executable, str(root / "workflow/scripts/step_table.py"), "--job", canonical_json(job)]
        command += ["--input", "scores", *map(str, scores), "--input", "labels", *map(str, labels)]
        environment = os.environ | {"PYTHONPATH": str(root / "src")}
        done = subprocess.run([*command, "--output", str(folder)], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "metrics.json"}

    first, second = build(tmp_path / "one"), build(tmp_path / "two")
    assert sorted(first) == [
        "by_position.png", "reliability.png", "table.csv", "table.html", "table.md", "table.tex"
    ]  # fmt: skip
    assert first == second
    for name in ("reliability.png", "by_position.png"):
        assert pixels_of(tmp_path / "one" / name, "#0072B2") > 100 < pixels_of(tmp_path / "one" / name, "#D55E00")
    metrics = read_json(tmp_path / "one" / "metrics.json")["metrics"]
    good = metrics["rows"][0]
    assert good["row"] == "good" and len(good["thresholds"]) == 2 and good["step_auc"]["mean"] > 80
    positions = {kind: [each["count"] for each in groups] for kind, groups in good["by_position"].items()}
    # 60 questions with two solutions of four steps, for each of two seeds.
    assert [sum(each) for each in zip(*positions.values(), strict=True)] == [240] * 4
    right, wrong = (np.mean([each["mean_score"] for each in good["by_position"][kind]]) for kind in ("right", "wrong"))
    assert right > 0.6 and wrong < 0.4
    json.dumps(metrics, allow_nan=False)
