"""Audits and rows over clean questions in a study, and rows on questions by which something above them was chosen."""

import json

import pytest
from study_files import edited, put, study_from

from stepladder.study.faults import StudyFaults

AUDIT = {"questions": "six", "split": "test", "seen_splits": ["sft", "rl"]}
OTHER = {"source": "generated", "sets": ["awpnli"], "splits": {"test": 10, "dev": 10}}
SEEN = {"kind": "contamination", "title": "Seen", "rows": [{"label": "test", "audit": "test"}]}


def with_audit(*edits):
    """The small study with an audit, a table of it, and two rows over clean questions."""
    rows = [
        {"label": "SFT clean", "evaluation": "sft", "clean": "test"},
        {"label": "DPO clean", "evaluation": "dpo", "clean": "test"},
    ]
    return edited(
        put("audits.test", dict(AUDIT)),
        put("tables.seen", SEEN | {"rows": [dict(row) for row in SEEN["rows"]]}),
        lambda config: config["tables"]["main"]["rows"].extend(rows),
        *edits,
    )


def test_an_audit_and_what_is_made_from_it_have_their_files():
    study = study_from(with_audit())
    questions = "results/small/questions/six/questions.parquet"
    assert study.inputs("audits", "test", 0) == {"questions": questions, "seen": questions}
    audit = {
        "audits": ["results/small/audits/test/audit.parquet"],
        "audited": ["results/small/audits/test/metrics.json"],
    }
    assert study.inputs("tables", "seen", 0) == audit
    assert audit.items() <= study.inputs("tables", "main", 0).items()
    assert study_from(edited()).inputs("tables", "main", 0)["audits"] == []
    assert set(study.jobs_above("tables", "seen", 0)) == {("audits", "test", 0)}
    assert [job for job in study.jobs() if job[0] == "audits"] == [("audits", "test", 0)]
    assert [file for file in study.table_files() if "/seen/" in file] == [
        f"results/small/tables/seen/table.{ending}" for ending in ("csv", "md", "tex", "html")
    ]
    assert study.request("light", "audits", "test") == study.request("light", "questions", "six")
    assert json.loads(study.job("audits", "test"))["spec"] == AUDIT | {
        "sets": [], "seen": None, "seen_sets": [], "ngram": 13, "near": 0.5
    }  # fmt: skip


def test_questions_of_another_node_may_have_been_seen():
    study = study_from(with_audit(put("questions.other", OTHER), put("audits.test.seen", "other"),
                                  put("audits.test.seen_splits", ["test"])))  # fmt: skip
    assert study.inputs("audits", "test", 0)["seen"] == "results/small/questions/other/questions.parquet"


def test_one_split_may_hold_questions_of_one_set_that_another_has():
    study_from(
        with_audit(put("audits.some", AUDIT | {"sets": ["qqa"], "seen_splits": ["test"], "seen_sets": ["awpnli"]}))
    )


MAIN = "tables.main.rows"
DPO = f"{MAIN}.5"  # the row DPO clean


@pytest.mark.parametrize(
    ("edit", "location", "words"),
    [
        (put("audits.test.split", "tst"), "audits.test.split", "no split 'tst'; did you mean 'test'"),
        (put("audits.test.seen_splits", ["sft", "rl", "dev"]), "audits.test.seen_splits.2", "no split 'dev'; allowed"),
        (put("audits.test.seen_splits", []), "audits.test.seen_splits", "at least 1"),
        (put("audits.test.seen_splits", ["sft", "rl", "test"]), "audits.test.seen_splits.2", "all of it is seen"),
        (put("audits.more", AUDIT | {"sets": ["newsnli"]}), "audits.more.sets.0", "questions.six has no set 'newsnli'"),
        (put("audits.test.seen_sets", ["qqq"]), "audits.test.seen_sets.0", "did you mean 'qqa'"),
        (put("audits.test.seen_sets", ["gsm8k"]), "audits.test.seen_sets.0", "questions.six has no set 'gsm8k'"),
        (put("audits.test.near", 1.5), "audits.test.near", "at most 1"),
        (put("audits.test.seen", "sixx"), "audits.test.seen", "no node 'sixx' in questions"),
        (put("tables.seen.rows.0.audit", "tset"), "tables.seen.rows.0.audit", "no node 'tset' in audits"),
        (put("tables.seen.baseline", "test"), "tables.seen.baseline", "unknown key"),
        (put(f"{DPO}.clean", "tst"), f"{DPO}.clean", "no node 'tst' in audits; did you mean 'test'"),
        (put("evaluations.dpo.split", "rl"), f"{DPO}.clean", "is of six/test, evaluations.dpo answers six/rl"),
        (put("tables.main.baseline", "SFT clean"), f"{MAIN}.0.clean", "over other questions than the baseline"),
        (put("audits.test.seen_splits", ["sft"]), f"{DPO}.clean", "come from split 'rl' of questions.six, which"),
    ],
)
def test_what_makes_no_sense_is_a_line(edit, location, words):
    with pytest.raises(StudyFaults) as caught:
        study_from(with_audit(edit))
    assert any(line.startswith(f"--config: {location}: ") and words in line for line in caught.value.lines)
    assert len(caught.value.lines) <= (4 if location.startswith(MAIN) else 1)


