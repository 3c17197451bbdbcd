"""Real questions with answers in free form through every stage: answers are read, named and graded alike in all."""

import csv
import os
from pathlib import Path

from graph import ROOT, run
from stepladder.questions import gsm8k, gsm_plus, math500
from stepladder.questions.collect import question_of
from stepladder.questions.identity import question_id
from stepladder.questions.judging import are_right, gold_answer
from stepladder.records import ANSWERS, LABELS, QUESTIONS, TRAJECTORIES, read_json, read_records

STUDY = Path(__file__).parents[1] / "mathematics.yaml"
SETS = {dataset.NAME: dataset for dataset in (gsm8k, gsm_plus, math500)}


def test_real_mathematics_goes_through_every_stage(real_data, tmp_path):
    run(tmp_path / "results", [STUDY], config={"data_dir": os.path.relpath(real_data, ROOT)})
    results = tmp_path / "results" / "mathematics"
    rows = {row["question_id"]: row for row in read_records(results / "questions/math/questions.parquet", QUESTIONS)}
    published = {
        question_id(question): question
        for dataset in SETS.values()
        for question in dataset.load_local(real_data).questions
    }
    asked = {key: question_of(row) for key, row in rows.items()}
    assert asked == {key: published[key] for key in rows} and len(rows) == 12

    trajectories = read_records(results / "trajectories/known/seed0/trajectories.parquet", TRAJECTORIES)
    answers = read_records(results / "evaluations/sft/seed0/answers.parquet", ANSWERS)
    for row in (*trajectories, *answers):
        question = asked[row["question_id"]]
        assert row["correct"] == are_right([row["text"]], question)[0] == (row["answer"] == gold_answer(question))
        assert row["correct_flexible"] == (row["answer_flexible"] == gold_answer(question))
    assert {row["dataset"] for row in answers if row["correct"]} == set(SETS)

    right = {(row["question_id"], row["sample"]): row["correct"] for row in trajectories}
    labels = read_records(results / "labels/rollouts/seed0/labels.parquet", LABELS)
    for label in (label for label in labels if label["finished"]):
        assert label["hard"] == right[label["question_id"], label["sample"]]
    assert {label["hard"] for label in labels if not label["finished"]} == {True, False}

    said = read_json(results / "evaluations/sft/seed0/metrics.json")["metrics"]["sets"]
    for dataset, measured in said.items():
        greedy = [row for row in answers if row["dataset"] == dataset and row["decoding"] == "greedy"]
        assert measured["accuracy"] == sum(row["correct"] for row in greedy) / 4
    assert said["gsm_plus"]["unanswerable"]["questions"] == 1 and said["gsm_plus"]["answerable"]["questions"] == 3
    assert said["gsm_plus"]["accuracy_as_published"] <= 0.75, "no question without an answer is right by PQM's rule"

    with (results / "tables/main/table.csv").open() as file:
        table = {(row["row"], row["column"]): float(row["mean"]) for row in csv.DictReader(file)}
    for dataset, measured in said.items():
        assert table["SFT", dataset] == 100 * measured["accuracy"]
    assert table["SFT", "gsm_plus unanswerable"] == 100 * said["gsm_plus"]["unanswerable"]["accuracy"]
