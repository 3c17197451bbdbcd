"""A table of step measures: rows of PRMs, with intervals and paired differences, between an oracle and chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stepladder.evaluation.first_error import validation_part
from stepladder.evaluation.process_bench import ALL, MEAN_F1, group_of, in_group, threshold_of
from stepladder.evaluation.scored_steps import ScoredSteps
from stepladder.evaluation.statistics import interval_of
from stepladder.evaluation.step_measures import Bootstrap, Measured, difference_between, measure, paired_tests
from stepladder.report.cells import Cell, Line, PairedTest, differing, paired
from stepladder.report.step_scores import StepScores
from stepladder.study.specs.tables import StepsTable

QUESTIONS, STEPS = "questions", "steps"
TESTED = ("step_auc", "f1", MEAN_F1)
"""Measures by which every two rows on the same labels are compared."""


@dataclass(frozen=True)
class Judged:
    """One row before any format: what it is called, what it was measured on, and its steps for every seed.

    ``thresholds``: of first errors, by seed; None where they cannot be fitted.
    """

    label: str
    source: str
    labels: str
    steps: list[ScoredSteps]
    measures: dict[str, Measured]
    thresholds: list[float | None]
    reference: bool


@dataclass(frozen=True)
class StepTable:
    """What a table of step measures says, before any format; all in per cent but the counts.

    ``not_scored``: solutions of benchmarks that were too long to be scored. ``tests``: by measure, of every two rows on
    the same labels; Holm's p-values are over the pairs on those.
    """

    title: str
    baseline: str
    seeds: int
    not_scored: int
    lines: tuple[Line, ...]
    tests: dict[str, tuple[PairedTest, ...]]


def judge_rows(spec: StepsTable, found: StepScores, seed: int) -> list[Judged]:
    """Every row of a table, and behind the rows on each labels node an oracle's and a random PRM's.

    Args:
        seed: of the bootstrap's draws.

    Raises:
        StepladderError: when a labelled step has no score.
    """
    draws = Bootstrap(spec.resamples, seed)
    nodes = list(dict.fromkeys(row.labels for row in spec.rows))

    def judged(
        label: str, source: str, labels: str, steps: list[ScoredSteps], margin: float, reference: bool
    ) -> Judged:
        questions = found.questions(labels)
        fitting = validation_part(questions, spec.validation)
        measures = measure(steps, questions, margin, spec.validation, draws)
        return Judged(label, source, labels, steps, measures, [threshold_of(s, fitting) for s in steps], reference)

    rows = []
    for node in nodes:
        at = f"labels.{node}"
        for row in (row for row in spec.rows if row.labels == node):
            steps = found.of_prm(row.scores, node)
            rows.append(judged(row.label, f"scores.{row.scores} on {at}", node, steps, row.margin, False))
        for prm, word in (("random", "chance"), ("oracle", "oracle")):
            label = word if len(nodes) == 1 else f"{word} on {node}"
            rows.append(judged(label, at, node, found.of_reference(prm, node), 0.0, True))
    return rows


def make_step_table(spec: StepsTable, rows: Sequence[Judged]) -> StepTable:
    """The table of some rows. Rows on other labels than the baseline's have no difference to it."""
    (baseline,) = (row for row in rows if row.label == spec.baseline and not row.reference)
    tests = {measure: _tests(measure, rows) for measure in TESTED}
    lines = tuple(_line(row, baseline, tests) for row in rows)
    not_scored = {row.labels: max(len(steps.missed) for steps in row.steps) for row in rows}
    return StepTable(spec.title, spec.baseline, len(baseline.steps), sum(not_scored.values()), lines, tests)


def _tests(name: str, rows: Sequence[Judged]) -> tuple[PairedTest, ...]:
    found: tuple[PairedTest, ...] = ()
    for labels in dict.fromkeys(row.labels for row in rows):
        here = [row for row in rows if row.labels == labels and not row.reference and name in row.measures]
        found += paired(paired_tests({row.label: row.measures[name] for row in here}))
    return found


def _line(row: Judged, baseline: Judged, tests: Mapping[str, Sequence[PairedTest]]) -> Line:
    steps = float(np.mean([len(each.labels) for each in row.steps]))
    cells = {QUESTIONS: Cell(_questions(row, ALL)), STEPS: Cell(steps)}
    paired = row is not baseline and row.labels == baseline.labels
    for name, found in row.measures.items():
        if not np.isnan(found.estimate):
            cells[name] = measured_cell(found, baseline.measures[name] if paired else None)
    questions = {name: _questions(row, group_of(name)) for name in cells}
    differs = {name: differing(row.label, of) for name, of in tests.items() if not row.reference}
    return Line(row.label, row.source, False, cells, questions, differs)


def _questions(row: Judged, group: str) -> int:
    return len({question for each in row.steps for question in each.question[in_group(each.source, group)]})


def measured_cell(found: Measured, baseline: Measured | None) -> Cell:
    """A measure in per cent, with its interval and its paired difference to the baseline's, where there is one."""
    mean = interval_of(found.estimate, _there(found.resampled))
    values = [mean.estimate, mean.low, mean.high]
    if baseline is not None and not np.isnan(baseline.estimate):
        gap = difference_between(found, baseline)
        values += [gap.estimate, gap.low, gap.high]
    return Cell(*(None if np.isnan(value) else 100 * value for value in values))


def _there(resampled: np.ndarray) -> np.ndarray:
    """The resamples in which the measure exists."""
    return resampled[~np.isnan(resampled)]
