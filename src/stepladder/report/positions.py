"""A table of positions: rows of evaluations, and where their answers and the right ones stood among the options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stepladder.errors import StepladderError
from stepladder.evaluation.positions import ACCURACY, BIAS, SPREAD, Placed, leaning
from stepladder.evaluation.step_measures import Bootstrap, Measured
from stepladder.records import ANSWERS, read_table
from stepladder.report.answers import origin
from stepladder.report.cells import Line
from stepladder.report.steps import measured_cell
from stepladder.study.fields import DATASETS
from stepladder.study.specs.bias_tables import PositionsRow, PositionsTable

_COLUMNS = ["question_id", "decoding", "dataset", "gold", "answer", "option_order"]
_COMPARED = (ACCURACY, SPREAD, BIAS)
ByEvaluation = Mapping[str, Mapping[int, Mapping[str, Placed]]]
"""Placed answers by evaluation, seed and data set."""


@dataclass(frozen=True)
class PositionTable:
    """What a table of positions says, before any format; all in per cent.

    ``sets``: the data sets with options. ``places``: the most options that a question has.
    """

    title: str
    baseline: str
    sets: tuple[str, ...]
    places: int
    seeds: int
    lines: tuple[Line, ...]


def read_positions(paths: Sequence[Path]) -> ByEvaluation:
    """The greedy answers to questions with options in files of ``records.ANSWERS``.

    Raises:
        StepladderError: when a file holds none, or others than the first.
    """
    found: dict[str, dict[int, dict[str, Placed]]] = {}
    first: tuple[Path, list[str]] | None = None
    for path in paths:
        name, seed = origin(path)
        table = read_table(path, ANSWERS, _COLUMNS).to_pylist()
        rows = [row for row in table if row["decoding"] == "greedy" and row["option_order"]]
        rows.sort(key=lambda row: (DATASETS.index(row["dataset"]), row["question_id"]))
        if not rows:
            raise StepladderError(f"{path}: no greedy answer to a question with options")
        asked = [row["question_id"] for row in rows]
        first = first or (path, asked)
        if asked != first[1]:
            raise StepladderError(f"{path} and {first[0]} answer different questions; rows of one table need one split")
        sets = dict.fromkeys(row["dataset"] for row in rows)
        found.setdefault(name, {})[seed] = {
            dataset: _placed([row for row in rows if row["dataset"] == dataset]) for dataset in sets
        }
    return found


def make_position_table(spec: PositionsTable, found: ByEvaluation, seed: int) -> PositionTable:
    """The table of a spec. Rows answer the same questions, in whatever order these show their options.

    Args:
        seed: of the bootstrap's draws.
    """
    draws = Bootstrap(spec.resamples, seed)
    measures = {row.label: leaning(list(found[row.evaluation].values()), draws) for row in spec.rows}
    by_seed = found[spec.rows[0].evaluation]
    sets = next(iter(by_seed.values()))
    sizes = {dataset: len(placed.options) for dataset, placed in sets.items()}
    lines = []
    for row in spec.rows:
        against = {} if row.label == spec.baseline else {name: measures[spec.baseline][name] for name in _COMPARED}
        lines.append(_line(row, measures[row.label], against, sizes))
    places = max(int(placed.options.max()) for placed in sets.values())
    return PositionTable(spec.title, spec.baseline, tuple(sets), places, len(by_seed), tuple(lines))


def _placed(rows: Sequence[dict[str, Any]]) -> Placed:
    """The rows of one data set, by the places of options and not by their numbers."""
    right, given = [], []
    for row in rows:
        order = row["option_order"]
        right.append(order.index(int(row["gold"])))
        given.append(-1 if row["answer"] is None else order.index(int(row["answer"])))
    options = [len(row["option_order"]) for row in rows]
    return Placed(*(np.array(each, dtype=np.int64) for each in (right, given, options)))


def _line(
    row: PositionsRow, measures: Mapping[str, Measured], baseline: Mapping[str, Measured], sizes: Mapping[str, int]
) -> Line:
    cells = {
        name: measured_cell(found, baseline.get(name))
        for name, found in measures.items()
        if not np.isnan(found.estimate)
    }
    # A set's own measures end in its name.
    questions = {name: sizes.get(name.rpartition(" ")[2], sum(sizes.values())) for name in cells}
    return Line(row.label, f"evaluations.{row.evaluation}", False, cells, questions)
