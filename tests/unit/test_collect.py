"""A question set from its spec: splits, sizes, leaks, prompts, and nothing lost uncounted."""

import json
from dataclasses import replace

import pytest

from stepladder.errors import StepladderError
from stepladder.questions import world
from stepladder.questions.collect import DATASETS, collect, question_of
from stepladder.questions.identity import question_id
from stepladder.questions.judging import are_right
from stepladder.questions.prompts import build_prompt
from stepladder.questions.world import fingerprint, first_wrong_step
from stepladder.records import QUESTIONS, read_records, write_records
from stepladder.report.layout import DISPLAY_NAMES
from stepladder.study.checks import LOCAL_FILES
from stepladder.study.fields import DATASETS as NAMES
from stepladder.study.fields import WORLD_SETS
from stepladder.study.specs.questions import Questions


def spec(**keys) -> Questions:
    return Questions.model_validate({"source": "generated", "sets": list(WORLD_SETS), **keys})


def ids(rows, split, dataset=None) -> set[str]:
    return {r["question_id"] for r in rows if r["split"] == split and dataset in (None, r["dataset"])}


def run(tmp_path, data=None, **keys):
    return collect(spec(**keys), data or tmp_path, tmp_path / "cache")


def test_every_data_set_of_the_specs_has_a_module():
    assert set(DATASETS) == set(NAMES)
    assert world.DATASETS == WORLD_SETS
    assert set(LOCAL_FILES) == set(NAMES) == set(DISPLAY_NAMES)


def test_generated_splits_are_whole_disjoint_and_reported(tmp_path):
    rows, report, counts = run(tmp_path, splits={"sft": 40, "rl": 25, "test": 15})
    assert counts.as_data() == {"rows_in": 8 * 80, "rows_out": 8 * 80, "dropped": {}}
    marks = {}
    for row in rows:
        marks.setdefault(fingerprint(question_of(row)), set()).add(row["split"])
    assert len(marks) == len(rows) and len({row["question_id"] for row in rows}) == len(rows)
    for dataset in WORLD_SETS:
        assert report[dataset]["questions"] == {"sft": 40, "rl": 25, "test": 15}
        assert [len(ids(rows, split, dataset)) for split in ("sft", "rl", "test")] == [40, 25, 15]
        assert set(report[dataset]["overlap"]) == {"sft/rl", "sft/test", "rl/test"}
        assert all(found["exact"] == found["near"] == 0 for found in report[dataset]["overlap"].values())


def test_splits_stay_disjoint_where_draws_repeat(tmp_path):
    """Of 600 questions of these two families, drawn twice, a few are the same."""
    rows, _, _ = run(tmp_path, splits={"sft": 600, "test": 600}, sets=["stresstest", "qqa"])
    marks = {split: {fingerprint(question_of(r)) for r in rows if r["split"] == split} for split in ("sft", "test")}
    assert len(marks["sft"]) == len(marks["test"]) == 1200 and not marks["sft"] & marks["test"]


def test_a_split_does_not_depend_on_larger_ones_and_the_world_on_its_seed(tmp_path):
    small, _, _ = run(tmp_path, splits={"sft": 20, "test": 10})
    large, _, _ = run(tmp_path, splits={"test": 10, "sft": 60})
    other, _, _ = run(tmp_path, splits={"sft": 20, "test": 10}, seed=1)
    assert ids(small, "test") == ids(large, "test")
    assert not ids(small, "test") & ids(other, "test")


def test_rows_hold_the_one_prompt_the_gold_chain_and_fit_their_table(tmp_path):
    rows, _, _ = run(tmp_path, splits={"test": 5}, instruction=True)
    for row in rows:
        question = question_of(row)
        assert row["question_id"] == question_id(question)
        assert row["prompt"] == build_prompt(question, instruction=True) != build_prompt(question, instruction=False)
        assert first_wrong_step(question, row["solution"]) is None
        assert are_right([row["solution"]], question) == [True]
        assert row["version"] == DATASETS[row["dataset"]].VERSION
    write_records(rows, QUESTIONS, tmp_path / "t")
    assert read_records(tmp_path / "t", QUESTIONS) == rows


