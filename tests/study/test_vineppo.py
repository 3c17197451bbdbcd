"""VinePPO's study at the smallest size: every row in every table, budgets kept, and what holds whatever is learnt."""

import csv
import json
from pathlib import Path

import pytest

from graph import ROOT, run
from stepladder.records import read_json
from stepladder.study.graph import build
from stepladder.study.load import Sources

SHIPPED = ROOT / "config" / "studies" / "vineppo.yaml"
FILES = [SHIPPED, Path(__file__).parents[1] / "vineppo.yaml"]


def study_of(*files):
    sources = Sources(files)
    return build(sources.merged(), sources)


@pytest.fixture(scope="module")
def study():
    return study_of(*FILES)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vineppo") / "results"
    run(folder, FILES)
    return folder / "vineppo"


def rows_of(results, table):
    with (results / "tables" / table / "table.csv").open() as file:
        return list(csv.DictReader(file))


def averages(results, table):
    return {row["row"]: float(row["mean"]) for row in rows_of(results, table) if row["column"] == "average"}


def metrics(results, node):
    return read_json(results / node / "seed0" / "metrics.json")["metrics"]


def history(results, policy):
    return [json.loads(line) for line in (results / f"policies/{policy}/seed0/history.jsonl").read_text().splitlines()]


def test_the_shipped_tables_have_every_method():
    shipped = study_of(SHIPPED)
    rounds = {"restem_1", "restem_2", "base"}
    for table in ("main", "avg16", "pass16", "maj16", "efficiency"):
        evaluations = [row.evaluation for row in shipped.spec("tables", table).rows]
        judged = [shipped.spec("evaluations", each).policy for each in evaluations]
        assert sorted(judged) == sorted(set(shipped.names("policies")) - rounds), table
    graded = {(row.evaluation, row.grading) for row in shipped.spec("tables", "grading").rows}
    assert graded == {(each, rule) for each in ("sft", "ppo", "vineppo") for rule in ("strict", "published")}
    credits = [shipped.spec("policies", name) for name in shipped.names("policies", "ppo")]
    assert len(credits) == 10 and len({each.token_budget for each in credits}) == 1


def test_every_table_has_all_its_rows(results, study):
    for name in study.names("tables"):
        labels = {row.label for row in study.spec("tables", name).rows}
        chance = {"chance on sft", "chance on ppo"} if study.kind("tables", name) == "ranking" else set()
        assert {row["row"] for row in rows_of(results, name)} == labels | chance, name
    assert {"sums", "rte_quant", "average"} <= {row["column"] for row in rows_of(results, "main")}


def test_one_sample_in_sixteen_is_likelier_right_than_each(results):
    mean, some = averages(results, "avg16"), averages(results, "pass16")
    assert mean.keys() == some.keys() == averages(results, "maj16").keys()
    assert all(mean[row] <= some[row] + 1e-9 for row in mean) and any(mean[row] < some[row] for row in mean)


def test_on_policy_rows_spend_one_budget_and_stop_with_the_iteration_that_reaches_it(results, study):
    policies = study.names("policies", "ppo")
    of_probppo = ["probppo_as_claimed", "probppo_as_coded", "probppo_similarity"]
    assert policies == ["ppo", "grpo", "vineppo_1", "vineppo_9", *of_probppo, "shrinkage"]
    for name in policies:
        spec, said, points = study.spec("policies", name), metrics(results, f"policies/{name}"), history(results, name)
        assert said["iterations"] == len(points) and said["generated_tokens"] == points[-1]["generated_tokens"]
        assert said["generated_tokens"] >= spec.token_budget
        assert all(point["generated_tokens"] < spec.token_budget for point in points[:-1]), name
        if spec.credit.kind == "rollouts":
            assert said["rollouts"] == spec.credit.rollouts * said["distinct_states"] > 0
            assert 0 < said["rollout_tokens"] < said["generated_tokens"]
    iterations = [metrics(results, f"policies/{name}")["iterations"] for name in ("ppo", "vineppo_1", "vineppo_9")]
    assert iterations[0] > iterations[1] >= iterations[2], "values from rollouts are paid for with iterations"


