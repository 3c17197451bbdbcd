"""LogiQA 2.0 and ReClor: their files, and what loaders refuse."""

import json
from collections import Counter

import pytest

from stepladder.errors import StepladderError
from stepladder.questions import hub, logiqa2, reclor
from stepladder.questions.collect import collect
from stepladder.questions.identity import question_id
from stepladder.study.specs.questions import Questions

LOGIQA = {"text": "All cats sleep.", "question": "What follows?", "options": ["a", "b", "c", "d"], "answer": 2}
PASSAGE = "\nPassage: All cats\nsleep.\nQuestion: What follows?\nA. a\nB. b\nC. c\nD. d\nAnswer:"
MESSAGES = {"input": [{"role": "system", "content": "Choose."}, {"role": "user", "content": PASSAGE}], "ideal": "C"}


def test_logiqa_as_published(real_data):
    loaded = logiqa2.load_local(real_data)
    assert loaded.rows_in == 1569 + 1572 + 575
    assert loaded.rows_in == len(loaded.questions) + sum(loaded.dropped.values())
    assert set(loaded.dropped) <= {"duplicate", "conflicting_label"}
    assert list(loaded.published_split) == ["dev", "test", "ood"]
    answers = {
        split: Counter("ABCD"[loaded.questions[place].answer] for place in places)
        for split, places in loaded.published_split.items()
    }
    published = {"dev": Counter(A=364, B=379, C=407, D=419), "test": Counter(A=347, B=384, C=417, D=424)}
    for split, counted in published.items():
        assert not answers[split] - counted  # no label beyond the published counts,
        assert (counted - answers[split]).total() <= 30  # and only repeated questions are gone
    for source, split in zip(loaded.sources, ("dev", "test", "ood"), strict=True):
        hub._verify(logiqa2.HUB[split], source.path)


def test_reclor_as_published(real_data):
    loaded = reclor.load_local(real_data)
    assert loaded.rows_in == 500
    assert list(loaded.published_split) == ["test"]
    assert all(len(question.options) == 4 and question.fields["context"] for question in loaded.questions)


def test_one_question_has_one_id_in_both_forms_of_reclor(tmp_path):
    (tmp_path / "reclor").mkdir()
    (tmp_path / "reclor" / "val.jsonl").write_text(json.dumps(MESSAGES))
    record = {"context": "All cats sleep.", "question": "What follows?", "answers": ["a", "b", "c", "d"], "label": 2}
    (tmp_path / "val.json").write_text(json.dumps([record]))
    (local,) = reclor.load_local(tmp_path).questions
    (published,) = reclor._from_records(tmp_path / "val.json")
    assert local == published
    assert question_id(local) == question_id(published)


def test_training_files_are_read_where_they_are(tmp_path):
    (tmp_path / "logiqa2").mkdir()
    for number, file in enumerate(("train.txt", "dev.txt", "test.txt", "ood_test.jsonl")):
        (tmp_path / "logiqa2" / file).write_text(json.dumps(LOGIQA | {"text": f"Passage {number}."}))
    assert list(logiqa2.load_local(tmp_path).published_split) == ["train", "dev", "test", "ood"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"options": ["a", "b"]}, "row 1: options must be four texts"),
        ({"answer": 4}, "row 1: the answer must be a number from 0 to 3, got 4"),
        ({"text": None}, "row 1: no text"),
    ],
)
def test_a_record_of_logiqa_that_is_not_as_published(tmp_path, change, said):
    (tmp_path / "logiqa2").mkdir()
    for file in ("dev.txt", "test.txt", "ood_test.jsonl"):
        (tmp_path / "logiqa2" / file).write_text(json.dumps(LOGIQA | change))
    with pytest.raises(StepladderError, match=said):
        logiqa2.load_local(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ideal": "E"}, "row 1: ideal must be a letter from A to D, got 'E'"),
        ({"input": [{"role": "user", "content": "What?"}]}, "row 1: input must end with a message of Passage"),
        ({"input": []}, "row 1: input must end with a message of Passage"),
    ],
)
def test_a_record_of_reclor_that_is_not_as_published(tmp_path, change, said):
    (tmp_path / "reclor").mkdir()
    (tmp_path / "reclor" / "val.jsonl").write_text(json.dumps(MESSAGES | change))
    with pytest.raises(StepladderError, match=said):
        reclor.load_local(tmp_path)


def test_published_splits_stay_what_they_are(tmp_path, real_data):
    loaded = logiqa2.load_local(real_data)
    places = {split: {question_id(loaded.questions[i]) for i in at} for split, at in loaded.published_split.items()}
    everything = {"source": "local", "sets": ["logiqa2"], "allow_overlap": ["dev/test", "dev/ood", "test/ood"]}
    rows, *_ = collect(Questions(**everything, splits={"dev": 0.4, "test": 0.4, "ood": 0.2}), real_data, tmp_path)
    for split, ids in places.items():
        assert {row["question_id"] for row in rows if row["split"] == split} == ids


def test_questions_out_of_domain_are_trained_on_by_nobody(tmp_path, real_data):
    loaded = logiqa2.load_local(real_data)
    ood = {question_id(loaded.questions[i]) for i in loaded.published_split["ood"]}
    spec = Questions(source="local", sets=["logiqa2"], splits={"sft": 0.5, "test": 0.5}, allow_overlap=["sft/test"])
    rows, _, counts = collect(spec, real_data, tmp_path)
    told_elsewhere = {question_id(loaded.questions[i]) for i in loaded.published_split["dev"]}
    trained_on = {row["question_id"] for row in rows if row["split"] == "sft"}
    assert trained_on
    assert not trained_on & (ood - told_elsewhere)
    assert counts.dropped["logiqa2: out of domain"] == len(loaded.published_split["ood"])
