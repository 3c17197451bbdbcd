"""Tables against numbers worked out by hand."""

import csv
import io
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from synthetic_answers import DPO_GREEDY, ROWS, SFT_GREEDY, STRICT, TABLE, answer_row, write_evaluation, write_study

from stepladder.errors import StepladderError
from stepladder.evaluation.best_of_n import vote_accuracy
from stepladder.records import ANSWERS, read_records, write_records
from stepladder.report.answers import Evaluated, lay_in_grids, read_evaluated
from stepladder.report.cells import AVERAGE
from stepladder.report.layout import lay_out
from stepladder.report.render import render_csv
from stepladder.report.reported import read_reported
from stepladder.report.scores import row_scores
from stepladder.report.tables import make_table
from stepladder.study.fields import MIRRORED_SETS
from stepladder.study.specs.tables import AnswersRow, AnswersTable

# (awpnli, qqa) in per cent, each the mean of the two seeds' means over 3 and 2 questions.
EXPECTED = {
    "SFT": (50, 25),
    # awpnli: (3/4 + 1/4 + 2/4)/3, (1 + 0 + 1/4)/3; qqa: (0 + 1/4)/2, (1/4 + 1/4)/2
    "SFT sampled": (100 * (1.5 / 3 + 1.25 / 3) / 2, 100 * (0.125 + 0.25) / 2),
    # seed 0: a right, b wrong (2 W), c a tie of two: 1/2; d nothing to vote on, e a tie of three: 1/3.
    # seed 1: a right, b wrong, c: R against two W: wrong; d wrong, e: the only readable vote is right.
    "SFT + SC@4": (100 * (1.5 / 3 + 1 / 3) / 2, 100 * ((1 / 3) / 2 + 1 / 2) / 2),
    # 6 pairs each. seed 0: a: the W is best in 3 of 6: 1/2; b: the R is best in 3: 1/2; c: all tie: 1/2; d 0; e: 1/2.
    # seed 1: a 1; b 0; c: the R is best in 3: 1/2; d 1/2; e: the R is worst: 0.
    "SFT + PRM BoN@2": (100 * (1.5 / 3 + 1.5 / 3) / 2, 100 * (0.25 + 0.25) / 2),
    # seed 0: a: R .6 against W .9: wrong; b: R .9 against W .7: right; c: tie: 1/2; d 0; e: R .8: right.
    # seed 1: a right; b wrong; c: R .9 against W .5: right; d: R .75 against W .75: 1/2; e right.
    "SFT + SC@4 by PRM": (100 * (1.5 / 3 + 2 / 3) / 2, 100 * (1 / 2 + 1.5 / 2) / 2),
    # 1 - C(wrong, 2)/6. seed 0: a 1; b 1 - 3/6; c 1 - 1/6; d 0; e 1/2. seed 1: a 1; b 0; c 1/2; d 1/2; e 1/2.
    "SFT pass@2": (100 * ((1 + 1 / 2 + 5 / 6) / 3 + 1.5 / 3) / 2, 100 * (0.25 + 0.5) / 2),
    "DPO_x & <co>": (100, 50),
}


@pytest.fixture
def evaluated(tmp_path):
    return read_evaluated(write_study(tmp_path))


@pytest.fixture
def reported(root):
    return read_reported(root / "config/reported/pspo.csv")


@pytest.fixture
def table(evaluated, reported):
    return make_table(TABLE, evaluated, reported, seed=3)


def cells(table, label):
    (line,) = (line for line in table.lines if line.label == label)
    return line.cells


@pytest.mark.parametrize("label", EXPECTED)
def test_means_are_those_worked_out_by_hand(table, label):
    found = cells(table, label)
    awpnli, qqa = EXPECTED[label]
    assert found["awpnli"].mean == pytest.approx(awpnli)
    assert found["qqa"].mean == pytest.approx(qqa)
    assert found["average"].mean == pytest.approx((awpnli + qqa) / 2)


