"""Accuracy against the number of samples: best-of-n by each PRM, the majority vote, ceiling and floor."""

from dataclasses import dataclass

from stepladder.report.answers import Evaluated
from stepladder.report.cells import Cell
from stepladder.report.scores import row_scores
from stepladder.report.tables import Estimator
from stepladder.study.specs.tables import AnswersRow, AnswersTable

MAJORITY, ORACLE, RANDOM = "majority vote", "oracle (pass@n)", "random choice"
_HELD_AGAINST = (
    {"label": MAJORITY, "answer": "majority"},
    {"label": ORACLE, "answer": "best_of_n", "reference_prm": "oracle"},
    {"label": RANDOM, "answer": "best_of_n", "reference_prm": "random"},
)


@dataclass(frozen=True)
class Curve:
    """Average accuracy by n, each as a table's row would state it."""

    label: str
    cells: dict[int, Cell]


@dataclass(frozen=True)
class Curves:
    """All curves of one evaluation, and its greedy accuracy to hold them against, where it has greedy answers."""

    evaluation: str
    greedy: Cell | None
    curves: tuple[Curve, ...]


def best_of_n_curves(spec: AnswersTable, evaluated: Evaluated, seed: int) -> list[Curves]:
    """The curves of every evaluation in the table that has several samples and a PRM's scores; n = 1, 2, 4, 8, ..."""
    estimator = Estimator(evaluated, spec.resamples, seed)

    def average(row: AnswersRow) -> Cell:
        return estimator.average(row_scores(row, evaluated))

    found = []
    for evaluation, seeds in evaluated.answers.items():
        samples = min(int(answered.sampled["strict"].samples.min()) for answered in seeds)
        ways = _ways(spec, evaluation, evaluated)
        if samples < 2 or not ways:
            continue
        rows = [
            {"label": f"PRM {prm} ({how})", "answer": "best_of_n", "prm": prm, "accumulate": how} for prm, how in ways
        ]
        sizes = [2**power for power in range(samples.bit_length()) if 2**power <= samples]
        curves = [
            Curve(row["label"], {n: average(AnswersRow(evaluation=evaluation, n=n, **row)) for n in sizes})
            for row in (*rows, *_HELD_AGAINST)
        ]
        greedy = average(AnswersRow(label="greedy", evaluation=evaluation)) if seeds[0].greedy else None
        found.append(Curves(evaluation, greedy, tuple(curves)))
    return found


def _ways(spec: AnswersTable, evaluation: str, evaluated: Evaluated) -> list[tuple[str, str]]:
    """(PRM, accumulation) of every PRM that scored the evaluation, accumulated as the table's rows do it."""
    scored = {prm for prm, _ in evaluated.answers[evaluation][0].scores}
    asked = dict.fromkeys((row.prm, row.accumulate) for row in spec.rows if row.evaluation == evaluation and row.prm)
    unasked = sorted(scored - {prm for prm, _ in asked})
    return [*asked, *((prm, AnswersRow.model_fields["accumulate"].default) for prm in unasked)]