def test_difficulty_reaches_the_world(tmp_path):
    honest, _, _ = run(tmp_path, splits={"sft": 60}, difficulty={"hasty": 0})
    hasty, _, _ = run(tmp_path, splits={"sft": 60}, difficulty={"hasty": 1.25})
    assert all(row["demonstration"] == row["solution"] for row in honest)
    assert any(row["demonstration"] != row["solution"] for row in hasty)


def test_local_questions_are_split_by_share_and_nothing_is_lost(tmp_path, real_data):
    rows, report, counts = run(
        tmp_path, real_data, source="local", splits={"train": 0.7, "test": 0.3}, limit=None,
        sets=["awpnli", "newsnli", "redditnli", "rte_quant", "qqa"],
    )  # fmt: skip
    data = counts.as_data()
    assert data["rows_in"] == data["rows_out"] + sum(data["dropped"].values())
    assert data["rows_out"] == len(rows)
    assert not ids(rows, "train") & ids(rows, "test")
    for dataset, said in report.items():
        sizes = said["questions"]
        assert all(found["exact"] == found["near"] == 0 for found in said["overlap"].values())
        assert all(len(checksum) == 64 for checksum in said["files"].values())
        if dataset != "qqa":
            assert 0.2 < sizes["test"] / sum(sizes.values()) < 0.4
    assert all(row["solution"] is None and "####" in row["demonstration"] for row in rows)


def test_the_published_test_questions_stay_test_questions(tmp_path, real_data):
    keys = {"source": "local", "sets": ["qqa"]}
    published = {
        split: {
            " ".join(record["question"].split())
            for record in json.loads((real_data / f"qqa/QQA_{split}.json").read_text())
        }
        for split in ("train", "test")
    }
    rows, report, counts = run(tmp_path, real_data, splits={"train": 0.5, "dev": 0.2, "test": 0.3}, **keys)
    for row in rows:
        source = "test" if row["split"] == "test" else "train"
        assert row["fields"]["question"] in published[source]
    sizes = report["qqa"]["questions"]
    assert sizes["test"] > 150 and sizes["train"] + sizes["dev"] > 500, "the shares of the others share the rest"
    assert 0.6 < sizes["train"] / (sizes["train"] + sizes["dev"]) < 0.8
    data = counts.as_data()
    assert data["rows_in"] == data["rows_out"] + sum(data["dropped"].values())

    only, report, _ = run(tmp_path, real_data, splits={"test": 0.3}, **keys)
    assert ids(only, "test") == ids(rows, "test")


def test_a_limit_is_kept_and_does_not_depend_on_file_order(tmp_path, real_data):
    keys = {"source": "local", "sets": ["awpnli", "qqa"], "splits": {"train": 0.75, "test": 0.25}}
    rows, report, counts = run(tmp_path, real_data, limit=60, **keys)
    assert sum(report["awpnli"]["questions"].values()) <= 60
    assert report["qqa"]["questions"]["test"] == 15 and report["qqa"]["questions"]["train"] <= 60
    data = counts.as_data()
    assert data["dropped"]["awpnli: over the limit"] > 0
    assert data["rows_in"] == data["rows_out"] + sum(data["dropped"].values())
    larger, _, _ = run(tmp_path, real_data, limit=90, **keys)
    assert {row["question_id"] for row in rows} <= {row["question_id"] for row in larger}