def test_flexible_and_unparsable_columns(table):
    sft = cells(table, "SFT")
    # Flexibly right beside the strictly right ones: awpnli/c of seed 0.
    assert sft["flexible"].mean == pytest.approx(100 * ((2 / 3 + 2 / 3) / 2 + 0.25) / 2)
    assert sft["unparsable"].mean == pytest.approx(100 * ((1 / 3 + 0) / 2 + (1 / 2 + 0) / 2) / 2)
    voted = cells(table, "SFT + SC@4")
    # Of the samples: awpnli 0 of 12 and 1 of 12, qqa 5 of 8 and 3 of 8.
    assert voted["unparsable"].mean == pytest.approx(100 * (1 / 24 + 8 / 16) / 2)
    # The flexible rule gives seed 0's qqa/e a second vote for the right answer, and ties seed 1's awpnli/c.
    assert voted["flexible"].mean == pytest.approx(100 * ((1.5 / 3 + 1.5 / 3) / 2 + (1 / 2 + 1 / 2) / 2) / 2)


def test_differences_are_paired_by_question_and_seed(table):
    dpo = cells(table, "DPO_x & <co>")
    assert dpo["average"].difference == pytest.approx(75 - 37.5)
    assert dpo["qqa"].difference == pytest.approx(25)
    gap = [
        [(DPO_GREEDY[seed][q] == "R") - (SFT_GREEDY[seed][q] == "R") for q in DPO_GREEDY[0]] for seed in (0, 1)
    ]  # fmt: skip
    by_set = [np.mean([row[:3] for row in gap]), np.mean([row[3:] for row in gap])]
    assert dpo["average"].difference == pytest.approx(100 * np.mean(by_set))
    assert 0 <= dpo["average"].difference_low < dpo["average"].difference < dpo["average"].difference_high <= 75
    assert cells(table, "SFT")["average"].difference is None


def test_rows_that_differ_in_their_prm_only_are_tested_in_pairs(tmp_path):
    """One PRM knows nearly all, two know nothing; the same choice among fewer samples is another group."""
    questions = [f"qqa/{i:02}" for i in range(60)]
    rows = []
    for place, question in enumerate(questions):
        for sample, letter in enumerate("RWWW"):
            good = 1.0 if (letter == "R") == (place % 6 > 0) else 0.0
            rows.append(answer_row(question, "sampled", sample, letter, {"good": good, "bad": 0.5, "poor": 0.5}))
    path = write_evaluation(tmp_path, "e", 0, {}, {question: "R" for question in questions})
    write_records(rows, ANSWERS, path)
    named = {"good": ("good", 4), "bad": ("bad", 4), "poor": ("poor", 4), "two": ("good", 2)}
    spec = AnswersTable(
        kind="answers", title="t", baseline="bad", resamples=200,
        rows=tuple(
            AnswersRow(label=label, evaluation="e", answer="best_of_n", n=n, prm=prm)
            for label, (prm, n) in named.items()
        ),
    )  # fmt: skip
    table = make_table(spec, read_evaluated([path]), {}, seed=0)
    assert [(test.row, test.other) for test in table.tests] == [("good", "bad"), ("good", "poor"), ("bad", "poor")]
    first, _, same = table.tests
    assert first.estimate == pytest.approx(100 * (50 / 60 - 0.25)) and first.low < first.estimate < first.high
    # Two of three tests have the least p-value that 200 resamples can show; Holm takes it three times.
    assert first.p_value == pytest.approx(3 * 2 / 201) and (same.estimate, same.p_value) == (0, 1)
    differs = {line.label: line.differs_from[AVERAGE] for line in table.lines}
    assert differs == {"good": ("bad", "poor"), "bad": ("good",), "poor": ("good",), "two": ()}
    written = list(csv.DictReader(io.StringIO(render_csv(table.lines, table.seeds))))
    assert {row["differs_from"] for row in written if row["row"] == "good"} == {"", "bad; poor"}


def test_intervals_hold_the_mean_and_shrink_with_more_questions(tmp_path):
    widths = []
    for questions in (10, 160):
        letters = {f"qqa/{i}": "RW"[i % 2] for i in range(questions)}
        path = write_evaluation(tmp_path / str(questions), "sft", 0, letters)
        spec = AnswersTable(kind="answers", title="t", baseline="SFT", rows=(ROWS[0],), resamples=1000)
        average = cells(make_table(spec, read_evaluated([path]), {}, seed=0), "SFT")["average"]
        assert average.mean == pytest.approx(50)
        assert average.low < 50 < average.high
        widths.append(average.high - average.low)
    # 1.96 standard errors on either side: 2 * 1.96 * 50 / sqrt(n).
    assert widths[1] == pytest.approx(3.92 * 50 / 160**0.5, rel=0.15)
    assert widths[0] > 3 * widths[1]


