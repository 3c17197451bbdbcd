"""Published answers to the questions of a split: matched by text, graded by ours, cut as a policy's own."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from file_host import COMMIT, file_host

import tiny
from stepladder.errors import StepladderError
from stepladder.generation.candidates import Answers, candidate_rows, read_answers
from stepladder.questions.collect import collect
from stepladder.questions.mathematics.checker import process_checker
from stepladder.reasoning.tokens import decode, step_ends
from stepladder.records import QUESTIONS, TRAJECTORIES, Counts, read_json, read_records, write_records
from stepladder.study.specs.questions import Questions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def workers():
    yield
    process_checker().close()


def question(name: str, text: str, answer: str = "7") -> dict:
    return {
        "question_id": name, "dataset": "gsm8k", "version": 1, "split": "test", "fields": {"question": text},
        "options": [], "answer": answer, "prompt": f"Q {text}\n", "solution": None, "demonstration": None,
    }  # fmt: skip


def rows_of(answers: list[Answers], questions: list[dict], longest: int = 100):
    counts = Counts()
    rows, about = candidate_rows(answers, questions, tiny.tokenizer(), "line", longest, counts)
    return rows, about, counts.as_data()


def test_questions_are_matched_by_text_and_nothing_else():
    questions = [
        question("b", "How  many\ncats?"),
        question("a", "Why?"),
        question("c", "Twice?"),
        question("d", "twice?"),
    ]
    answers = [
        Answers("how many cats?", ("So\n#### 7", "#### 8")),
        Answers("Which?", ("#### 7",) * 3),
        Answers("How many cats?", ("#### 7",)),
        Answers("Twice?", ("#### 7",)),
    ]
    rows, about, counts = rows_of(answers, questions)
    assert [(row["question_id"], row["sample"], row["answer"], row["correct"]) for row in rows] == [
        ("b", 0, "7", True), ("b", 1, "8", False)
    ]  # fmt: skip
    assert about == {"questions": 1, "questions_without_answers": 3}
    assert counts == {
        "rows_in": 7,
        "rows_out": 2,
        "dropped": {
            "question a second time in the file": 1,
            "question not in the split": 3,
            "several questions have its text": 1,
        },
    }


def test_a_candidate_is_a_record_as_a_sampled_answer_is(tmp_path):
    rows, _, _ = rows_of(
        [
            Answers("Why?", ("1. so\n2. then\n#### 7", "")),
        ],
        [question("a", "Why?")],
    )
    tokenizer = tiny.tokenizer()
    first, empty = rows
    assert decode(tokenizer, first["prompt_ids"]) == "Q Why?\n" and first["token_ids"][-1] == tokenizer.eos_token_id
    assert step_ends(tokenizer, first["token_ids"], "line") == (first["text"], first["step_ends"])
    assert len(first["step_ends"]) == 3 and first["logprobs"] == [] and first["finish_reason"] == "stop"
    assert (empty["step_ends"], empty["answer"], empty["correct"]) == ([], None, False)
    write_records(rows, TRAJECTORIES, tmp_path / "t")


def test_long_answers_are_left_out_and_leave_the_others_their_number():
    answers = [Answers("Why?", ("x " * 90, "#### 7"), (False, False))]
    rows, about, counts = rows_of(answers, [question("a", "Why?")], longest=60)
    assert [row["sample"] for row in rows] == [1] and counts["dropped"] == {"longer than 60 tokens": 1}
    assert about["published_grades"] == {"agree": 1, "disagree": 1}


def written(tmp_path, data) -> Path:
    path = tmp_path / "eval.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_texts_of_pqm_go_on_from_their_prompt_and_keep_their_last_letters(tmp_path):
    texts = [" We join the class</s>", "Step 1: as<s>\nStep 2: less", " step 1: s</s>  "]
    record = {"question": "Q", "responses": [{"text": text, "model_name": "m"} for text in texts]}
    (found,) = read_answers(written(tmp_path, [record]), "pqm")
    assert found == Answers("Q", ("Step 1: We join the class", "Step 1: as<s>\nStep 2: less", "step 1: s"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "not a JSON array"),
        ([{"question": "Q"}], "record 1: needs a question and responses"),
        ([{"question": "Q", "responses": [{"text": "a"}]}, {"question": 1, "responses": [{"text": "a"}]}], "record 2"),
        ([{"question": "Q", "responses": []}], "there must be responses"),
    ],
)
def test_a_file_of_another_form_is_one_clear_line(tmp_path, data, said):
    with pytest.raises(StepladderError, match=said):
        read_answers(written(tmp_path, data), "pqm")


def test_the_published_answers_to_gsm8k(tmp_path, real_data):
    spec = Questions(source="local", sets=("gsm8k",), splits={"test": 30.0})
    questions, _, _ = collect(spec, real_data, tmp_path)
    write_records(questions, QUESTIONS, tmp_path / "questions.parquet")
    policy = tiny.checkpoint(tmp_path / "policy")
    config = json.loads((policy / "config.json").read_text())
    (policy / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
    node = {
        "method": "candidates", "format": "gsm8k", "file": "gsm8k/example_model_solutions.jsonl", "questions": "q",
        "split": "test", "tokenizer": "p",
    }  # fmt: skip
    inputs = {
        "tokenizer": policy,
        "questions": tmp_path / "questions.parquet",
        "files": real_data / "gsm8k" / "example_model_solutions.jsonl",
    }
    main = runpy.run_path(str(ROOT / "workflow" / "scripts" / "candidates.py"))["main"]
    main(tiny.job(tmp_path / "made", "trajectories", node, inputs))
    rows = read_records(tmp_path / "made" / "trajectories.parquet", TRAJECTORIES)
    assert len(rows) == 120 and all(row["step_ends"] for row in rows)
    metrics = read_json(tmp_path / "made" / "metrics.json")
    assert metrics["counts"]["dropped"] == {"question not in the split": 4 * (1319 - 30)}
    assert sum(metrics["metrics"]["published_grades"].values()) == 120
    assert metrics["metrics"]["published_grades"]["disagree"] <= 2


FETCH = """
import sys
from pathlib import Path
from stepladder.generation.candidates import read_answers, source_of
from stepladder.study.specs.trajectories import Candidates
named = {"file": "x.json", "questions": "q", "split": "s", "tokenizer": "p"}
spec = Candidates(method="candidates", format="pqm", source="hub", **named)
source = source_of(spec, [], Path(sys.argv[1]))
print(source.origin.revision, read_answers(source.path, "pqm")[0].texts)
"""


def test_pqm_on_the_hub_is_a_model_repository_at_the_commit_of_its_branch(tmp_path):
    with file_host() as host:
        about = {"id": "Windy0822/PQM", "sha": COMMIT, "siblings": [], "tags": []}
        commits = [{"id": COMMIT, "title": "t", "message": "m", "authors": [], "date": "2025-01-01T00:00:00.000Z"}]
        host.files["/api/models/Windy0822/PQM/revision/main"] = json.dumps(about).encode()
        host.files["/api/models/Windy0822/PQM/commits/main"] = json.dumps(commits).encode()
        content = [{"question": "Q", "responses": [{"text": " a"}]}]
        host.files[f"/Windy0822/PQM/resolve/{COMMIT}/eval_data/x.json"] = json.dumps(content).encode()
        # The client reads its address when it is imported, hence a process of its own.
        environment = {"HF_ENDPOINT": host.address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        command = [sys.executable, "-c", FETCH, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment})
        assert done.stdout == f"{COMMIT} ('Step 1: a',)\n", done.stderr
