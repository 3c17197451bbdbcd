"""Tables of values and rankings from files of synthetic trees, whose states have known chances of a right answer."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stepladder.errors import StepladderError
from stepladder.records import ROLLOUTS, SCORES, read_json, read_records, write_json, write_records
from stepladder.report.kept_rollouts import Kept, estimates, read_rollouts, read_scores
from stepladder.report.render import render_csv, render_markdown
from stepladder.report.value_layout import lay_out_ranking, lay_out_values
from stepladder.report.values import judge_ranking, judge_values, make_value_table
from stepladder.study.canonical import canonical_json
from stepladder.study.specs.tables import RankingTable, ValuesRow, ValuesTable

QUESTIONS, STEPS, ALTERNATIVES, N = 80, 3, 4, 64
ROWS = (
    {"label": "mean 9", "rollouts": "many", "k": 9},
    {"label": "mean 1", "rollouts": "many", "k": 1},
    {"label": "shrinkage 9", "rollouts": "many", "k": 9, "estimator": "shrinkage", "prior_strength": 3},
    {"label": "sequence 9", "rollouts": "many", "k": 9, "estimator": "sequence_probability"},
)
VALUES = {"kind": "values", "title": "Values", "baseline": "mean 9", "rows": ROWS, "resamples": 300}
CRITIC = {"label": "critic", "rollouts": "many", "critic": True}
PRM = {"label": "PRM", "rollouts": "many", "scores": "prm"}
RANKING = VALUES | {"kind": "ranking", "title": "Ranking"}


def write_node(root: Path, stage: str, name: str, seed: int, rows: list[dict], schema) -> Path:
    path = root / stage / name / f"seed{seed}" / f"{stage}.parquet"
    write_records(rows, schema, path)
    write_json({"job": {"name": name}, "seed": seed}, path.parent / "metrics.json")
    return path


def chances_of(seed: int) -> dict[tuple[str, int, str | None, int], float]:
    """By question, step, parent and place among its siblings. Likely rollouts are no better than others."""
    rng = np.random.default_rng((7, seed))
    found = {}
    for number in range(QUESTIONS):
        easy = rng.random()
        for step in range(STEPS):
            found[f"q{number:02}", step, None, 0] = float(np.clip(easy + rng.normal(0, 0.15), 0, 1))
        for place in range(ALTERNATIVES):
            found[f"q{number:02}", 1, f"q{number:02} 0 None 0", place] = float(np.clip(easy + rng.normal(0, 0.2), 0, 1))
    return found


def write_rollouts(root: Path, seed: int, name: str = "many", parents: bool = True, n: int = N) -> Path:
    rng = np.random.default_rng((8, seed))
    rows = []
    for (question, step, parent, place), chance in chances_of(seed).items():
        correct = (rng.random(n) < chance).tolist()
        logprobs = (-5 * rng.random(n)).tolist()
        # The policy itself would be right less often: of right rollouts its sampler drew more.
        leaning = [logprob + 0.5 * good for logprob, good in zip(logprobs, correct, strict=True)]
        row = {
            "question_id": question, "sample": 0, "step": step, "state": f"{question} {step} {parent} {place}",
            "state_ids": [], "parent": parent, "correct": correct, "rollout_ids": [[]] * n, "tokens": [10] * n,
            "logprobs": logprobs, "sampler_logprobs": leaning, "texts": ["yes" if good else "no" for good in correct],
            "critic": chance + 0.1,
        }  # fmt: skip
        if parents or parent is None:
            rows.append(row)
    return write_node(root, "rollouts", name, seed, rows, ROLLOUTS)


def write_scores(root: Path, seed: int) -> Path:
    """A PRM that says the true chance of the state after each step."""
    rows = [
        {"question_id": question, "sample": 0, "step": step - 1, "logit": 0.0, "score": chance}
        for (question, step, parent, _), chance in chances_of(seed).items() if step and parent is None
    ]  # fmt: skip
    return write_node(root, "scores", "prm", seed, rows, SCORES)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("trees")
    return [write_rollouts(root, seed) for seed in (0, 1)], [write_scores(root, seed) for seed in (0, 1)]


def values_table(files, *rows):
    spec = ValuesTable.model_validate(VALUES | {"rows": [*ROWS, *rows]})
    found = read_rollouts(files[0], texts=False, alternatives=False)
    return make_value_table(spec, judge_values(spec, found, read_scores(files[1]), 0), found, "mse")


def ranking_table(files):
    spec = RankingTable.model_validate(RANKING | {"rows": [*ROWS, CRITIC]})
    found = read_rollouts(files[0], texts=False, alternatives=True)
    return make_value_table(spec, judge_ranking(spec, found, 0), found, "best")


def picked(alternatives: bool = False) -> np.ndarray:
    return np.array(
        [chance for seed in (0, 1) for key, chance in chances_of(seed).items() if bool(key[2]) == alternatives]
    )


def test_the_plain_mean_has_its_analytic_bias_and_error_within_the_interval(files):
    lines = {line.label: line.cells for line in values_table(files).lines}
    for label, k in (("mean 9", 9), ("mean 1", 1)):
        bias, mse, analytic = lines[label]["bias"], lines[label]["mse"], (picked() * (1 - picked())).mean() / k
        assert bias.low < 0 < bias.high and mse.low < 100 * analytic < mse.high, label
        assert mse.high - mse.low < 100 * analytic
        assert lines[label]["tokens"].mean == 10 * k and lines[label]["states"].mean == QUESTIONS * STEPS


def test_the_plain_mean_has_one_price_of_a_squared_error_at_any_k(files):
    lines = {line.label: line.cells for line in values_table(files, CRITIC).lines}
    price = 100 * 10 * (picked() * (1 - picked())).mean()
    for label in ("mean 9", "mean 1"):
        found = lines[label]["tokens_mse"]
        assert found.low < price < found.high and found.high - found.low < 0.7 * price, label
        assert found.mean == pytest.approx(lines[label]["mse"].mean * lines[label]["tokens"].mean)
    assert lines["shrinkage 9"]["tokens_mse"].mean < lines["mean 9"]["tokens_mse"].mean
    assert "tokens_mse" not in lines["critic"], "it costs nothing"


def test_rollouts_in_rounds_are_those_that_training_would_have_drawn():
    """Two of each state; (1, 2) is in doubt with a deviation of 0.224, while (0, 2), (2, 2) and (2, 4) are not."""
    drawn = [[1, 0, 1, 0, 1, 1], [1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]]
    rewards = np.hstack([np.array(drawn * 2), np.ones((8, 2))])
    kept = Kept(
        keys=tuple((f"q{i}", 0, 0) for i in range(8)), parents=(None,) * 8, rewards=rewards,
        tokens=np.full(rewards.shape, 5), logprobs=0 * rewards, sampler_logprobs=0 * rewards,
        critic=rewards[:, 0], texts=(),
    )  # fmt: skip
    rounds = {"first": 2, "further": 2, "most": 6, "enough": 0.2}
    row = ValuesRow(label="r", rollouts="many", k=3, adaptive=rounds)
    found = estimates(row, kept, 1)
    assert found.values[:, 0].tolist() == [0.5, 1, 0, 0.75] * 2 and found.tokens.tolist() == [20, 10, 10, 20] * 2
    assert found.trials == 2 and (found.truth == 1).all(), "judged by the rollouts that no state may have"
    tight = estimates(row.model_copy(update={"k": 2}), kept, 1)
    assert tight.tokens.tolist() == [10] * 8, "the budget is spent by the first round"


def test_rounds_that_leave_no_choice_are_the_plain_row(files):
    rounds = {"first": 9, "further": 1, "most": 9}
    plain, one, *_, same = values_table(files, ROWS[0] | {"label": "same", "adaptive": rounds}).lines
    assert same.cells["mse"].mean == plain.cells["mse"].mean and same.cells["tokens"] == plain.cells["tokens"]
    fewer = values_table(files, ROWS[0] | {"label": "fewer", "adaptive": {"most": 24}}).lines[-1].cells
    assert 30 < fewer["tokens"].mean <= 90 and 0 < fewer["mse"].mean < one.cells["mse"].mean / 2


def test_the_estimators_stand_where_theory_puts_them(files):
    lines = {line.label: line.cells for line in values_table(files).lines}
    mean, one, shrunk, sequence = (lines[row["label"]] for row in ROWS)
    assert shrunk["mse"].difference_high < 0, "states of one question are alike"
    assert sequence["mse"].difference_low > 0 and one["mse"].difference_low > 0, "weights waste rollouts"
    assert mean["mse"].difference is None and one["mae"].difference is None
    for each in (mean, shrunk):
        assert 0 < one["within"].mean < each["within"].mean < each["between"].mean <= 100
        assert each["within"].low < each["within"].mean < each["within"].high


def test_importance_weights_take_the_samplers_leaning_out_of_the_values(files):
    """Right rollouts are e^0.5 times as likely under the sampler: the policy's own values are lower."""
    row = {"label": "weighted", "rollouts": "many", "estimator": "importance_weighted", "k": 31}
    weighted = values_table(files, row).lines[-1].cells
    chances, ratio = picked(), np.exp(-0.5)
    expected = (chances * ratio / (chances * ratio + 1 - chances) - chances).mean()
    assert weighted["bias"].low < 100 * expected < weighted["bias"].high < 0