def test_the_published_row_follows_ours_and_is_marked(table, reported):
    labels = [line.label for line in table.lines]
    assert labels == [*[row.label for row in ROWS], "PSPO-WRS (reported)"]
    published = cells(table, "PSPO-WRS (reported)")
    assert published["awpnli"].mean == 86.76 and published["qqa"].mean == 54.70
    assert published["average"].mean == pytest.approx((86.76 + 54.70) / 2)
    assert published["average"].low is None and published["average"].difference is None
    assert "arXiv 2411.11681" in lay_out(table).notes[-1]


def test_reported_main_table_of_pspo_is_whole(reported):
    assert list(reported) == [
        "Llama2-7B", "BLOOMZ", "Abel-7B", "Llama3.1-8B", "Qwen1.5-7B-chat", "CN-PPO", "PSPO-WRS"
    ]  # fmt: skip
    assert all(tuple(row.values) == MIRRORED_SETS for row in reported.values())
    gains = [round(reported["PSPO-WRS"].values[d] - reported["Abel-7B"].values[d], 2) for d in MIRRORED_SETS]
    assert gains == [30.94, 14.16, 20.40, 14.90, 21.42, 6.56]


def evaluated_of(rows) -> Evaluated:
    """The rows of one evaluation "e" of one seed, one question."""
    answered = lay_in_grids(pa.Table.from_pylist(rows, schema=ANSWERS), ["qqa/a"])
    return Evaluated(("qqa/a",), ("qqa",), ("2",), (0,), {"e": (answered,)}, len(rows))


def score_of(evaluated, **row) -> float:
    """The first question's score for the first seed."""
    return row_scores(AnswersRow(**{"label": "x", "evaluation": "e", **row}), evaluated)[0, 0]


def test_weighted_votes_of_fewer_samples_use_disjoint_groups():
    letters = "RRWWW"
    evaluated = evaluated_of([answer_row("qqa/a", "sampled", i, x, {"bce": 0.5}) for i, x in enumerate(letters)])
    # RR is right, WW is wrong, the fifth sample has no partner.
    assert score_of(evaluated, answer="weighted_majority", n=2, prm="bce") == 0.5
    # Of the ten pairs one is RR, six are a tie.
    assert score_of(evaluated, answer="majority", n=2) == pytest.approx(0.4)


def test_weights_of_votes_are_those_that_the_row_names():
    scores = [0.99, 0.6, 0.6, 0.1]
    evaluated = evaluated_of([answer_row("qqa/a", "sampled", i, "RWWV"[i], {"bce": scores[i]}) for i in range(4)])

    def weighted(**row):
        return score_of(evaluated, answer="weighted_majority", n=4, prm="bce", **row)

    # sigmoid: .99 against 1.2. softmax of log-odds: odds 99 against 2 * 1.5. rank: 1 against 2 * 0.625.
    assert (weighted(), weighted(weight="softmax"), weighted(weight="rank")) == (0, 1, 0)
    # At temperature 1/4 the odds are of the fourth power: nearly 1 against 2 * 0.835; at 8 softmax is nearly a count.
    assert (weighted(temperature=0.25), weighted(weight="softmax", temperature=8)) == (0, 0)


@pytest.mark.parametrize("weight", ["sigmoid", "softmax", "rank"])
def test_reference_prms_are_the_ceiling_and_the_floor(evaluated, weight):
    for answer, oracle, floor in (("best_of_n", "pass", "mean_sample"), ("weighted_majority", "pass", "majority")):
        row = AnswersRow(label="x", evaluation="sft", n=4, answer=answer, reference_prm="oracle", weight=weight)
        if (answer, weight) != ("weighted_majority", "rank"):
            ceiling = row_scores(row.model_copy(update={"answer": oracle}), evaluated)
            assert row_scores(row, evaluated) == pytest.approx(ceiling)
        least = row_scores(row.model_copy(update={"answer": floor}), evaluated)
        chance = row.model_copy(update={"reference_prm": "random"})
        assert row_scores(chance, evaluated) == pytest.approx(least)


