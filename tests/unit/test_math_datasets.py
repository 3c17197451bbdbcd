"""GSM8K, GSM-Plus and MATH500: their files, their gold answers, and the published solutions by models."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from stepladder.errors import StepladderError
from stepladder.questions import gsm8k, gsm_plus, hub, loading, math500
from stepladder.questions.hub import HubFile
from stepladder.questions.identity import question_id
from stepladder.questions.mathematics.checker import Checker
from stepladder.questions.mathematics.extraction import extract_answer
from stepladder.questions.mathematics.forms import UNANSWERABLE, compare, form
from stepladder.questions.mathematics.grading import equal, grade
from stepladder.questions.question import Question

SETS = [gsm8k, gsm_plus, math500]
SPLITS = {"gsm8k": {"train": 7473, "test": 1319}, "gsm_plus": {"test": 2400}, "math500": {"test": 500}}
EXACT = {"gsm8k": 8792, "gsm_plus": 2400, "math500": 424}


def name_of(dataset) -> str:
    return dataset.NAME


@pytest.fixture(scope="module")
def checker():
    with Checker(workers=2) as workers:
        yield workers


@pytest.mark.parametrize("dataset", SETS, ids=name_of)
def test_files_as_published(dataset, real_data):
    loaded = dataset.load_local(real_data)
    sizes = SPLITS[dataset.NAME]
    assert {split: len(positions) for split, positions in loaded.published_split.items()} == sizes
    assert loaded.rows_in == len(loaded.questions) == sum(sizes.values())
    assert loaded.dropped == {}
    assert len({question_id(question) for question in loaded.questions}) == len(loaded.questions)
    assert {(question.dataset, question.options) for question in loaded.questions} == {(dataset.NAME, ())}


@pytest.mark.parametrize("dataset", SETS, ids=name_of)
def test_local_files_are_those_of_the_pinned_commits(dataset, real_data):
    for hub_file, source in zip(dataset.HUB.values(), dataset.load_local(real_data).sources, strict=True):
        hub._verify(hub_file, source.path)
    hub._verify(gsm8k.SOLUTIONS_HUB, gsm8k.local_solutions(real_data).path)


@pytest.mark.parametrize("dataset", SETS, ids=name_of)
def test_every_gold_answer_is_read_from_its_solution_and_equals_itself(dataset, real_data, checker):
    questions = dataset.load_local(real_data).questions
    for strict in (True, False):
        read = [extract_answer(question.solution, strict) for question in questions]
        found = equal([(text or "", question.answer) for text, question in zip(read, questions, strict=True)], checker)
        assert [question.answer for question, same in zip(questions, found, strict=True) if not same] == []
    assert sum(form(question.answer).exact for question in questions) == EXACT[dataset.NAME]


def test_gold_answers_of_other_questions_are_wrong_unless_they_are_equal(real_data):
    questions = [q for dataset in SETS for q in dataset.load_local(real_data).questions]
    exact = [form(question.answer) for question in questions if form(question.answer).exact]
    for first, second in pairwise(exact):
        assert (compare(first, second) == "equal") == (first.text == second.text)
        assert compare(first, second) != "undecided"


def test_questions_without_an_answer(real_data):
    golds = Counter(q.answer == UNANSWERABLE for q in gsm_plus.load_local(real_data).questions)
    assert golds == {True: 300, False: 2100}


def test_published_solutions_are_graded_as_they_were_published(real_data, checker):
    loaded = gsm8k.load_local(real_data)
    test = [loaded.questions[place] for place in loaded.published_split["test"]]
    golds = {question.fields["question"]: question.answer for question in test}
    solutions = gsm8k.read_solutions(gsm8k.local_solutions(real_data).path)
    assert [solution.question for solution in solutions[::4]] == [question.fields["question"] for question in test]
    right = Counter()
    for solution in solutions:
        answers = [extract_answer(solution.text, strict) for strict in (True, False)]
        assert set(grade(answers, golds[solution.question], checker)) == {solution.published_correct}
        right[solution.model] += solution.published_correct
    # methods/pqm.md: 21.7 %, 39.0 %, 34.7 % and 56.3 % of 1,319
    assert right == dict(zip(gsm8k.MODELS, (286, 515, 458, 742), strict=True))


RECORDS = {
    gsm8k: {"question": "How many\n eggs?", "answer": "2*3 = <<2*3=6>>6\n#### 1,006"},
    gsm_plus: {"question": "How many\n eggs?", "solution": "Unknown.\n#### None", "answer": "None"},
    math500: {
        "problem": "How many\n eggs?",
        "solution": "So \\boxed{\\frac12}.",
        "answer": "\\frac12",
        "level": "Level 2",
    },
}
EXPECTED = {
    gsm8k: ("1,006", "2*3 = 6\n#### 1,006", "2*3 = 6\n#### 1,006"),
    gsm_plus: ("unanswerable", "Unknown.\n#### None", "Unknown.\n#### None"),
    math500: ("\\frac12", "So \\boxed{\\frac12}.", "So \\boxed{\\frac12}."),
}


def write(folder: Path, dataset, *records: object) -> Path:
    for file in dataset.FILES.values():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize("dataset", SETS, ids=name_of)
def test_a_record_becomes_a_question(dataset, tmp_path):
    answer, solution, demonstration = EXPECTED[dataset]
    loaded = dataset.load_local(write(tmp_path, dataset, RECORDS[dataset], RECORDS[dataset]))
    asked = Question(dataset.NAME, {"question": "How many eggs?"}, (), answer, solution, demonstration)
    assert loaded.questions == [asked] * len(loaded.published_split)
    assert loaded.dropped == {"duplicate": len(loaded.published_split)}


@pytest.mark.parametrize(
    ("dataset", "changed", "message"),
    [
        (gsm8k, {"answer": "six"}, "row 1: the answer must end with '#### ' and a number, got ''"),
        (gsm8k, {"answer": "#### six"}, "row 1: the answer must end with '#### ' and a number, got 'six'"),
        (gsm8k, {"answer": None}, "row 1: no answer; a record needs question, answer"),
        (gsm8k, {"question": 3}, "row 1: question, answer must be text"),
        (gsm_plus, {"answer": "six"}, "row 1: the answer must be a number or None, got 'six'"),
        (gsm_plus, {"answer": 6}, "row 1: .* must be text"),
        (math500, {"answer": " "}, "row 1: the answer must have 1 to 1000 characters, got 0"),
        (math500, {"answer": "1" * 1001}, "row 1: the answer must have 1 to 1000 characters, got 1001"),
        (math500, {"problem": None}, "row 1: no problem"),
    ],
)
def test_a_wrong_record_is_one_clear_line(dataset, changed, message, tmp_path):
    write(tmp_path, dataset, RECORDS[dataset] | changed)
    with pytest.raises(StepladderError, match=message) as error:
        dataset.load_local(tmp_path)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


@pytest.mark.parametrize("dataset", SETS, ids=name_of)
def test_a_missing_file_and_a_broken_line_are_one_clear_line(dataset, tmp_path):
    with pytest.raises(StepladderError, match="point the path at the folder that holds it"):
        dataset.load_local(tmp_path)
    with pytest.raises(StepladderError, match="row 2: not JSON"):
        dataset.load_local(write(tmp_path, dataset, RECORDS[dataset], "{"))
    with pytest.raises(StepladderError, match="row 1: not a JSON object"):
        dataset.load_local(write(tmp_path, dataset, "[1]"))


@pytest.mark.parametrize("dataset", SETS, ids=name_of)
def test_the_hub_files_are_read_like_local_ones(dataset, tmp_path, monkeypatch):
    local = write(tmp_path / "local", dataset, RECORDS[dataset])
    fetched: list[HubFile] = []

    def fetch(hub_file: HubFile, cache: Path) -> hub.SourceFile:
        fetched.append(hub_file)
        return hub.local_source(local / list(dataset.FILES.values())[len(fetched) - 1])

    monkeypatch.setattr(loading, "fetch", fetch)
    assert dataset.load_hub(tmp_path).questions == dataset.load_local(local).questions
    assert all(len(file.revision) == 40 and file.checksum.startswith("git-blob:") for file in fetched)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"175b_finetuning": None}, "row 1: 175b_finetuning must hold a solution and is_correct"),
        ({"6b_finetuning": {"solution": "A: 1", "is_correct": 1}}, "6b_finetuning must hold"),
        ({"6b_finetuning": {"is_correct": True}}, "row 1, 6b_finetuning: no solution"),
    ],
)
def test_wrong_solutions_are_one_clear_line(changed, message, tmp_path):
    record = {"question": "How?"} | {model: {"solution": "A: 1", "is_correct": True} for model in gsm8k.MODELS}
    path = tmp_path / "solutions.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert [solution.text for solution in gsm8k.read_solutions(path)] == ["#### 1"] * 4
    path.write_text(json.dumps(record | changed), encoding="utf-8")
    with pytest.raises(StepladderError, match=message):
        gsm8k.read_solutions(path)
