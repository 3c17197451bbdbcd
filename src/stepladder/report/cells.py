"""What all tables are made of: lines of cells, in per cent but for counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stepladder.evaluation.statistics import Difference

AVERAGE = "average"
SIGNIFICANT = 0.05
"""Two rows differ when the p-value of their paired test, adjusted for being one of several, is below."""


@dataclass(frozen=True)
class Cell:
    """A mean in per cent, its 95 % interval and its paired difference to the baseline row, where there are any."""

    mean: float
    low: float | None = None
    high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None


@dataclass(frozen=True)
class PairedTest:
    """What ``row`` has less what ``other`` has, its interval, in per cent, and Holm's p-value."""

    row: str
    other: str
    estimate: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Line:
    """One line of a table.

    ``source``: what it was measured in, or where a paper reports it. ``questions``: by column, how many its cell is
    over. ``differs_from``: by column, the rows that its cell differs from.
    """

    label: str
    source: str
    reported: bool
    cells: dict[str, Cell]
    questions: dict[str, int] = field(default_factory=dict)
    differs_from: dict[str, tuple[str, ...]] = field(default_factory=dict)


def paired(tests: Mapping[tuple[str, str], Difference]) -> tuple[PairedTest, ...]:
    """Tests between rows, in per cent."""
    return tuple(
        PairedTest(*rows, 100 * test.estimate, 100 * test.low, 100 * test.high, test.p_value)
        for rows, test in tests.items()
    )


def differing(label: str, tests: Sequence[PairedTest]) -> tuple[str, ...]:
    """The rows that a row differs from."""
    found = [(test.row, test.other) for test in tests if test.p_value < SIGNIFICANT and label in (test.row, test.other)]
    return tuple(other if row == label else row for row, other in found)