def test_an_audit_of_some_sets_leaves_others_unknown():
    with pytest.raises(StudyFaults) as caught:
        study_from(with_audit(put("audits.test.sets", ["qqa"])))
    assert all("audits.test leaves out awpnli" in line for line in caught.value.lines) and len(caught.value.lines) == 2


def test_a_table_may_be_over_clean_questions_alone():
    rows = [{"label": name, "evaluation": name, "clean": "test"} for name in ("sft", "dpo")]
    study_from(with_audit(put("tables.clean", {"kind": "answers", "title": "t", "baseline": "sft", "rows": rows})))


def test_rows_that_a_prm_chooses_count_what_it_was_trained_on():
    """The policy has seen sft alone, the PRM that chooses among its answers rl as well."""
    row = {"label": "BoN clean", "evaluation": "sft", "clean": "sft"}
    at = put("audits.sft", AUDIT | {"seen_splits": ["sft"]})

    def table(row):
        return put("tables.clean", {"kind": "answers", "title": "t", "baseline": "BoN clean", "rows": [row]})

    study_from(with_audit(at, table(row)))
    with pytest.raises(StudyFaults) as caught:
        study_from(with_audit(at, table(row | {"answer": "best_of_n", "n": 4, "prm": "bce"})))
    (line,) = caught.value.lines
    assert line.startswith("--config: tables.clean.rows.0.clean: ") and "split 'rl'" in line


def dev(policy, split="rl", **keys):
    return {"method": "sampled", "policy": policy, "questions": "six", "split": split, "samples": 2, **keys}


def chosen(*edits):
    """The small study in which split rl has chosen a policy, from which others come in every way."""
    sampled = {"method": "sampled", "questions": "six", "samples": 4}
    return edited(
        put("evaluations.dev_sft", dev("sft")),
        put("evaluations.dev_dpo", dev("dpo")),
        put("policies.best", {"method": "select", "among": ["dev_sft", "dev_dpo"]}),
        put("policies.after", {"method": "sft", "from": "best", "questions": "six", "split": "sft"}),
        put("policies.later", {"method": "ppo", "from": "after", "questions": "six", "split": "sft",
                               "credit": {"kind": "group_relative"}}),
        put("trajectories.of_best", sampled | {"policy": "best", "split": "sft"}),
        put("policies.taught", {"method": "restem", "from": "base", "trajectories": "of_best"}),
        put("labels.of_best", {"method": "monte_carlo", "trajectories": "of_best", "policy": "best"}),
        put("prms.of_best", {"head": "per_step", "labels": "of_best", "backbone": "sft"}),
        put("trajectories.on_rl", sampled | {"policy": "best", "split": "rl"}),
        *edits,
    )  # fmt: skip


def on_rl(name, kind="answers", **row):
    return [
        put(f"evaluations.{name}_rl", dev(name)),
        put("tables.rl", {"kind": kind, "title": "t", "baseline": "a",
                          "rows": [{"label": "a", "evaluation": f"{name}_rl", **row}]}),
    ]  # fmt: skip


def test_candidates_and_other_splits_may_be_told():
    study_from(chosen(*on_rl("dpo")))
    for policy in ("best", "after", "later", "taught"):
        rows = [{"label": "a", "evaluation": "x"}]
        told = put("tables.test", {"kind": "answers", "title": "t", "baseline": "a", "rows": rows})
        study_from(chosen(put("evaluations.x", dev(policy, "test")), told))
    study_from(chosen(put("evaluations.after_rl", dev("after"))))  # to choose again, as long as no table tells it


@pytest.mark.parametrize(
    "edits",
    [
        on_rl("after"),
        on_rl("later"),
        on_rl("taught"),
        on_rl("later", kind="efficiency"),
        [
            *on_rl("sft", answer="best_of_n", n=2, prm="of_best"),
            put("evaluations.sft_rl.prms", ["of_best"]),
        ],
        [*on_rl("sft", answer="majority"), put("evaluations.sft_rl", {"method": "given", "trajectories": "on_rl"})],
    ],
    ids=["from", "from from", "samples", "cost", "PRM", "given"],
)
def test_no_row_tells_accuracy_on_what_chose_a_policy_above_it(edits):
    with pytest.raises(StudyFaults) as caught:
        study_from(chosen(*edits))
    (line,) = caught.value.lines
    assert line.startswith(
        "--config: tables.rl.rows.0.evaluation: row 'a' comes from policies.best, which was chosen by"
    )


def test_the_choice_itself_is_told_once():
    with pytest.raises(StudyFaults) as caught:
        study_from(chosen(*on_rl("best")))
    (line,) = caught.value.lines
    assert line.startswith("--config: evaluations.best_rl.split: ")