def test_a_score_is_that_of_the_last_step_behind_the_state_and_the_bare_question_has_none(files):
    line = values_table(files, PRM).lines[-1]
    assert line.source == "scores.prm on rollouts.many" and line.cells["tokens"].mean == 0
    assert line.cells["states"].mean == QUESTIONS * (STEPS - 1)
    assert line.cells["mse"].low < 0.05 and line.cells["mse"].mean < 0.1 and line.cells["mse"].difference is None
    assert line.cells["within"].mean > 85


def test_a_critic_is_judged_by_all_rollouts_of_a_state(files):
    """One that is always 0.1 too high is wrong, and in step with the truth all the same."""
    line = values_table(files, CRITIC).lines[-1]
    assert line.source == "critic on rollouts.many" and line.cells["tokens"].mean == 0
    assert line.cells["bias"].low < 10 < line.cells["bias"].high and line.cells["mse"].low < 1 < line.cells["mse"].high
    assert line.cells["within"].mean > 85 and line.cells["mse"].difference is not None


def test_rankings_lie_between_chance_and_certainty(files):
    table = ranking_table(files)
    assert [line.label for line in table.lines] == [*(row["label"] for row in ROWS), "critic", "chance"]
    nine, one, shrunk, _, critic, chance = (line.cells for line in table.lines)
    assert 25 < chance["best"].mean < 30, "a quarter, and some best ones are tied"
    assert chance["pairs"].mean == 50 and "tokens" not in chance
    assert chance["best"].mean < one["best"].mean < nine["best"].mean < 100
    assert one["pairs"].low > 50 and one["pairs"].mean < nine["pairs"].mean < 100
    assert one["best"].difference_high < 0 and chance["best"].difference_high < 0
    assert shrunk["best"].difference == 0, "what leans to one prior keeps its order"
    assert critic["best"].mean > nine["best"].mean and critic["tokens"].mean == 0, "it knows the chances themselves"
    assert nine["tokens"].mean == 9 * 10 * ALTERNATIVES and nine["states"].mean == QUESTIONS