def test_no_policy_has_left_the_reference_before_its_first_update(results, study):
    for name in study.names("policies", "ppo"):
        assert abs(history(results, name)[0]["kl"]) < 1e-5, name


def test_at_temperature_1_all_rollouts_count_under_importance_weights(results):
    for point in history(results, "probppo_as_claimed"):
        assert point["effective"] > 0.999 and point["fallbacks"] == 0


def test_restem_keeps_the_round_that_dev_chose(results, study):
    said = metrics(results, "policies/restem")
    assert list(said["accuracies"]) == ["dev_restem_1", "dev_restem_2"]
    assert said["accuracies"][said["chosen"]] == max(said["accuracies"].values())
    kept = study.spec("evaluations", said["chosen"]).policy
    weights = [(results / f"policies/{name}/seed0/checkpoint/model.safetensors") for name in ("restem", kept)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_values_are_judged_within_and_between_questions(results):
    cells = {(row["row"], row["column"]): float(row["mean"]) for row in rows_of(results, "values")}
    assert cells["mean K 1", "mse"] > cells["mean K 9", "mse"] and cells["critic of PPO", "tokens"] == 0
    assert cells["critic of PPO", "states"] == cells["mean K 9 of PPO", "states"] > 0
    assert cells["mean K 9 adaptive", "tokens"] > 3 / 9 * cells["mean K 9", "tokens"]
    assert ("mean K 9 adaptive", "tokens_mse") in cells and ("critic of PPO", "tokens_mse") not in cells
    equal = "ProbPPO as claimed K 9: importance weights"  # at temperature 1 all weights are
    for column in ("mse", "within", "between"):
        assert cells[equal, column] == pytest.approx(cells["mean K 9", column], abs=0.01)


def test_costs_are_those_of_the_jobs_behind_each_row(results):
    table = rows_of(results, "efficiency")
    spent = {row["row"]: float(row["mean"]) for row in table if row["column"] == "generated tokens"}

    def tokens(*nodes):
        return sum(metrics(results, node)["generated_tokens"] for node in nodes)

    assert spent["SFT"] == 0
    assert spent["GRPO"] == tokens("policies/grpo")
    assert spent["DPO-Positive"] == tokens("trajectories/samples", "trajectories/few", "labels/few")
    rounds = ("trajectories/round_1", "trajectories/round_2", "evaluations/dev_restem_1", "evaluations/dev_restem_2")
    assert spent["RestEM"] == tokens(*rounds)


def test_the_courses_of_on_policy_rows_have_the_points_of_their_histories(results, study):
    with (results / "tables" / "efficiency" / "courses.csv").open() as file:
        points = list(csv.DictReader(file))
    told = ("generated_tokens", "reward", "accuracy", "kl", "explained_variance")
    for row in study.spec("tables", "efficiency").rows:
        policy = study.spec("evaluations", row.evaluation).policy
        shown = [[point[name] for name in told] for point in points if point["row"] == row.label]
        learnt = history(results, policy) if policy in study.names("policies", "ppo") else []
        assert shown == [[str(point.get(name, "")) for name in told] for point in learnt], row.label


def test_both_accuracies_of_answers_in_free_form_are_told(results):
    sums = metrics(results, "evaluations/sft")["sets"]["sums"]
    assert {"accuracy", "accuracy_flexible", "accuracy_as_published"} <= sums.keys()
    assert 0 <= sums["accuracy_as_published"] <= sums["accuracy_flexible"] <= 1


def test_the_published_grading_is_a_row_beside_the_strict_one(results):
    of_sums = {row["row"]: float(row["mean"]) for row in rows_of(results, "grading") if row["column"] == "sums"}
    strict = {row["row"]: float(row["mean"]) for row in rows_of(results, "avg16") if row["column"] == "sums"}
    for label in ("SFT", "VinePPO K 9"):
        assert of_sums[label] == strict[label]
        assert f"{label}, published grading" in of_sums