@given(
    st.lists(st.tuples(st.sampled_from("RWVf-"), st.sampled_from([0.1, 0.5, 0.9])), min_size=1, max_size=6), st.data()
)
def test_scores_agree_with_enumeration(samples, data):
    n = data.draw(st.integers(1, len(samples)))
    rows = [answer_row("qqa/a", "sampled", i, letter, {"bce": score}) for i, (letter, score) in enumerate(samples)]
    evaluated = evaluated_of(rows)

    def score(answer):
        return score_of(evaluated, answer=answer, n=n, prm="bce")

    subsets = list(itertools.combinations(samples, n))
    best = []
    for subset in subsets:
        top = max(value for _, value in subset)
        best.append(np.mean([letter == "R" for letter, value in subset if value == top]))
    assert score("best_of_n") == pytest.approx(np.mean(best))
    votes = [vote_accuracy([STRICT[x] for x, _ in subset], [x == "R" for x, _ in subset]) for subset in subsets]
    assert score("majority") == pytest.approx(np.mean(votes))
    assert score("pass") == pytest.approx(np.mean([any(x == "R" for x, _ in subset) for subset in subsets]))
    assert score("mean_sample") == pytest.approx(np.mean([letter == "R" for letter, _ in samples]))
    assert score("best_of_n") <= score("pass") + 1e-12


def test_questions_with_more_samples_than_others_keep_theirs(tmp_path):
    samples = {"qqa/a": "RW", "qqa/b": "WWWR", "qqa/c": "R"}
    scores = {"qqa/a": [0.1, 0.2], "qqa/b": [0.1, 0.2, 0.3, 0.4], "qqa/c": [0.5]}
    evaluated = read_evaluated([write_evaluation(tmp_path, "given", 0, {}, samples, scores)])
    assert evaluated.rows == 7 and evaluated.answers["given"][0].greedy is None

    def scored(answer, n=1):
        row = AnswersRow(label="x", evaluation="given", answer=answer, n=n, prm="bce")
        return row_scores(row, evaluated)[0].tolist()

    assert scored("mean_sample") == [0.5, 0.25, 1.0] == scored("best_of_n") == scored("majority") == scored("pass")
    with pytest.raises(StepladderError, match="needs 2 samples, question qqa/c has 1"):
        scored("best_of_n", 2)
    with pytest.raises(
        StepladderError, match=r"'x': evaluations.given has no greedy answers; choose among its samples"
    ):
        scored("greedy")


def test_the_accumulation_of_the_row_is_the_one_used(evaluated):
    last = AnswersRow(label="x", evaluation="sft", answer="best_of_n", n=4, prm="bce", accumulate="last")
    least = last.model_copy(update={"accumulate": "min"})
    # By 'last' the wrong sample of awpnli/a is best, by 'min' (turned round in the fixture) a right one.
    assert (row_scores(last, evaluated)[0, 0], row_scores(least, evaluated)[0, 0]) == (0, 1)


def test_row_order_in_files_changes_nothing(tmp_path, table, reported):
    paths = write_study(tmp_path / "again")
    for path in paths:
        write_records(read_records(path, ANSWERS)[::-1], ANSWERS, path)
    again = make_table(TABLE, read_evaluated(paths[::-1]), reported, seed=3)
    assert again == table


