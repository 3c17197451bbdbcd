"""LPR's study at the smallest size, on puzzles and on real files: all rows, and what holds whatever is learnt."""

import csv
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from graph import ROOT, run
from stepladder.records import ANSWERS, PAIRS, QUESTIONS, read_json, read_records
from stepladder.study.graph import build
from stepladder.study.load import Sources

SHIPPED = ROOT / "config" / "studies" / "lpr.yaml"
FILES = [SHIPPED, Path(__file__).parents[1] / "lpr.yaml"]
REAL = [SHIPPED, ROOT / "config/overlays/logiqa.yaml"]
SMALL = [*REAL, ROOT / "config/scale/cpu.yaml", Path(__file__).parents[1] / "lpr_real.yaml"]


@pytest.fixture(scope="module")
def study():
    sources = Sources(FILES)
    return build(sources.merged(), sources)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lpr") / "results"
    run(folder, FILES)
    return folder / "lpr"


def rows_of(results, table):
    with (results / "tables" / table / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def metrics(results, node, seed="seed0"):
    return read_json(results / node / seed / "metrics.json")["metrics"]


def pairs(results, name):
    return read_records(results / f"pairs/{name}/seed0/pairs.parquet", PAIRS)


def test_every_table_has_all_its_rows(results, study):
    for name in study.names("tables"):
        labels = {row.label for row in study.spec("tables", name).rows}
        assert labels <= {row["row"] for row in rows_of(results, name)}, name


def test_the_prm_learns_from_questions_that_give_no_pairs(results):
    split = {
        row["question_id"]: row["split"]
        for row in read_records(results / "questions/world/questions.parquet", QUESTIONS)
    }
    for node in ("outcome", "process", "step", "outcome_1"):
        assert {split[row["question_id"]] for row in pairs(results, node)} <= {"rl"}, node


def test_the_control_has_as_many_pairs_of_a_question_as_the_process_pairs(results):
    count = {
        node: Counter(row["question_id"] for row in pairs(results, node)) for node in ("process", "process_random")
    }
    assert count["process"] == count["process_random"] and count["process"].total() > 0


def test_pairs_are_what_their_nodes_say(results):
    for row in pairs(results, "process_like_length"):
        chosen, rejected = len(row["chosen_ids"]), len(row["rejected_ids"])
        assert max(chosen, rejected) <= 1.1 * min(chosen, rejected)
        assert row["chosen_reward"] > row["rejected_reward"]
    shares = ("outcome_40", "outcome")
    asked = [{row["question_id"] for row in pairs(results, node)} for node in shares]
    assert asked[0] <= asked[1]
    assert len({row["pair_id"] for row in pairs(results, "outcome")}) == len(pairs(results, "outcome"))


def test_the_published_loader_repeats_one_pair_a_question(results):
    whole, loaded = metrics(results, "policies/pdpo"), metrics(results, "policies/pdpo_as_loaded")
    questions = {row["question_id"] for node in ("outcome", "process") for row in pairs(results, node)}
    assert loaded["distinct_pairs"] == len(questions) < whole["distinct_pairs"]


def test_no_policy_has_left_the_reference_before_its_first_update(results, study):
    for name in study.names("policies", "ppo"):
        with (results / f"policies/{name}/seed0/history.jsonl").open() as file:
            assert abs(json.loads(next(file))["kl"]) < 1e-5, name


def test_the_second_round_replays_part_of_the_first_and_dev_chooses(results, study):
    assert metrics(results, "prms/counts_1")["replayed"] > 0
    chosen = study.spec("evaluations", metrics(results, "policies/last_round")["chosen"]).policy
    weights = [results / f"policies/{name}/seed0/checkpoint/model.safetensors" for name in ("last_round", chosen)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_options_in_another_order_are_the_same_questions(results):
    as_given, shuffled = (
        {row["question_id"]: row for row in read_records(results / f"evaluations/{name}/seed0/answers.parquet", ANSWERS)
         if row["decoding"] == "greedy"}
        for name in ("sft", "sft_shuffled")
    )  # fmt: skip
    assert as_given.keys() == shuffled.keys()
    assert {tuple(row["option_order"]) for row in as_given.values()} == {(1, 2, 3, 4)}
    orders = [tuple(row["option_order"]) for row in shuffled.values()]
    assert len(set(orders)) > 1 and all(sorted(order) == [1, 2, 3, 4] for order in orders)


def test_of_reclor_much_stands_in_what_was_learnt_from(real_data, tmp_path):
    folder, data = tmp_path / "results", {"data_dir": os.path.relpath(real_data, ROOT)}
    run(folder, REAL, str(folder / "lpr_logiqa/tables/contamination/table.csv"), config=data)
    results = folder / "lpr_logiqa"
    read = {name: read_json(results / f"questions/{name}/metrics.json")["counts"] for name in ("world", "reclor")}
    assert read["world"]["rows_in"] == 1569 + 1572 + 575 and read["reclor"]["rows_in"] == 500
    for name, asked, least in (("logiqa2", 1558, 20), ("reclor", 500, 20)):
        audited = metrics(results, f"audits/{name}", "")
        found = [audited[key] for key in ("seen_word_for_word", "seen_nearly", "clean")]
        assert sum(found) == audited["questions"] == asked and found[0] >= least, (name, audited)
    assert {row["row"] for row in rows_of(results, "contamination")} == {"LogiQA 2.0 test", "ReClor validation"}


def test_real_files_give_the_clean_subset_beside_the_whole(real_data, tmp_path):
    folder = tmp_path / "results"
    tables = [str(folder / f"lpr_logiqa/tables/{name}/table.csv") for name in ("clean", "reclor")]
    run(folder, SMALL, *tables, config={"data_dir": os.path.relpath(real_data, ROOT)})
    for name in ("clean", "reclor"):
        rows = rows_of(folder / "lpr_logiqa", name)
        assert {"SFT", "SFT, clean", "pDPO", "pDPO, clean"} <= {row["row"] for row in rows}
