"""Audits of real and of hand-made questions, rows over clean questions, and the table of what was seen."""

import importlib.util
from pathlib import Path

import pytest
from pydantic import ValidationError
from synthetic_answers import DPO_GREEDY, write_evaluation, write_study

import tiny
from stepladder.errors import StepladderError
from stepladder.questions.audit import audit, tally
from stepladder.questions.collect import collect, question_of
from stepladder.questions.identity import question_id
from stepladder.questions.overlap import words_of
from stepladder.records import ANSWERS, AUDITS, QUESTIONS, read_json, read_records, write_json, write_records
from stepladder.report.answers import read_evaluated
from stepladder.report.audits import read_audits
from stepladder.report.contamination import lay_out_contamination, make_contamination_table
from stepladder.report.layout import lay_out
from stepladder.report.render import render_csv
from stepladder.report.tables import make_table
from stepladder.study.specs.audits import Audit
from stepladder.study.specs.questions import Questions
from stepladder.study.specs.tables import AnswersTable, ContaminationTable

ROOT = Path(__file__).resolve().parents[2]
LOGIC = {
    "source": "local",
    "sets": ["logiqa2", "reclor"],
    "splits": {"dev": 0.4, "test": 0.5, "ood": 0.1},
    "allow_overlap": ["dev/test", "dev/ood", "test/ood"],
}
RECLOR = {"questions": "logic", "split": "test", "sets": ["reclor"]}
RECLOR |= {"seen_splits": ["dev", "test"], "seen_sets": ["logiqa2"]}


