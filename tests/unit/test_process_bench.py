"""ProcessBench: its records, the threshold of other problems, F1 by subset and generator."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scored_chains import steps_of

from stepladder.errors import StepladderError
from stepladder.evaluation.first_error import validation_part
from stepladder.evaluation.process_bench import (
    accuracies_of,
    group_of,
    groups_of,
    in_group,
    is_subset,
    located,
    threshold_of,
)
from stepladder.evaluation.step_measures import Bootstrap, measure
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


def judged_by(solutions: list[MarkedSolution], scores: list[list[float]], resamples: int = 20):
    """Steps as a table has them, the questions' ids, and every measure."""
    questions = sorted({problem_id(each.problem) for each in solutions})
    chains = [
        (questions.index(problem_id(each.problem)), logits[: len(soft)], soft)
        for each, logits in zip(solutions, scores, strict=True)
        for soft in [[value for value in labelled(each).soft if value is not None]]
    ]
    steps = steps_of(chains, [labelled(each).source for each in solutions])
    return steps, questions, measure([steps], questions, 0.0, 0.2, Bootstrap(resamples, 0))


def test_four_solutions_by_hand():
    # Question 0 fits a threshold between 0 and 1; of the four others two have an error, found in one, and of the two
    # without an error one is passed.
    chains = [
        (0, [1.0, 0.0], [1.0, 0.0]),
        (0, [1.0, 1.0], [1.0, 1.0]),
        (1, [1.0, 0.0], [1.0, 0.0]),
        (2, [0.0, 0.0], [1.0, 0.0]),
        (3, [1.0, 1.0], [1.0, 1.0]),
        (4, [1.0, 0.0], [1.0, 1.0]),
    ]
    steps = steps_of(chains, ["a/m", "b/m", "a/m", "b/m", "a/m", "b/n"])
    fitting = np.array([True, False, False, False, False])
    assert threshold_of(steps, fitting) == 0.5
    flags = located(steps, fitting)
    assert flags.tolist() == [[0] * 4, [0] * 4, [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]
    groups = groups_of(steps.source.tolist())
    assert groups == ("", "a", "b", "a/m", "b/m", "b/n") and [g for g in groups if is_subset(g)] == ["a", "b"]
    sums = {group: flags[in_group(steps.source, group)].sum(0)[:, None] for group in groups}
    found = {name: values.item() for name, values in accuracies_of(sums).items()}
    assert (found["with_error"], found["without_error"], found["f1"]) == (0.5, 0.5, 0.5)
    # Everything of a is found and nothing of b: 0/0 is an F1 of 0. A generator with one kind of solution has none.
    assert (found["f1 a"], found["f1 b"], found["mean_f1"]) == (1.0, 0.0, 0.5)
    assert found["f1 a/m"] == 1.0 and found["with_error b/m"] == 0.0 and np.isnan(found["f1 b/n"])
    assert {group_of(name) for name in found} == set(groups)


def test_f1_of_a_subset_is_worked_out_on_the_other_problems():
    solutions = marked(60)
    fitting = validation_part([problem_id(s.problem) for s in solutions], 0.2)
    # Of the judged ones miss each third; that of those with an error and without gives F1.
    judged = [i for i in range(len(solutions)) if not fitting[i]]
    missed = set(judged[::3])
    scores = [[1 - x for x in s] if i in missed else s for i, s in enumerate(oracle(solutions))]
    _, _, found = judged_by(solutions, scores, 200)
    f1 = []
    for subset in ("gsm8k", "math"):
        mine = [i for i in judged if solutions[i].subset == subset]
        for group, members in ((subset, mine), (f"{subset}/m1", [i for i in mine if solutions[i].generator == "m1"])):
            a, b = (
                np.mean([i not in missed for i in members if (solutions[i].label >= 0) == w]) for w in (True, False)
            )
            assert found[f"with_error {group}"].estimate == pytest.approx(a)
            assert found[f"without_error {group}"].estimate == pytest.approx(b)
            assert found[f"f1 {group}"].estimate == pytest.approx(2 * a * b / (a + b))
        f1.append(found[f"f1 {subset}"].estimate)
    mean = found["mean_f1"]
    assert mean.estimate == pytest.approx(np.mean(f1)) and f1[0] != f1[1] != found["f1"].estimate
    np.testing.assert_allclose(mean.resampled, (found["f1 gsm8k"].resampled + found["f1 math"].resampled) / 2)
    low, high = np.percentile(mean.resampled, [2.5, 97.5])
    assert low < mean.estimate < high


def test_what_is_judged_never_moves_the_threshold():
    solutions = marked(40)
    scores = [[x + 0.01 * i for x in s] for i, s in enumerate(oracle(solutions))]
    steps, questions, _ = judged_by(solutions, scores)
    fitting = validation_part(questions, 0.2)
    threshold = threshold_of(steps, fitting)
    for noise in (-5.0, 5.0):
        moved = replace(steps, logits=np.where(fitting[steps.owner], steps.logits, steps.logits + noise))
        assert threshold_of(moved, fitting) == threshold
    assert threshold_of(replace(steps, logits=steps.logits + 5.0), fitting) != threshold


def test_the_oracle_is_perfect_and_a_constant_finds_one_kind_only():
    solutions = marked(40)
    best = judged_by(solutions, oracle(solutions))[2]["mean_f1"]
    assert best.estimate == 1.0 and set(best.resampled) == {1.0}
    flat = judged_by(solutions, [[0.0] * 3] * len(solutions))[2]
    accuracies = [flat[f"{kind} math"].estimate for kind in ("with_error", "without_error")]
    assert flat["mean_f1"].estimate == 0.0 and min(accuracies) == 0.0 < max(accuracies)


def test_a_solution_that_was_not_scored_is_missed():
    chains = [(0, [1.0, 0.0], [1.0, 0.0]), (0, [1.0], [1.0]), (1, [1.0, 0.0], [1.0, 0.0]), (1, [1.0], [1.0])]
    fitting = np.array([True, False])
    sources = ["a/m"] * 4
    whole = located(steps_of(chains, sources), fitting).sum(0)
    assert whole.tolist() == [1, 1, 1, 1]
    # Three of the judged problem and one of that which fits the threshold.
    missed = [(1, True), (1, True), (1, False), (0, False)]
    steps = steps_of(chains, [*sources, "a/m", "a/n", "a/n", "a/n"], missed)
    assert located(steps, fitting).sum(0).tolist() == [1, 3, 1, 2]
    found = measure([steps], ["q0", "q1"], 0.0, 0.5, Bootstrap(5, 0))
    alone = measure([steps_of(chains, sources)], ["q0", "q1"], 0.0, 0.5, Bootstrap(5, 0))
    for name in ("step_auc", "order_accuracy", "calibration_error"):
        assert found[name].estimate == alone[name].estimate


def test_steps_behind_the_first_wrong_one_have_no_label():
    wrong, right = (replace(marked(1)[0], label=label, final_answer_correct=label < 0) for label in (1, -1))
    of = {"problem": "gsm8k 0?", "steps": ("a", "b", "c"), "trials": 1, "finished": True, "source": "gsm8k/m0"}
    assert labelled(wrong) == LabelledSolution(**of, soft=(1.0, 0.0, None), right=False)
    assert labelled(right) == LabelledSolution(**of, soft=(1.0, 1.0, 1.0), right=True)
    assert not labelled(wrong).correct and labelled(right).correct
    # People may find a wrong step on the way to a right answer.
    assert labelled(replace(wrong, final_answer_correct=True)).correct
