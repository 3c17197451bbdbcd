"""The six data sets from local files, the identity of questions, and what loaders refuse."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepladder.errors import StepladderError
from stepladder.questions import awpnli, equate, hub, newsnli, qqa, redditnli, rte_quant, stresstest
from stepladder.questions.identity import question_id
from stepladder.questions.loading import option_index
from stepladder.questions.question import Question
from stepladder.questions.world import DATASETS, generate_questions

EQUATE_SETS = [awpnli, newsnli, redditnli, rte_quant, stresstest]
ALL_SETS = [*EQUATE_SETS, qqa]

# rows, rows of each label in the order of the options, repeated rows (methods: label counts as published)
PUBLISHED = {
    "awpnli": (722, {"entailment": 361, "contradiction": 361}, 0),
    "newsnli": (968, {"entailment": 491, "neutral": 477}, 5),
    "redditnli": (250, {"entailment": 146, "contradiction": 19, "neutral": 85}, 3),
    "rte_quant": (166, {"entailment": 70, "neutral": 96}, 1),
    "stresstest": (7596, {"entailment": 2532, "contradiction": 2532, "neutral": 2532}, 643),
}

HEADER = "premise,hypothesis,label,sample_index\n"


def name_of(dataset) -> str:
    return dataset.NAME


@pytest.mark.parametrize("dataset", EQUATE_SETS, ids=name_of)
def test_equate_as_published(dataset, real_data):
    rows, labels, repeated = PUBLISHED[dataset.NAME]
    path = real_data / dataset.FILES[0]
    assert Counter(label for _, _, label, _ in equate.read_pairs(path)) == labels
    loaded = dataset.load_local(real_data)
    assert loaded.rows_in == rows
    assert loaded.dropped == ({"duplicate": repeated} if repeated else {})
    assert len(loaded.questions) == rows - repeated == len({question_id(question) for question in loaded.questions})
    assert [name.lower() for name in dataset.OPTIONS] == list(labels)
    assert {(question.dataset, question.options) for question in loaded.questions} == {(dataset.NAME, dataset.OPTIONS)}
    assert loaded.published_split == {}
    assert [source.sha256 for source in loaded.sources] == [hashlib.sha256(path.read_bytes()).hexdigest()]


@pytest.mark.parametrize("dataset", EQUATE_SETS, ids=name_of)
def test_equate_answers_are_the_labels(dataset, real_data):
    published = {
        (" ".join(first.split()), " ".join(second.split())): label
        for first, second, label, _ in equate.read_pairs(real_data / dataset.FILES[0])
    }
    questions = dataset.load_local(real_data).questions
    assert len(questions) == len(published)
    for question in questions:
        label = published[question.fields["statement1"], question.fields["statement2"]]
        assert dataset.OPTIONS[question.answer].lower() == label


def test_first_awpnli_question(real_data):
    assert awpnli.load_local(real_data).questions[0] == Question(
        "awpnli",
        {
            "statement1": "Sam had 9.0 dimes in his bank and his dad gave him 7.0 dimes",
            "statement2": "Sam has 16.0 dimes now",
        },
        ("Entailment", "contradiction"),
        0,
    )


def test_qqa_as_published(real_data):
    loaded = qqa.load_local(real_data)
    answers = {
        name: Counter(loaded.questions[k].answer for k in positions)
        for name, positions in loaded.published_split.items()
    }
    assert (loaded.rows_in, loaded.dropped) == (564 + 162, {})
    assert answers == {"train": {0: 276, 1: 288}, "test": {0: 81, 1: 81}}
    assert sorted(k for positions in loaded.published_split.values() for k in positions) == list(range(726))
    assert loaded.questions[564].fields["question"].startswith("Tina and Maria both take cruises. Both ships")
    assert loaded.questions[564].options == ("Tina", "Maria")


@pytest.mark.parametrize("dataset", ["stresstest", "rte_quant"])
def test_pinned_checksums_are_those_of_the_provided_files(dataset, real_data):
    module = {"stresstest": stresstest, "rte_quant": rte_quant}[dataset]
    assert module.HUB.checksum == f"sha256:{hub.local_source(real_data / module.FILES[0]).sha256}"


@pytest.mark.parametrize("dataset", ALL_SETS, ids=name_of)
def test_data_sets_and_generated_families_have_the_same_form(dataset):
    assert dataset.NAME in DATASETS and dataset.VERSION >= 1
    generated = generate_questions(dataset.NAME, 1, seed=0)[0]
    if dataset is qqa:
        assert set(generated.fields) == {"question"} and len(generated.options) == len(qqa.OPTIONS)
    else:
        assert set(generated.fields) == {"statement1", "statement2"} and generated.options == dataset.OPTIONS


# identity


def test_identity_is_a_fixed_function_of_data_set_fields_and_options():
    question = Question("qqa", {"question": "Which?"}, ("a", "b"), 0)
    content = '["qqa", [["question", "Which?"]], ["a", "b"]]'
    assert question_id(question) == hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
    assert question_id(replace(question, answer=1, solution="x", demonstration="y")) == question_id(question)
    others = [
        replace(question, dataset="awpnli"),
        replace(question, fields={"question": "Which"}),
        replace(question, fields={"statement1": "Which?"}),
        replace(question, options=("b", "a")),
        replace(question, options=("a", "b", "c")),
    ]
    assert len({question_id(other) for other in [question, *others]}) == 6


def test_identity_does_not_depend_on_the_order_of_fields():
    fields = {"statement1": "a", "statement2": "b"}
    one, other = (Question("awpnli", order, ("x", "y"), 0) for order in (fields, dict(reversed(fields.items()))))
    assert question_id(one) == question_id(other)


@given(st.text(), st.text())
def test_identity_tells_texts_apart(first, second):
    ids = {question_id(Question("qqa", {"question": text}, ("a", "b"), 0)) for text in (first, second)}
    assert len(ids) == len({first, second})


# labels


@pytest.mark.parametrize(
    ("label", "index"),
    [
        ("entailment", 0),
        ("Contradiction ", 1),
        ("NEUTRAL", 2),
        (0, 0),
        (2, 2),
        ("1", 1),
        ("option 1", 0),
        ("Option2", 1),
        ("option3", 2),
        ("Thus, the answer is option 2. #### 2", 1),
        ("#### 3\n", 2),
    ],
)
def test_published_label_forms(label, index):
    assert option_index(label, stresstest.OPTIONS, "f, row 1") == index


@pytest.mark.parametrize(
    "label", [3, -1, "3", "-1", "option 0", "option 4", "#### 4", "", "-", "entail", True, 1.0, None, [0]]
)
def test_other_labels_are_one_clear_line(label):
    with pytest.raises(
        StepladderError, match=r"f, row 1: the label .* is not one of Entailment, contradiction"
    ) as error:
        option_index(label, stresstest.OPTIONS, "f, row 1")
    assert "\n" not in str(error.value)


# local files


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_csv_and_jsonl_give_the_same_questions(tmp_path):
    rows = [("A, b", 'He said "9"', "entailment"), ("Zürich\n 1", "c", "contradiction")]
    csv_rows = 'premise,hypothesis,label\n"A, b","He said ""9""",entailment\n"Zürich\n 1",c,contradiction\n'
    jsonl = "".join(
        json.dumps({"sentence1": a, "sentence2": b, "gold_label": label, "genre": "x"}) + "\n" for a, b, label in rows
    )
    from_csv = awpnli.load_local(write(tmp_path / "a", "equate/AWPNLI.csv", "\ufeff" + csv_rows))
    from_jsonl = awpnli.load_local(write(tmp_path / "b", "equate/AWPNLI.jsonl", jsonl))
    assert from_csv.questions == from_jsonl.questions
    assert from_csv.questions[1].fields == {"statement1": "Zürich 1", "statement2": "c"}
    assert [question.answer for question in from_csv.questions] == [0, 1]


