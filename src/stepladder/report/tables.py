"""A result table: rows of evaluations, columns of data sets, with intervals and paired differences, in per cent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stepladder.evaluation.statistics import bootstrap_mean, paired_difference, paired_tests
from stepladder.questions.mathematics.forms import UNANSWERABLE
from stepladder.report.answers import Evaluated
from stepladder.report.cells import AVERAGE, Cell, Line, PairedTest, differing
from stepladder.report.reported import Reported, find_reported
from stepladder.report.scores import row_scores, row_unparsable
from stepladder.study.specs.tables import AnswersRow, AnswersTable

FLEXIBLE, UNPARSABLE = "flexible", "unparsable"
PARTS = ("answerable", "unanswerable")
"""Columns of a set beside its own, where some of its questions have no answer."""


@dataclass(frozen=True)
class ResultTable:
    """What a table says, before any format.

    ``sets`` are the data sets. A column has a set's name, or that of its part: "gsm_plus unanswerable". ``tests``: of
    rows that choose or weigh the same number of the same answers by different PRMs.
    """

    title: str
    baseline: str
    sets: tuple[str, ...]
    seeds: int
    lines: tuple[Line, ...]
    tests: tuple[PairedTest, ...] = ()

    @property
    def questions(self) -> dict[str, int]:
        """How many each column's accuracy is over."""
        return next(line.questions for line in self.lines if not line.reported)


class Estimator:
    """Means, intervals and paired differences over the questions and seeds of one table, in per cent.

    Every interval comes from the same draws of questions and seeds, so that rows are compared on equal terms.
    """

    def __init__(self, evaluated: Evaluated, resamples: int, seed: int):
        self.datasets = np.array(evaluated.datasets)
        self.columns = _columns(evaluated)
        self.resamples = resamples
        self.seed = seed

    def of_column(self, scores: np.ndarray, baseline: np.ndarray | None, column: str) -> Cell:
        """Accuracy on one data set or part. ``scores``, ``baseline``: (seeds, all questions) in [0, 1]."""
        chosen = self.columns[column]
        return self._cell(scores[:, chosen], None if baseline is None else baseline[:, chosen], None)

    def average(self, scores: np.ndarray, baseline: np.ndarray | None = None) -> Cell:
        """The unweighted mean of the data sets."""
        return self._cell(scores, baseline, self.datasets)

    def _cell(self, scores: np.ndarray, baseline: np.ndarray | None, strata: np.ndarray | None) -> Cell:
        mean = bootstrap_mean(scores, strata, self.resamples, seed=self.seed)
        values = [mean.estimate, mean.low, mean.high]
        if baseline is not None:
            gap = paired_difference(scores, baseline, strata, self.resamples, seed=self.seed)
            values += [gap.estimate, gap.low, gap.high]
        return Cell(*(100 * value for value in values))


def make_table(spec: AnswersTable, evaluated: Evaluated, reported: dict[str, Reported], seed: int) -> ResultTable:
    """The table that a spec describes.

    Args:
        spec: rows, baseline and number of resamples.
        evaluated: the answers of every evaluation that a row names.
        reported: the published rows, by name; empty where the study names none.
        seed: of the bootstrap's draws.

    Raises:
        StepladderError: when a row names a published row that there is none of, or needs samples or scores that the
            evaluation lacks.
    """
    estimator = Estimator(evaluated, spec.resamples, seed)
    scores = {row.label: row_scores(row, evaluated, row.grading) for row in spec.rows}
    tests = _tests(spec, scores, estimator)
    lines: list[Line] = []
    for row in spec.rows:
        against = None if row.label == spec.baseline else scores[spec.baseline]
        lines.append(_measured(row, scores[row.label], evaluated, estimator, against, tests))
        if row.reported is not None:
            lines.append(_published(find_reported(reported, row.reported), evaluated.sets))
    return ResultTable(spec.title, spec.baseline, evaluated.sets, len(evaluated.seeds), tuple(lines), tests)


def _measured(
    row: AnswersRow,
    scores: np.ndarray,
    evaluated: Evaluated,
    estimator: Estimator,
    baseline: np.ndarray | None,
    tests: Sequence[PairedTest],
) -> Line:
    cells = {column: estimator.of_column(scores, baseline, column) for column in estimator.columns}
    cells[AVERAGE] = estimator.average(scores, baseline)
    cells[FLEXIBLE] = estimator.average(row_scores(row, evaluated, "flexible"))
    cells[UNPARSABLE] = estimator.average(row_unparsable(row, evaluated))
    questions = {column: int(chosen.sum()) for column, chosen in estimator.columns.items()}
    questions |= dict.fromkeys((AVERAGE, FLEXIBLE, UNPARSABLE), len(evaluated.questions))
    source = f"evaluations.{row.evaluation}"
    return Line(row.label, source, False, cells, questions, differing(row.label, tests))


def _tests(spec: AnswersTable, scores: dict[str, np.ndarray], estimator: Estimator) -> tuple[PairedTest, ...]:
    """All pairs of rows that differ in their PRM, or in how they read it, only; Holm's p-values are over each group."""
    groups: dict[tuple[str, str, int], list[str]] = {}
    for row in spec.rows:
        if row.prm is not None and row.answer in ("best_of_n", "weighted_majority"):
            groups.setdefault((row.evaluation, row.answer, row.n), []).append(row.label)
    found = []
    for labels in groups.values():
        chosen = {label: scores[label] for label in labels}
        tests = paired_tests(chosen, estimator.datasets, estimator.resamples, estimator.seed)
        found += [
            PairedTest(*pair, 100 * test.estimate, 100 * test.low, 100 * test.high, test.p_value)
            for pair, test in tests.items()
        ]
    return tuple(found)


def _columns(evaluated: Evaluated) -> dict[str, np.ndarray]:
    """Which questions each column is over: those of a set, and, where some have no answer, these and the others."""
    datasets = np.array(evaluated.datasets)
    unanswerable = np.array([gold == UNANSWERABLE for gold in evaluated.golds])
    columns = {}
    for dataset in evaluated.sets:
        columns[dataset] = datasets == dataset
        parts = (columns[dataset] & ~unanswerable, columns[dataset] & unanswerable)
        if all(part.any() for part in parts):
            columns |= {f"{dataset} {name}": part for name, part in zip(PARTS, parts, strict=True)}
    return columns


def _published(row: Reported, sets: tuple[str, ...]) -> Line:
    """A paper's own row; it has an average only where it has every data set of the table."""
    cells = {dataset: Cell(row.values[dataset]) for dataset in sets if dataset in row.values}
    if len(cells) == len(sets):
        cells[AVERAGE] = Cell(float(np.mean([cell.mean for cell in cells.values()])))
    return Line(f"{row.label} (reported)", row.source, True, cells)
