"""Accuracy against the number of samples: best-of-n by each PRM, the majority vote, and pass@n as the ceiling."""

from dataclasses import dataclass

from stepladder.report.answers import Evaluated
from stepladder.report.scores import row_scores
from stepladder.report.tables import Cell, Estimator
from stepladder.study.specs.tables import AnswersRow, AnswersTable


@dataclass(frozen=True)
class Curve:
    """Average accuracy by n, each as a table's row would state it."""

    label: str
    cells: dict[int, Cell]


@dataclass(frozen=True)
class Curves:
    """All curves of one evaluation, and its greedy accuracy to hold them against."""

    evaluation: str
    greedy: Cell
    curves: tuple[Curve, ...]


def best_of_n_curves(spec: AnswersTable, evaluated: Evaluated, seed: int) -> list[Curves]:
    """The curves of every evaluation in the table that has several samples and a PRM's scores; n = 1, 2, 4, 8, ..."""
    estimator = Estimator(evaluated, spec.resamples, seed)

    def average(row: AnswersRow) -> Cell:
        return estimator.average(row_scores(row, evaluated))

    found = []
    for evaluation, seeds in evaluated.answers.items():
        samples = min(len(answered.samples) for answers in seeds for answered in answers)
        ways = _ways(spec, evaluation, evaluated)
        if samples < 2 or not ways:
            continue
        rows = [
            {"label": f"PRM {prm} ({how})", "answer": "best_of_n", "prm": prm, "accumulate": how} for prm, how in ways
        ]
        rows += [{"label": "majority vote", "answer": "majority"}, {"label": "pass@n", "answer": "pass"}]
        sizes = [2**power for power in range(samples.bit_length()) if 2**power <= samples]
        curves = [
            Curve(row["label"], {n: average(AnswersRow(evaluation=evaluation, n=n, **row)) for n in sizes})
            for row in rows
        ]
        greedy = average(AnswersRow(label="greedy", evaluation=evaluation))
        found.append(Curves(evaluation, greedy, tuple(curves)))
    return found


def _ways(spec: AnswersTable, evaluation: str, evaluated: Evaluated) -> list[tuple[str, str]]:
    """(PRM, accumulation) of every PRM that scored the evaluation, accumulated as the table's rows do it."""
    scored = {
        prm
        for answered in evaluated.answers[evaluation][0]
        for sample in answered.samples
        for prm in sample["prm_scores"]
    }
    asked = dict.fromkeys((row.prm, row.accumulate) for row in spec.rows if row.evaluation == evaluation and row.prm)
    unasked = sorted(scored - {prm for prm, _ in asked})
    return [*asked, *((prm, AnswersRow.model_fields["accumulate"].default) for prm in unasked)]