def test_dropped_rows_are_counted_by_reason(tmp_path):
    rows = "a,b,entailment,0\na,b,entailment,1\nc,d,entailment,2\nc, d,contradiction,3\n ,e,entailment,4\nf,g,1,5\n"
    loaded = awpnli.load_local(write(tmp_path, "equate/AWPNLI.csv", HEADER + rows))
    assert [tuple(question.fields.values()) for question in loaded.questions] == [("a", "b"), ("f", "g")]
    assert loaded.dropped == {"duplicate": 1, "conflicting_label": 2, "empty_text": 1}
    assert loaded.rows_in == 6


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("AWPNLI.csv", HEADER + "a,b,entailment,0\nc,d,neutral,1\n", "row 2: the label 'neutral' is not one of"),
        ("AWPNLI.csv", HEADER + "a,b\n", "row 1: no label; a record needs premise, hypothesis, label"),
        ("AWPNLI.csv", "a,b\n1,2\n", "row 1: no premise and no hypothesis and no label"),
        ("AWPNLI.csv", HEADER + 'a,"b,entailment,0\n', "not a CSV file"),
        ("AWPNLI.csv", HEADER.encode() + b"\xff,b,entailment,0\n", "not UTF-8"),
        ("AWPNLI.jsonl", '{"sentence1": "a"}\n', "row 1: no sentence2 and no gold_label"),
        ("AWPNLI.jsonl", '{"sentence1": 1, "sentence2": "b", "gold_label": 0}\n', "row 1: .* must be text"),
        ("AWPNLI.jsonl", "[1]\n", "row 1: not a JSON object"),
        ("AWPNLI.jsonl", "{}}\n", "row 1: not JSON"),
        ("other.csv", HEADER, "found no equate/AWPNLI.csv or equate/AWPNLI.jsonl; point the path at"),
    ],
)
def test_a_bad_equate_file_is_one_clear_line(tmp_path, name, content, message):
    write(tmp_path, f"equate/{name}", content)
    with pytest.raises(StepladderError, match=message) as error:
        awpnli.load_local(tmp_path)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


