"""Places of answers: policies whose leaning is known, through measures, table, figure and entry point."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from stepladder.errors import StepladderError
from stepladder.evaluation.positions import Placed, leaning
from stepladder.evaluation.step_measures import Bootstrap
from stepladder.questions.orders import order_of
from stepladder.records import ANSWERS, read_json, write_json, write_records
from stepladder.report.position_layout import lay_out_positions
from stepladder.report.positions import make_position_table, read_positions
from stepladder.report.render import render_csv, render_markdown
from stepladder.study.canonical import canonical_json
from stepladder.study.specs.bias_tables import PositionsTable

DRAWS = Bootstrap(400, 0)
ORDERS = ("as_given", "reversed", "shuffled")
ROWS = [{"label": how, "evaluation": how} for how in ORDERS]
TABLE = {"kind": "positions", "title": "Places", "baseline": "as_given", "rows": ROWS, "resamples": 300}


def placed(right: str, given: str, options: int = 4) -> Placed:
    """Of letters, "-" for none."""
    places = [np.array(["ABCD".find(letter) for letter in letters]) for letters in (right, given)]
    return Placed(*places, np.full(len(right), options))


def estimates(*seeds: dict[str, Placed]) -> dict[str, float]:
    return {name: found.estimate for name, found in leaning(seeds, DRAWS).items()}


def test_by_hand():
    found = estimates({"logiqa2": placed("AABBCD--"[:6], "AABAC-")})
    assert [found[f"given {k}"] for k in (1, 2, 3, 4)] == pytest.approx([3 / 5, 1 / 5, 1 / 5, 0])
    assert [found[f"right {k}"] for k in (1, 2, 3, 4)] == pytest.approx([2 / 5, 2 / 5, 1 / 5, 0])
    assert [found[f"recall {k}"] for k in (1, 2, 3, 4)] == pytest.approx([1, 1 / 2, 1, 0])
    assert found["bias"] == pytest.approx(1 / 5) and found["spread"] == pytest.approx(np.std([1, 0.5, 1, 0]))
    assert found["accuracy"] == pytest.approx(4 / 6) and found["unparsable"] == pytest.approx(1 / 6)


def test_who_is_always_right_leans_nowhere_and_who_always_says_a_leans_all_the_way():
    right = "ABCDBBCD"
    ideal, stubborn = estimates({"x": placed(right, right)}), estimates({"x": placed(right, "A" * 8)})
    assert (ideal["bias"], ideal["spread"], ideal["accuracy"], ideal["by chance"]) == (0, 0, 1, 0)
    assert (stubborn["given 1"], stubborn["recall 1"], stubborn["recall 2"]) == (1, 1, 0)
    assert stubborn["accuracy"] == stubborn["right 1"] == 1 / 8 and stubborn["bias"] == 7 / 8
    assert stubborn["spread"] == pytest.approx(np.sqrt(3) / 4)


def test_the_bias_by_chance_is_that_of_answers_without_a_preference():
    """Half of the answers right, the others anywhere else: many such policies have the bias that the draws say."""
    rng = np.random.default_rng(0)
    found, said = [], []
    for _ in range(60):
        right = rng.integers(4, size=200)
        given = np.where(rng.random(200) < 0.5, right, (right + rng.integers(1, 4, size=200)) % 4)
        measures = leaning([{"x": Placed(right, given, np.full(200, 4))}], Bootstrap(100, int(rng.integers(1000))))
        found.append(measures["bias"].estimate)
        said.append(measures["by chance"].estimate)
    assert np.mean(found) == pytest.approx(np.mean(said), rel=0.1) and 0.02 < np.mean(said) < 0.1
    leaning_to_b = np.where(rng.random(200) < 0.5, right, 1)
    measures = leaning([{"x": Placed(right, leaning_to_b, np.full(200, 4))}], DRAWS)
    assert measures["bias"].estimate > np.quantile(measures["by chance"].resampled, 0.99)
    assert np.quantile(measures["bias"].resampled, 0.025) > 0.2


def test_sets_and_seeds_weigh_the_same_and_a_place_is_of_the_sets_that_have_it():
    three = {"a": placed("AB", "AA", 2), "b": placed("ABCABC", "CCCCCC", 3)}
    found = estimates(three)
    assert found["given 1"] == 0.5 and found["given 2"] == 0 and found["given 3"] == 1
    assert found["bias"] == pytest.approx((1 / 2 + 2 / 3) / 2) and found["bias a"] == 0.5
    assert found["recall 3 b"] == 1 and "recall 3 a" not in found
    other = {"a": placed("AB", "AB", 2), "b": placed("ABCABC", "ABCABC", 3)}
    assert estimates(three, other)["bias"] == pytest.approx(found["bias"] / 2)


def test_without_a_readable_answer_there_is_no_bias():
    found = leaning([{"x": placed("AB", "--", 2)}], DRAWS)
    assert np.isnan(found["bias"].estimate) and found["unparsable"].estimate == 1 and found["accuracy"].estimate == 0


def write_answers(root, name, seed, rows):
    path = root / name / f"seed{seed}" / "answers.parquet"
    write_records(rows, ANSWERS, path)
    write_json({"job": {"name": name}, "seed": seed}, path.parent / "metrics.json")
    return path


def answer(question, dataset, gold, order, given, decoding="greedy"):
    return {
        "question_id": question, "decoding": decoding, "sample": 0, "dataset": dataset, "gold": str(gold),
        "option_order": [option + 1 for option in order], "correct": str(gold) == given, "correct_flexible": False,
        "correct_as_published": False, "steps": 1, "tokens": 1, "finish_reason": "stop", "text": "", "prm_scores": {},
        "answer": given, "answer_flexible": None,
    }  # fmt: skip


def stubborn(how, place=0, questions=40):
    """Always the option at one place, in whatever order; the right ones lean to the second as given."""
    rows = []
    for number in range(questions):
        order = order_of(f"q{number}", 4, how)
        rows.append(
            answer(f"q{number}", "logiqa2", 2 if number % 2 else 1 + number // 2 % 4, order, str(order[place] + 1))
        )
    return rows


@pytest.fixture
def files(tmp_path):
    free = answer("z", "gsm8k", 7, (), "7")
    sampled = answer("q0", "logiqa2", 1, (0, 1, 2, 3), "3", "sampled")
    return [
        write_answers(tmp_path, how, seed, [*stubborn(how), free, sampled][:: 1 - 2 * seed])
        for how in ORDERS
        for seed in (0, 1)
    ]


def test_who_always_says_a_says_it_in_every_order_and_is_right_where_a_is(files):
    table = make_position_table(PositionsTable.model_validate(TABLE), read_positions(files), 0)
    assert (table.sets, table.places, table.seeds) == (("logiqa2",), 4, 2)
    for line in table.lines:
        cells = line.cells
        assert cells["given 1"].mean == cells["recall 1"].mean == 100 and cells["given 4"].mean == 0
        assert cells["accuracy"].mean == pytest.approx(cells["right 1"].mean)
        assert cells["bias"].mean == pytest.approx(100 - cells["right 1"].mean)
        assert set(line.questions.values()) == {40}
    given, reverse, shuffled = (line.cells for line in table.lines)
    assert given["accuracy"].mean == pytest.approx(12.5) and reverse["right 1"].mean == pytest.approx(12.5)
    assert given["bias"].difference is None and shuffled["bias"].difference_low is not None
    assert reverse["right 3"].mean == given["right 2"].mean == pytest.approx(62.5)


def test_words_and_numbers(files):
    table = make_position_table(PositionsTable.model_validate(TABLE), read_positions(files), 0)
    header, _, first, *_ = render_markdown(lay_out_positions(table)).splitlines()[2:]
    assert [word.strip() for word in header.split("|")[1:-1]] == [
        "method", "accuracy", "given", "right", "recall", "spread", "bias", "vs as_given", "by chance", "unparsable",
    ]  # fmt: skip
    words = [word.strip() for word in first.split("|")[1:-1]]
    assert words[2:5] == ["100.0 / 0.0 / 0.0 / 0.0", "12.5 / 62.5 / 12.5 / 12.5", "100.0 / 0.0 / 0.0 / 0.0"]
    assert words[6].startswith("87.5 [") and words[7] == "–" and words[9] == "0.0"
    assert "as_given,recall 2,0.0000,0.0000,0.0000,,,,2,40,,evaluations.as_given" in render_csv(table.lines, 2)


def test_faults_are_one_clear_line(files, tmp_path):
    other = write_answers(tmp_path, "other", 0, stubborn("as_given", questions=39))
    with pytest.raises(StepladderError, match="answer different questions; rows of one table need one split"):
        read_positions([files[0], other])
    with pytest.raises(StepladderError, match="no greedy answer to a question with options"):
        read_positions([write_answers(tmp_path, "free", 0, [answer("z", "gsm8k", 7, (), "7")])])


def test_the_entry_point(files, tmp_path, root):
    job = {"study": "t", "stage": "tables", "name": "n", "step_style": "line", "spec": TABLE}
    command = [sys.executable, str(root / "workflow/scripts/position_table.py"), "--job", canonical_json(job)]
    command += ["--input", "answers", *map(str, files), "--output", str(tmp_path / "out")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(root / "src")}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    texts = {"table.csv", "table.html", "table.md", "table.tex", "metrics.json", "recall.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == texts
    metrics = read_json(tmp_path / "out" / "metrics.json")
    assert metrics["counts"]["rows_in"] == 6 * 40 and len(metrics["metrics"]["rows"]) == 3
    json.dumps(metrics, allow_nan=False)