def script(name):
    """The main function of an entry point."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "workflow" / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture(scope="module")
def logic(real_data, tmp_path_factory):
    """The questions of LogiQA 2.0 and ReClor as a node writes them."""
    rows, report, counts = collect(Questions.model_validate(LOGIC), real_data, Path("none"))
    path = tmp_path_factory.mktemp("logic") / "questions.parquet"
    write_records(rows, QUESTIONS, path)
    return path, report, counts


def test_passages_of_reclor_that_stand_in_logiqa(logic, tmp_path):
    path, report, counts = logic
    assert counts.rows_in == 1569 + 1572 + 575 + 500
    job = tiny.job(tmp_path / "audit", "audits", RECLOR, {"questions": path, "seen": path})
    script("audit")(job)
    rows = read_records(tmp_path / "audit" / "audit.parquet", AUDITS)
    written = read_json(tmp_path / "audit" / "metrics.json")
    metrics = written["metrics"]
    assert len(rows) == metrics["questions"] == report["reclor"]["questions"]["test"] == 500
    assert metrics["seen_word_for_word"] == 95 == sum(row["share"] == 1 for row in rows)
    assert metrics["clean"] + metrics["seen_nearly"] == 405 and metrics["seen_nearly"] <= 6
    assert metrics["sets"] == {"reclor": {name: metrics[name] for name in tally(())}}
    trained_on = sum(report["logiqa2"]["questions"][split] for split in ("dev", "test"))
    assert metrics["trained_on"] == trained_on
    assert (
        written["counts"]["rows_in"] == counts.rows_out == 500 + written["counts"]["dropped"]["of another split or set"]
    )
    known = {row["question_id"]: row for row in read_records(path, QUESTIONS)}
    for row in rows:
        assert row["seen"] == (row["share"] >= 0.5) and row["dataset"] == "reclor"
        assert (row["seen_id"] is None) == (row["share"] == 0)
        if row["seen_id"]:
            assert known[row["seen_id"]]["dataset"] == "logiqa2" and known[row["seen_id"]]["split"] in ("dev", "test")


def question(number, context, split, dataset="logiqa2"):
    fields = {"context": context, "question": "What follows?"}
    row = {"dataset": dataset, "split": split, "fields": fields, "options": [f"{number} a", f"{number} b"]}
    row |= {"answer": "1", "solution": None, "demonstration": None}
    return row | {"question_id": question_id(question_of(row))}


WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
PASSAGE = " ".join(WORDS)


def test_every_question_has_a_row_and_near_says_which_are_seen():
    # Of the six 3-grams of the second passage five are there, of the three of the third two.
    kept = [PASSAGE, " ".join([*WORDS[:7], "x"]), " ".join([*WORDS[:4], "x"]), "nothing of it at all"]
    questions = [question(place, each, "test") for place, each in enumerate(kept)]
    questions += [question(9, PASSAGE, "train"), question(8, PASSAGE, "dev"), question(7, PASSAGE, "test", "reclor")]
    spec = {"questions": "q", "split": "test", "sets": ["logiqa2"], "seen_splits": ["train"], "ngram": 3}
    rows, metrics, counts = audit(Audit.model_validate(spec), questions, questions)
    assert [round(row["share"], 3) for row in rows] == [1, round(5 / 6, 3), round(2 / 3, 3), 0]
    assert [row["seen"] for row in rows] == [True, True, True, False]
    assert metrics["sets"]["logiqa2"] == {"questions": 4, "seen_word_for_word": 1, "seen_nearly": 2, "clean": 1}
    assert metrics["trained_on"] == 1 and counts.as_data() == {
        "rows_in": 7,
        "rows_out": 4,
        "dropped": {"of another split or set": 3},
    }
    strict, metrics, _ = audit(Audit.model_validate(spec | {"near": 0.7}), questions, questions)
    assert [row["seen"] for row in strict] == [True, True, False, False] and metrics["clean"] == 2
    assert [row["share"] for row in strict] == [row["share"] for row in rows]


def test_an_audit_of_nothing_or_against_nothing_is_one_line():
    questions = [question(0, PASSAGE, "test"), question(1, PASSAGE, "train")]
    spec = {"questions": "q", "split": "test", "seen": "other", "seen_splits": ["train"]}
    with pytest.raises(StepladderError, match=r"questions.q has no question of reclor in test; name others"):
        audit(Audit.model_validate(spec | {"sets": ["reclor"]}), questions, questions)
    with pytest.raises(StepladderError, match=r"questions.other has no question in train; name others"):
        audit(Audit.model_validate(spec), questions, questions[:1])
    with pytest.raises(ValidationError):
        Audit.model_validate(spec | {"near": 0})


def test_generated_questions_are_audited_by_their_first_statement_or_their_text():
    rows = tiny.questions(30, ("train", "test"), ("awpnli", "qqa"))
    spec = Audit(questions="six", split="test", seen_splits=("train",))
    held = [row | {"split": "train"} for row in rows if row["split"] == "test"]
    copies, metrics, _ = audit(spec, rows, held)
    assert metrics["seen_word_for_word"] == len(copies) == 60
    found, _, _ = audit(spec, rows, rows)
    passage = {row["question_id"]: passage_of(row) for row in rows}
    trained_on = {passage[row["question_id"]] for row in rows if row["split"] == "train"}
    assert all((row["share"] == 1) == (passage[row["question_id"]] in trained_on) for row in found)


def passage_of(row):
    return words_of(row["fields"].get("statement1") or " ".join([row["fields"]["question"], *row["options"]]))


SEEN = {"awpnli/b", "qqa/e"}


def audits_of(seen, questions=tuple(DPO_GREEDY[0])):
    """One audit, named a."""
    return {"a": [{"question_id": each, "dataset": each.split("/")[0], "seen": each in seen,
                   "share": float(each in seen), "options": 0, "seen_id": None} for each in questions]}  # fmt: skip


def answers_table(*rows, baseline="SFT"):
    return AnswersTable.model_validate(
        {"kind": "answers", "title": "t", "baseline": baseline, "resamples": 300, "rows": rows}
    )


FULL = [{"label": "SFT", "evaluation": "sft"}, {"label": "DPO", "evaluation": "dpo"}]
CLEAN = [row | {"label": f"{row['label']}, clean", "clean": "a"} for row in FULL]


def lines_of(table):
    return {line.label: line for line in table.lines}


def test_clean_rows_are_over_clean_questions_and_so_are_their_differences(tmp_path):
    evaluated = read_evaluated(write_study(tmp_path))
    table = make_table(answers_table(*FULL, *CLEAN), evaluated, {}, 3, audits_of(SEEN))
    lines = lines_of(table)
    # Clean are awpnli a and c, qqa d. SFT: a right, c wrong in both seeds; d right in one.
    sft, dpo = lines["SFT, clean"], lines["DPO, clean"]
    assert {name: sft.cells[name].mean for name in ("awpnli", "qqa", "average")} == pytest.approx(
        {"awpnli": 50, "qqa": 50, "average": 50}
    )
    assert dpo.cells["average"].mean == 100 and dpo.cells["average"].difference == pytest.approx(50)
    assert dpo.cells["qqa"].difference == pytest.approx(50)
    assert lines["DPO"].cells["average"].difference == pytest.approx(37.5), "over all questions, as ever"
    # awpnli c of seed 0 is right by the flexible rule.
    assert sft.cells["flexible"].mean == pytest.approx(100 * (0.75 + 0.5) / 2)
    assert sft.cells["unparsable"].mean == pytest.approx(100 * (0.25 + 0) / 2)
    assert sft.cells["average"].difference is None, "its own answers are nothing to hold it against"
    counts = {"awpnli": 2, "qqa": 1, "average": 3, "flexible": 3, "unparsable": 3}
    assert sft.questions == dpo.questions == counts
    assert table.questions["awpnli"] == 3 and dpo.source == "evaluations.dpo, clean by audits.a"
    notes = lay_out(table).notes
    assert "questions: AWPNLI 3, QQA 2; average" in notes[0]
    assert notes[2] == (
        "Clean by audits.a: SFT, clean; DPO, clean. Only over questions whose passage was not trained on, in"
        " differences to SFT as well; questions: AWPNLI 2, QQA 1."
    )
    csv = render_csv(table.lines, table.seeds).splitlines()
    assert next(line for line in csv if line.startswith('"DPO, clean",average')).endswith(
        '2,3,,"evaluations.dpo, clean by audits.a"'
    )


def test_a_clean_row_is_the_row_of_a_study_that_asks_nothing_else(tmp_path):
    evaluated = read_evaluated(write_study(tmp_path))
    table = lines_of(make_table(answers_table(*FULL, *CLEAN), evaluated, {}, 3, audits_of(SEEN)))
    paths = []
    for seed in (0, 1):
        for name in ("sft", "dpo"):
            path = tmp_path / "evaluations" / name / f"seed{seed}" / "answers.parquet"
            kept = [row for row in read_records(path, ANSWERS) if row["question_id"] not in SEEN]
            letters = {row["question_id"]: "R" for row in kept}
            paths.append(write_evaluation(tmp_path / "clean", name, seed, letters))
            write_records(kept, ANSWERS, paths[-1])
    alone = lines_of(make_table(answers_table(*FULL), read_evaluated(paths), {}, 3))
    assert table["DPO, clean"].cells == alone["DPO"].cells
    without = {name: cell.mean for name, cell in alone["SFT"].cells.items()}
    assert {name: cell.mean for name, cell in table["SFT, clean"].cells.items()} == without
    clean_alone = lines_of(make_table(answers_table(*CLEAN, baseline="SFT, clean"), evaluated, {}, 3, audits_of(SEEN)))
    assert clean_alone["DPO, clean"].cells == alone["DPO"].cells


def test_an_audit_that_finds_nothing_changes_no_number(tmp_path):
    evaluated = read_evaluated(write_study(tmp_path))
    table = lines_of(make_table(answers_table(*FULL, *CLEAN), evaluated, {}, 3, audits_of(set())))
    assert table["DPO, clean"].cells == table["DPO"].cells


def test_a_set_without_clean_questions_has_no_cell_and_its_row_no_average(tmp_path):
    evaluated = read_evaluated(write_study(tmp_path))
    seen = audits_of({"qqa/d", "qqa/e"})
    table = make_table(answers_table(*FULL, *CLEAN), evaluated, {}, 3, seen)
    line = lines_of(table)["DPO, clean"]
    assert set(line.cells) == {"awpnli"} and line.questions["qqa"] == 0
    assert lay_out(table).rows[3][1:] == ["100.0", "–", "–", "–", "–", "–"]
    with pytest.raises(StepladderError, match=r"'SFT, clean': audits.a leaves no question of some set"):
        make_table(answers_table(*CLEAN, baseline="SFT, clean"), evaluated, {}, 3, seen)
    with pytest.raises(StepladderError, match=r"audits.a does not know question qqa/e; it must be of the evaluation's"):
        make_table(answers_table(*FULL, *CLEAN), evaluated, {}, 3, audits_of(set(), tuple(DPO_GREEDY[0])[:4]))


def test_rows_that_differ_in_their_prm_are_tested_over_the_same_questions(tmp_path):
    evaluated = read_evaluated(write_study(tmp_path))
    chooses = {"evaluation": "sft", "answer": "best_of_n", "n": 2, "prm": "bce"}
    rows = [chooses | {"label": f"{how}{of}", "accumulate": how} | more
            for how in ("last", "min") for of, more in (("", {}), (", clean", {"clean": "a"}))]  # fmt: skip
    table = make_table(answers_table(FULL[0], *rows), evaluated, {}, 3, audits_of(SEEN))
    assert {(test.row, test.other) for test in table.tests} == {("last", "min"), ("last, clean", "min, clean")}
    means = {label: line.cells["average"].mean for label, line in lines_of(table).items()}
    for test in table.tests:
        assert test.estimate == pytest.approx(means[test.row] - means[test.other])


def write_audit(folder, rows, name="node"):
    write_records(rows, AUDITS, folder / "audit.parquet")
    write_json({"job": {"name": name}, "seed": 0}, folder / "metrics.json")
    return folder / "audit.parquet"


def test_tables_are_written_from_files(tmp_path):
    answers = write_study(tmp_path)
    audited = write_audit(tmp_path / "audit", audits_of(SEEN)["a"])
    rows = [*FULL, *(row | {"clean": "node"} for row in CLEAN)]
    spec = answers_table(*rows).model_dump(mode="json")
    script("table")(tiny.job(tmp_path / "main", "tables", spec, {"answers": answers, "audits": audited}))
    assert "| DPO, clean" in (tmp_path / "main" / "table.md").read_text()
    spec = {"kind": "contamination", "title": "Seen", "rows": [{"label": "test", "audit": "node"}]}
    script("contamination_table")(tiny.job(tmp_path / "seen", "tables", spec, {"audits": audited}))
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {
        "table.csv", "table.md", "table.tex", "table.html", "metrics.json"
    }  # fmt: skip
    (row,) = read_json(tmp_path / "seen" / "metrics.json")["metrics"]["rows"]
    assert (row["questions"], row["seen_word_for_word"], row["qqa clean"], row["seen"]) == (5, 2, 1, 40)
    assert "test,awpnli seen,33.3333,,,,,,,3,,audits.node" in (tmp_path / "seen" / "table.csv").read_text()


def test_the_table_of_what_was_seen_has_a_line_for_each_set(tmp_path):
    found = audits_of(SEEN)["a"]
    found[1]["share"] = 0.6
    audits = read_audits([write_audit(tmp_path / "a", found, "a"), write_audit(tmp_path / "b", found[3:], "b")])
    spec = ContaminationTable.model_validate(
        {"kind": "contamination", "title": "Seen",
         "rows": [{"label": "all of it", "audit": "a"}, {"label": "one set", "audit": "b"}]}
    )  # fmt: skip
    layout = lay_out_contamination(spec, audits, make_contamination_table(spec, audits))
    assert layout.header == ["audit", "set", "questions", "seen word for word", "seen nearly", "clean", "seen in %"]
    assert layout.rows == [
        ["all of it", "AWPNLI", "3", "0", "1", "2", "33.3"],
        ["all of it", "QQA", "2", "1", "0", "1", "50.0"],
        ["all of it", "all", "5", "1", "1", "3", "40.0"],
        ["one set", "QQA", "2", "1", "0", "1", "50.0"],
    ]
