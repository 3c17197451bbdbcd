"""The quickstart learns: ranges and paired gains of one seed, far enough from chance to fail when a stage is broken."""

import csv
import json
from pathlib import Path

import pytest

from graph import QUICKSTART, run


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("quickstart") / "results"
    run(folder, [QUICKSTART])
    return folder / "quickstart"


@pytest.fixture(scope="module")
def average(results) -> dict[str, dict[str, float]]:
    with (results / "tables/main/table.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["column"] == "average"]
    numbers = ("mean", "difference", "difference_low", "difference_high")
    return {row["row"]: {name: float(row[name]) for name in numbers if row[name]} for row in rows}


def metrics(results: Path, node: str) -> dict:
    return json.loads((results / node / "seed0/metrics.json").read_text())["metrics"]


def test_sft_is_between_chance_and_mastery_and_keeps_the_form(results, average):
    assert 45 < average["SFT"]["mean"] < 75
    assert metrics(results, "evaluations/sft")["average"]["unparsable"] < 0.03


@pytest.mark.parametrize("prm", ["bce", "rank"])
def test_prm_tells_good_steps_from_bad_on_questions_it_has_not_seen(results, prm):
    assert metrics(results, f"prms/{prm}")["step_auc"] > 0.68


def test_choosing_by_prm_beats_greedy_and_voting(average):
    chosen = average["SFT + PRM (bce) BoN@8"]
    assert chosen["difference_low"] > 0
    assert chosen["mean"] > average["SFT + SC@8"]["mean"]


@pytest.mark.parametrize("row", ["DPO outcome pairs", "DPO outcome + process pairs", "PSPO-WRS PPO + outcome"])
def test_training_on_signal_gains(average, row):
    assert average[row]["difference_low"] > 0


def test_training_on_random_pairs_gains_nothing(average):
    assert abs(average["DPO random pairs (control)"]["difference"]) < 5