@pytest.mark.parametrize("dataset", [name for name in NAMES if LOCAL_FILES[name]])
def test_a_row_gives_back_its_question(dataset, tmp_path, real_data):
    """So every stage grades by the published answer itself, whatever its form."""
    rows, _, _ = run(tmp_path, real_data, source="local", sets=[dataset], splits={"test": 0.2})
    write_records(rows, QUESTIONS, tmp_path / "t")
    loaded = {question_id(question): question for question in DATASETS[dataset].load_local(real_data).questions}
    assert rows
    for row in read_records(tmp_path / "t", QUESTIONS):
        question = question_of(row)
        published = loaded[row["question_id"]]
        assert question == replace(published, demonstration=row["demonstration"])
        assert published.demonstration in (None, row["demonstration"])


@pytest.mark.parametrize("dataset", ["gsm8k", "gsm_plus", "math500"])
def test_demonstrations_of_free_answers_are_right(dataset, tmp_path, real_data):
    keys = {"source": "local", "sets": [dataset], "limit": 100}
    rows, _, _ = run(tmp_path, real_data, splits={"test": 0.99}, **keys)
    assert len(rows) > 50
    for row in rows:
        assert row["prompt"] == f"### question: {row['fields']['question']}\n### Response: Let's think step by step.\n"
        assert are_right([row["demonstration"]], question_of(row)) == [True]


def test_a_set_that_is_a_test_split_alone_fills_no_other(tmp_path, real_data):
    keys = {"source": "local", "splits": {"sft": 30, "rl": 10, "test": 20}}
    rows, report, counts = run(tmp_path, real_data, sets=["gsm8k", "gsm_plus", "math500"], **keys)
    assert {dataset: about["questions"] for dataset, about in report.items()} == {
        "gsm8k": {"sft": 30, "rl": 10, "test": 20},
        "gsm_plus": {"sft": 0, "rl": 0, "test": 20},
        "math500": {"sft": 0, "rl": 0, "test": 20},
    }
    data = counts.as_data()
    assert data["rows_in"] == data["rows_out"] + sum(data["dropped"].values()) and data["rows_out"] == len(rows)
    with pytest.raises(StepladderError, match=r"split 'sft' has no question: .* test split alone") as error:
        run(tmp_path, real_data, sets=["math500"], **keys)
    assert "\n" not in str(error.value)


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(StepladderError, match=r"found no equate/AWPNLI\.csv") as error:
        run(tmp_path, source="local", sets=["awpnli"], splits={"test": 0.5})
    assert "\n" not in str(error.value)


@pytest.fixture
def leaking(tmp_path, monkeypatch):
    """QQA as published, but for a test question that is a training question with another full stop."""
    train = [
        {
            "question": f"Which of {i} and {i + 3} is more?",
            "option1": f"{i}",
            "option2": f"{i + 3}",
            "label": "option 2",
        }
        for i in range(30)
    ]
    test = [dict(train[4], question=train[4]["question"].rstrip("?") + "!"),
            {"question": "Which is heavier?", "option1": "7 kg", "option2": "9 kg", "label": "option 2"}]  # fmt: skip
    (tmp_path / "qqa").mkdir()
    (tmp_path / "qqa/QQA_train.json").write_text(json.dumps(train))
    (tmp_path / "qqa/QQA_test.json").write_text(json.dumps(test))
    return tmp_path


def test_a_leak_is_an_error_unless_it_is_allowed_by_name(leaking, tmp_path):
    keys = {"source": "local", "sets": ["qqa"], "splits": {"train": 0.5, "dev": 0.3, "test": 0.2}}
    with pytest.raises(StepladderError, match=r"qqa: splits (train|dev) and test share 1 questions") as error:
        run(tmp_path, leaking, **keys)
    assert "\n" not in str(error.value) and "allow_overlap: ['" in str(error.value)
    with pytest.raises(StepladderError, match="share 1 questions"):
        run(tmp_path, leaking, allow_overlap=["train/dev"], **keys)
    rows, report, _ = run(tmp_path, leaking, allow_overlap=["train/test", "test/dev"], **keys)
    assert len(ids(rows, "test")) == 2
    assert sum(found["exact"] for found in report["qqa"]["overlap"].values()) == 1