def test_words_and_numbers(files):
    table = values_table(files, PRM)
    text = render_markdown(lay_out_values(table))
    header, _, first, *_ = text.splitlines()[2:]
    assert [word.strip() for word in header.split("|")[1:-1]] == [
        "values", "states", "bias", "MSE", "MSE vs mean 9", "MAE", "r within", "r between",
        "tokens at 1 % MSE", "tokens",
    ]  # fmt: skip
    assert [word.strip() for word in first.split("|")[1:3]] == ["mean 9", "240"]
    assert "chance" in render_markdown(lay_out_ranking(ranking_table(files)))
    rows = list(csv.DictReader(io.StringIO(render_csv(table.lines, table.seeds))))
    (mse,) = (row for row in rows if (row["row"], row["column"]) == ("mean 9", "mse"))
    assert float(mse["mean"]) == pytest.approx(table.lines[0].cells["mse"].mean, abs=1e-4) and mse["questions"] == "80"


def test_two_nodes_have_no_difference_to_each_other(tmp_path):
    paths = [write_rollouts(tmp_path, 0, name) for name in ("many", "more")]
    more = [row | {"rollouts": "more", "label": f"more {row['label']}"} for row in ROWS[:2]]
    lines = {line.label: line.cells for line in values_table((paths, []), *more).lines}
    assert lines["more mean 1"]["mse"].difference is None and lines["mean 1"]["mse"].difference is not None


def test_faults_are_one_clear_line(tmp_path):
    paths, scores = [write_rollouts(tmp_path, 0)], [write_scores(tmp_path, 0)]
    kept = [row for row in read_records(scores[0], SCORES) if row["question_id"] != "q05"]
    write_records(kept, SCORES, scores[0])
    with pytest.raises(StepladderError, match=r"scores.prm seed 0 has no step 0 of question q05 sample 0, whose state"):
        values_table((paths, scores), PRM)
    with pytest.raises(StepladderError, match="no alternative next step"):
        ranking_table(([write_rollouts(tmp_path, 0, parents=False)], []))
    with pytest.raises(StepladderError, match="9 of 10 rollouts"):
        values_table(([write_rollouts(tmp_path, 0, n=10)], []))


@pytest.mark.parametrize(("kind", "script"), [("values", "value_table"), ("ranking", "ranking_table")])
def test_the_entry_points(tmp_path, root, files, kind, script):
    rows = [*ROWS, ROWS[0] | {"label": "similar", "estimator": "similarity", "k": 3}]
    spec = (VALUES if kind == "values" else RANKING) | {"rows": rows, "redraws": 2, "resamples": 50}
    job = {"study": "t", "stage": "tables", "name": "n", "step_style": "line", "spec": spec}
    command = [sys.executable, str(root / f"workflow/scripts/{script}.py"), "--job", canonical_json(job)]
    command += ["--input", "rollouts", str(files[0][0]), "--output", str(tmp_path)]
    command += ["--input", "scores"] if kind == "values" else []
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(root / "src")}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    pictures = {"by_step.png"} if kind == "values" else set()
    texts = {"table.csv", "table.html", "table.md", "table.tex", "metrics.json"}
    assert {path.name for path in tmp_path.iterdir()} == texts | pictures
    metrics = read_json(tmp_path / "metrics.json")["metrics"]
    assert len(metrics["rows"]) == 5 + (kind == "ranking") and metrics["seeds"] == 1
    if kind == "values":
        assert [each["states"] for each in metrics["rows"][0]["by_step"]] == [QUESTIONS] * STEPS
        assert metrics["rows"][4]["mse"]["mean"] > 2 * metrics["rows"][0]["mse"]["mean"], "similarity leaves the range"
    json.dumps(metrics, allow_nan=False)