RECORD = {"question": "Which?", "option1": "a", "option2": "b", "label": 1}
OFFICIAL = {"question": "Which? ", "Option1": "a", "Option2": "b", "answer": "Option 2", "type": "Type_3"}


def test_official_numglue_records_give_the_same_questions(tmp_path):
    other_task = {"question": "How many?", "answer": 78, "type": "Type_1"}
    derived = write(write(tmp_path / "a", "qqa/QQA_train.json", json.dumps([RECORD])), "qqa/QQA_test.json", "[]")
    lines = "\n".join(json.dumps(record) for record in (other_task, OFFICIAL, other_task))
    official = write(write(tmp_path / "b", "qqa/QQA_train.json", lines), "qqa/QQA_test.json", "")
    assert qqa.load_local(derived).questions == qqa.load_local(official).questions
    assert qqa.load_local(official).questions == [Question("qqa", {"question": "Which?"}, ("a", "b"), 1)]
    assert qqa.load_local(official).rows_in == 1


def test_a_question_in_both_published_splits_stays_in_both(tmp_path):
    again = {**RECORD, "label": "0"}
    folder = write(tmp_path, "qqa/QQA_train.json", json.dumps([RECORD, RECORD]))
    loaded = qqa.load_local(write(folder, "qqa/QQA_test.json", json.dumps([again])))
    assert loaded.published_split == {"train": [0], "test": [1]}
    assert [question.answer for question in loaded.questions] == [1, 0]
    assert (loaded.dropped, loaded.rows_in) == ({"duplicate": 1}, 3)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([RECORD, {**RECORD, "label": 2}], "row 2: the label 2 is not one of option 1, option 2"),
        ([{**OFFICIAL, "answer": "Tina"}], "row 1: the label 'Tina'"),
        ([{"question": "Which?"}], "row 1: no option1 and no option2 and no label"),
        ([{**RECORD, "option1": 3}], "row 1: .* must be text"),
        (["text"], "row 1: not a JSON object"),
        ("[1", "neither a JSON array nor one JSON object a line"),
    ],
)
def test_a_bad_qqa_file_is_one_clear_line(tmp_path, records, message):
    write(tmp_path, "qqa/QQA_train.json", records if isinstance(records, str) else json.dumps(records))
    with pytest.raises(StepladderError, match=message) as error:
        qqa.load_local(write(tmp_path, "qqa/QQA_test.json", "[]"))
    assert "\n" not in str(error.value)


def test_modules_import_neither_pandas_nor_the_hub_client():
    code = (
        "import sys; from stepladder.questions import awpnli, newsnli, redditnli, rte_quant, stresstest, qqa; "
        "from stepladder.questions import overlap, prompts, grading; "
        "print([name for name in ('pandas', 'torch', 'huggingface_hub', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
