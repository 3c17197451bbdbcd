"""A result table: rows of evaluations, columns of data sets, with intervals and paired differences, in per cent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stepladder.errors import StepladderError
from stepladder.evaluation.statistics import bootstrap_mean, paired_difference, paired_tests
from stepladder.questions.mathematics.forms import UNANSWERABLE
from stepladder.report.answers import Evaluated
from stepladder.report.audits import Audits, clean
from stepladder.report.cells import AVERAGE, Cell, Line, PairedTest, differing, paired
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
    rows that choose or weigh the same number of the same answers by different PRMs. ``clean``: the audits of the rows
    that are over clean questions alone, by label.
    """

    title: str
    baseline: str
    sets: tuple[str, ...]
    seeds: int
    lines: tuple[Line, ...]
    tests: tuple[PairedTest, ...] = ()
    clean: dict[str, str] = field(default_factory=dict)

    @property
    def questions(self) -> dict[str, int]:
        """How many each column's accuracy is over: in rows over all questions, where there are such rows."""
        measured = [line for line in self.lines if not line.reported]
        return next((line for line in measured if line.label not in self.clean), measured[0]).questions


class Estimator:
    """Means, intervals and paired differences over questions and seeds of one table, in per cent.

    Every interval comes from the same draws of questions and seeds, so that rows are compared on equal terms.

    Args:
        chosen: (questions,) those that all of these are over, also the baseline's part of a difference; none: all.
    """

    def __init__(self, evaluated: Evaluated, resamples: int, seed: int, chosen: np.ndarray | None = None):
        self.chosen = np.ones(len(evaluated.questions), bool) if chosen is None else chosen
        self.datasets = np.array(evaluated.datasets)[self.chosen]
        self.columns = {column: members & self.chosen for column, members in _columns(evaluated).items()}
        self.has_every_set = all(self.columns[dataset].any() for dataset in evaluated.sets)
        self.resamples = resamples
        self.seed = seed

    @property
    def questions(self) -> dict[str, int]:
        """How many each column is over."""
        return {column: int(members.sum()) for column, members in self.columns.items()}

    def of_column(self, scores: np.ndarray, baseline: np.ndarray | None, column: str) -> Cell:
        """Accuracy on one data set or part. ``scores``, ``baseline``: (seeds, all questions) in [0, 1]."""
        return self._cell(scores, baseline, self.columns[column], None)

    def average(self, scores: np.ndarray, baseline: np.ndarray | None = None) -> Cell:
        """The unweighted mean of the data sets."""
        return self._cell(scores, baseline, self.chosen, self.datasets)

    def _cell(
        self, scores: np.ndarray, baseline: np.ndarray | None, over: np.ndarray, strata: np.ndarray | None
    ) -> Cell:
        mean = bootstrap_mean(scores[:, over], strata, self.resamples, seed=self.seed)
        values = [mean.estimate, mean.low, mean.high]
        if baseline is not None:
            gap = paired_difference(scores[:, over], baseline[:, over], strata, self.resamples, seed=self.seed)
            values += [gap.estimate, gap.low, gap.high]
        return Cell(*(100 * value for value in values))


def make_table(
    spec: AnswersTable, evaluated: Evaluated, reported: dict[str, Reported], seed: int, audits: Audits | None = None
) -> ResultTable:
    """The table that a spec describes.

    A row over clean questions is held against the baseline on these questions alone; where it is the baseline's own
    answers there is nothing to hold it against.

    Args:
        spec: rows, baseline and number of resamples.
        evaluated: the answers of every evaluation that a row names.
        reported: the published rows, by name; empty where the study names none.
        seed: of the bootstrap's draws.
        audits: those that rows over clean questions name; none where there are no such rows.

    Raises:
        StepladderError: when a row names a published row that there is none of, or needs samples or scores that the
            evaluation lacks; when a question was not audited, or no question of a set is clean in the baseline.
    """
    estimators = {
        name: Estimator(evaluated, spec.resamples, seed, name and clean(name, audits or {}, evaluated.questions))
        for name in {row.clean for row in spec.rows}
    }
    (baseline,) = (row for row in spec.rows if row.label == spec.baseline)
    if not estimators[baseline.clean].has_every_set:
        raise StepladderError(
            f"row {baseline.label!r}: audits.{baseline.clean} leaves no question of some set; take another baseline"
        )
    scores = {row.label: row_scores(row, evaluated, row.grading) for row in spec.rows}
    tests = _tests(spec, scores, estimators)
    lines: list[Line] = []
    for row in spec.rows:
        against = None if _same_answers(row, baseline) else scores[spec.baseline]
        lines.append(_measured(row, scores[row.label], evaluated, estimators[row.clean], against, tests))
        if row.reported is not None:
            lines.append(_published(find_reported(reported, row.reported), evaluated.sets))
    audited = {row.label: row.clean for row in spec.rows if row.clean}
    return ResultTable(spec.title, spec.baseline, evaluated.sets, len(evaluated.seeds), tuple(lines), tests, audited)


def _same_answers(row: AnswersRow, baseline: AnswersRow) -> bool:
    """Whether a row is the baseline, or its answers to clean questions."""
    same = row.model_copy(update={key: getattr(baseline, key) for key in ("label", "reported", "clean")})
    return row.label == baseline.label or (same == baseline and row.clean != baseline.clean)


def _measured(
    row: AnswersRow,
    scores: np.ndarray,
    evaluated: Evaluated,
    estimator: Estimator,
    baseline: np.ndarray | None,
    tests: Sequence[PairedTest],
) -> Line:
    questions = estimator.questions
    cells = {column: estimator.of_column(scores, baseline, column) for column in questions if questions[column]}
    if estimator.has_every_set:
        cells[AVERAGE] = estimator.average(scores, baseline)
        cells[FLEXIBLE] = estimator.average(row_scores(row, evaluated, "flexible"))
        cells[UNPARSABLE] = estimator.average(row_unparsable(row, evaluated))
    questions |= dict.fromkeys((AVERAGE, FLEXIBLE, UNPARSABLE), len(estimator.datasets))
    source = f"evaluations.{row.evaluation}" + (f", clean by audits.{row.clean}" if row.clean else "")
    return Line(row.label, source, False, cells, questions, {AVERAGE: differing(row.label, tests)})


def _tests(
    spec: AnswersTable, scores: dict[str, np.ndarray], estimators: Mapping[str | None, Estimator]
) -> tuple[PairedTest, ...]:
    """All pairs of rows that differ in their PRM, or in how they read it, only; Holm's p-values are over each group."""
    groups: dict[tuple[str, str, int, str | None], list[str]] = {}
    for row in spec.rows:
        if row.prm is not None and row.answer in ("best_of_n", "weighted_majority"):
            groups.setdefault((row.evaluation, row.answer, row.n, row.clean), []).append(row.label)
    found: tuple[PairedTest, ...] = ()
    for (*_, audit), labels in groups.items():
        estimator = estimators[audit]
        if not estimator.has_every_set:
            continue
        chosen = {label: scores[label][:, estimator.chosen] for label in labels}
        found += paired(paired_tests(chosen, estimator.datasets, estimator.resamples, estimator.seed))
    return found


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
