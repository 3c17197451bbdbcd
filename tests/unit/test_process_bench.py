"""ProcessBench: its records, the threshold of other problems, F1 by subset and generator."""

import json
from dataclasses import replace

import numpy as np
import pytest

from stepladder.errors import StepladderError
from stepladder.evaluation.first_error import validation_part
from stepladder.evaluation.process_bench import NOT_SCORED, judge_process_bench, predict_first_errors
from stepladder.supervision.process_bench import MarkedSolution, labelled, read_process_bench
from stepladder.supervision.solutions import LabelledSolution, problem_id

RECORD = {
    "id": "gsm8k-0",
    "generator": "m1",
    "problem": "How many?",
    "steps": ["a", "b", "c"],
    "final_answer_correct": False,
    "label": 1,
}


def marked(problems: int, subsets=("gsm8k", "math")) -> list[MarkedSolution]:
    """Two solutions a problem, one by each generator, with and without errors in turn."""
    return [
        MarkedSolution(subset, f"{subset}-{p}-{g}", f"m{g}", f"{subset} {p}?", ("a", "b", "c"), False, (p + g) % 4 - 1)
        for subset in subsets
        for p in range(problems)
        for g in (0, 1)
    ]


def oracle(solutions) -> list[list[float]]:
    return [[float(s.label < 0 or step < s.label) for step in range(3)] for s in solutions]


def test_records_are_read_as_published(tmp_path):
    path = tmp_path / "gsm8k.json"
    right = RECORD | {"id": "gsm8k-1", "final_answer_correct": True, "label": -1}
    path.write_text(json.dumps([RECORD, right]))
    found = read_process_bench(path, "gsm8k")
    assert found[0] == MarkedSolution("gsm8k", "gsm8k-0", "m1", "How many?", ("a", "b", "c"), False, 1)
    assert (found[1].label, found[1].final_answer_correct) == (-1, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": 3}, "its label is 3, but it has 3 steps"),
        ({"label": -2}, "its label is -2"),
        ({"label": "1"}, "record 2: no label of the right type"),
        ({"label": True}, "no label of the right type"),
        ({"steps": []}, "steps must be texts"),
        ({"steps": ["a", " "]}, "steps must be texts"),
        ({"problem": None, "generator": None}, "no generator and no problem"),
    ],
)
def test_a_record_of_another_form_is_refused(tmp_path, change, message):
    path = tmp_path / "gsm8k.json"
    path.write_text(json.dumps([RECORD, RECORD | change]))
    with pytest.raises(StepladderError, match=message):
        read_process_bench(path, "gsm8k")
    path.write_text('["a"]')
    with pytest.raises(StepladderError, match="record 1: not a JSON object"):
        read_process_bench(path, "gsm8k")


def test_f1_of_a_subset_is_worked_out_on_the_other_problems():
    solutions = marked(60)
    scores = oracle(solutions)
    fitting = validation_part([problem_id(s.problem) for s in solutions], 0.2)
    # Of the judged ones miss each third; that of those with an error and without gives F1.
    judged = [i for i in range(len(solutions)) if not fitting[i]]
    missed = set(judged[::3])
    scores = [[1 - x for x in s] if i in missed else s for i, s in enumerate(scores)]
    found = judge_process_bench(solutions, scores, 0.2, resamples=200)
    assert 0 < found["threshold"] < 1 and found["fitted_on"] == fitting.sum() and found["not_scored"] == 0
    f1 = []
    for subset in ("gsm8k", "math"):
        mine = [i for i in judged if solutions[i].subset == subset]
        hit = {wrong: [i not in missed for i in mine if (solutions[i].label >= 0) == wrong] for wrong in (True, False)}
        a, b = np.mean(hit[True]), np.mean(hit[False])
        f1.append(2 * a * b / (a + b))
        entry = found["subsets"][subset]
        assert entry["solutions"] == len(mine)
        assert entry["with_error"]["estimate"] == pytest.approx(a)
        assert entry["f1"]["estimate"] == pytest.approx(f1[-1])
        assert entry["f1"]["low"] <= f1[-1] <= entry["f1"]["high"]
        assert sum(each["solutions"] for each in entry["generators"].values()) == len(mine)
        assert list(entry["generators"]) == ["m0", "m1"]
    assert found["mean_f1"]["estimate"] == pytest.approx(np.mean(f1))
    assert found["mean_f1"]["low"] < np.mean(f1) < found["mean_f1"]["high"]
    json.dumps(found, allow_nan=False)


def test_what_is_judged_never_moves_the_threshold():
    solutions = marked(40)
    scores = [[x + 0.01 * i for x in s] for i, s in enumerate(oracle(solutions))]
    _, fitting, threshold = predict_first_errors(solutions, scores, 0.3)
    for noise in (-5.0, 5.0):
        moved = [s if fits else [x + noise for x in s] for s, fits in zip(scores, fitting, strict=True)]
        assert predict_first_errors(solutions, moved, 0.3)[2] == threshold
    # All solutions of a problem are on one side.
    sides = {}
    for each, fits in zip(solutions, fitting, strict=True):
        sides.setdefault(each.problem, set()).add(bool(fits))
    assert all(len(side) == 1 for side in sides.values())


def test_the_oracle_is_perfect_and_a_constant_finds_one_kind_only():
    solutions = marked(40)
    best = judge_process_bench(solutions, oracle(solutions), resamples=50)
    assert best["mean_f1"] == {"estimate": 1.0, "low": 1.0, "high": 1.0}
    flat = judge_process_bench(solutions, [[0.0] * 3] * len(solutions), resamples=50)
    accuracies = [flat["subsets"]["math"][kind]["estimate"] for kind in ("with_error", "without_error")]
    assert flat["mean_f1"]["estimate"] == 0.0 and min(accuracies) == 0.0 < max(accuracies)


def test_a_solution_that_was_not_scored_is_missed():
    solutions = marked(40)
    scores = oracle(solutions)
    _, fitting, _ = predict_first_errors(solutions, scores, 0.2)
    place = next(i for i, fits in enumerate(fitting) if not fits and solutions[i].label < 0)
    scores[place] = None
    predicted, _, _ = predict_first_errors(solutions, scores, 0.2)
    assert predicted[place] == NOT_SCORED
    assert judge_process_bench(solutions, scores, resamples=20)["not_scored"] == 1
    assert judge_process_bench(solutions, scores, resamples=20)["mean_f1"]["estimate"] < 1
    with pytest.raises(StepladderError, match="gsm8k gsm8k-0-0: 2 scores for 3 steps"):
        predict_first_errors(solutions, [[1.0, 1.0], *scores[1:]], 0.2)


def test_steps_behind_the_first_wrong_one_have_no_label():
    wrong, right = (replace(marked(1)[0], label=label, final_answer_correct=label < 0) for label in (1, -1))
    assert labelled(wrong) == LabelledSolution("gsm8k 0?", ("a", "b", "c"), (1.0, 0.0, None), 1, True, False)
    assert labelled(right) == LabelledSolution("gsm8k 0?", ("a", "b", "c"), (1.0, 1.0, 1.0), 1, True, True)
    assert not labelled(wrong).correct and labelled(right).correct
    # People may find a wrong step on the way to a right answer.
    assert labelled(replace(wrong, final_answer_correct=True)).correct