def test_faults_are_one_clear_line(tmp_path, evaluated, reported):
    paths = write_study(tmp_path)
    with pytest.raises(StepladderError, match="no row 'PSPO'; did you mean 'PSPO-WRS'"):
        row = AnswersRow(label="SFT", evaluation="sft", reported="PSPO")
        make_table(AnswersTable(kind="answers", title="t", baseline="SFT", rows=(row,)), evaluated, reported, seed=0)
    with pytest.raises(StepladderError, match="needs 8 samples, question awpnli/a has 4"):
        row_scores(AnswersRow(label="x", evaluation="sft", answer="pass", n=8), evaluated)
    with pytest.raises(StepladderError, match=r"'x': evaluations.sft holds no 'last' scores of prms.rank"):
        row = AnswersRow(label="x", evaluation="sft", answer="best_of_n", n=2, prm="rank")
        row_scores(row, evaluated)
    with pytest.raises(StepladderError, match=r"evaluations.dpo has seeds \[1\], evaluations.sft \[0, 1\]"):
        read_evaluated([paths[0], paths[2], paths[3]])
    other = write_evaluation(tmp_path, "other", 0, {"qqa/z": "R"})
    with pytest.raises(StepladderError, match="answered different questions"):
        read_evaluated([paths[0], other])
    rows = read_records(paths[0], ANSWERS)
    write_records([row for row in rows if row["decoding"] == "sampled" or row["sample"]] + rows[:1], ANSWERS, paths[0])
    with pytest.raises(StepladderError, match=r"answers.parquet: every question needs a greedy answer, or none"):
        read_evaluated(paths)
    (paths[0].parent / "metrics.json").write_text("{}")
    with pytest.raises(StepladderError, match=r"metrics.json: does not say which node"):
        read_evaluated(paths)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("row,column,value\na,qqa,1\n", "first line should be row,column,value,source"),
        ("row,column,value,source\na,qqq,1,s\n", "line 2: no data set 'qqq'; did you mean 'qqa'"),
        ("row,column,value,source\na,qqa,x,s\n", "line 2: the value 'x' is no number"),
        ("row,column,value,source\na,qqa,101,s\n", "line 2: the value 101 is no percentage"),
        ("row,column,value,source\na,qqa,1,s\na,qqa,2,s\n", "line 3: 'a' has a second value for qqa"),
    ],
)
def test_faults_in_reported_tables_name_the_line(tmp_path, text, said):
    path = tmp_path / "paper.csv"
    path.write_text(text)
    with pytest.raises(StepladderError, match=said):
        read_reported(path)


def test_questions_without_an_answer_have_a_column_of_their_own(tmp_path):
    golds = {"gsm8k/a": "5", "gsm_plus/b": "7", "gsm_plus/c": "unanswerable", "gsm_plus/d": "unanswerable"}
    letters = zip(golds, "RWRW", strict=True)
    rows = [answer_row(key, "greedy", 0, letter, {}) | {"gold": golds[key]} for key, letter in letters]
    path = write_evaluation(tmp_path, "sft", 0, dict.fromkeys(golds, "R"))
    write_records(rows, ANSWERS, path)
    spec = AnswersTable(
        kind="answers", title="t", baseline="SFT", rows=(AnswersRow(label="SFT", evaluation="sft"),), resamples=10
    )
    table = make_table(spec, read_evaluated([path]), {}, seed=0)
    found = {column: cell.mean for column, cell in cells(table, "SFT").items()}
    assert found["gsm8k"] == 100 and found["average"] == pytest.approx((100 + 100 / 3) / 2)
    parts = {"gsm_plus": 100 / 3, "gsm_plus answerable": 0, "gsm_plus unanswerable": 50}
    assert {column: found[column] for column in parts} == pytest.approx(parts)
    assert table.questions == {
        "gsm8k": 1, "gsm_plus": 3, "gsm_plus answerable": 1, "gsm_plus unanswerable": 2,
        "average": 4, "flexible": 4, "unparsable": 4,
    }  # fmt: skip
    layout = lay_out(table)
    assert layout.header[1:5] == ["GSM8K", "GSM-Plus", "answerable", "unanswerable"]
    assert layout.rows[0][1:5] == ["100.0", "33.3", "0.0", "50.0"]
    assert "GSM-Plus 3, answerable 1, unanswerable 2" in layout.notes[0]


def test_a_row_may_be_graded_by_the_rule_of_released_code(tmp_path):
    path = write_evaluation(tmp_path, "e", 0, {"qqa/1": "R", "qqa/2": "f", "qqa/3": "W", "qqa/4": "-"})
    rows = [{"label": grading, "evaluation": "e", "grading": grading} for grading in ("strict", "published")]
    spec = AnswersTable.model_validate(
        {"kind": "answers", "title": "t", "baseline": "strict", "resamples": 20, "rows": rows}
    )
    table = make_table(spec, read_evaluated([path]), {}, seed=0)
    assert [line.cells["average"].mean for line in table.lines] == [25, 75]
    with pytest.raises(ValidationError, match="published rules judge single answers"):
        AnswersRow(label="a", evaluation="e", answer="majority", n=2, grading="published")
