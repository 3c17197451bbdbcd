"""Pictures of a table of answers: bars of the averages, and accuracy against the number of samples."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stepladder.report.canvas import (
    COLOURS,
    GRID,
    INK,
    LITERALLY,
    MAJORITY_COLOUR,
    REFERENCE_COLOUR,
    finish,
    panels,
    save,
)
from stepladder.report.cells import AVERAGE, Cell
from stepladder.report.curves import MAJORITY, ORACLE, RANDOM, Curves
from stepladder.report.tables import ResultTable

_MEASURED, _REPORTED = COLOURS[0], "#B8BCC2"


@LITERALLY
def draw_bars(table: ResultTable, path: Path) -> None:
    """One bar per row that has an average, with its 95 % interval; the baseline's height is drawn through all."""
    lines = [line for line in table.lines if AVERAGE in line.cells][::-1]
    figure = Figure(figsize=(8.5, 1.4 + 0.38 * len(lines)), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    for place, line in enumerate(lines):
        cell = line.cells[AVERAGE]
        axes.barh(place, cell.mean, height=0.66, color=_REPORTED if line.reported else _MEASURED, zorder=2)
        if cell.low is not None:
            axes.errorbar(
                cell.mean, place, xerr=_error(cell), fmt="none", ecolor=INK, elinewidth=1.2, capsize=3, zorder=3
            )  # fmt: skip
        right = max(cell.mean, cell.high or 0)
        axes.annotate(
            f"{cell.mean:.1f}", (right, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9
        )  # fmt: skip
    (baseline,) = (line.cells[AVERAGE] for line in lines if line.label == table.baseline)
    axes.axvline(baseline.mean, color=INK, linestyle=":", linewidth=1, zorder=4)
    axes.set_yticks(range(len(lines)), [line.label for line in lines])
    axes.set_xlim(0, 108)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel(f"average accuracy in %, 95 % interval; dotted: {table.baseline}")
    axes.set_title(table.title, loc="left", fontsize=11)
    axes.grid(axis="x", color=GRID, zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    save(figure, path)


@LITERALLY
def draw_curves(found: list[Curves], path: Path) -> None:
    """One panel per evaluation; where no evaluation has several samples and a PRM, the picture says so."""
    figure, places = panels(len(found), "no evaluation of this table has several samples and a PRM")
    for axes, curves in zip(places, found, strict=True):
        _draw_panel(axes, curves)
    save(figure, path)


def _draw_panel(axes: Axes, curves: Curves) -> None:
    styles = {
        MAJORITY: (MAJORITY_COLOUR, "s", "-"),
        ORACLE: (REFERENCE_COLOUR, "^", "--"),
        RANDOM: (REFERENCE_COLOUR, "v", "--"),
    }
    free = iter(COLOURS * len(curves.curves))
    for curve in curves.curves:
        colour, marker, dashes = styles.get(curve.label) or (next(free), "o", "-")
        sizes, cells = list(curve.cells), list(curve.cells.values())
        means = [cell.mean for cell in cells]
        axes.plot(sizes, means, color=colour, marker=marker, linestyle=dashes, markersize=5, label=curve.label)
        axes.fill_between(
            sizes, [cell.low for cell in cells], [cell.high for cell in cells], color=colour, alpha=0.12, linewidth=0
        )  # fmt: skip
    if curves.greedy is not None:
        axes.axhline(curves.greedy.mean, color=INK, linestyle=":", linewidth=1, label="greedy")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    finish(axes, f"evaluations.{curves.evaluation}", "samples n", "average accuracy in %, 95 % interval")


def _error(cell: Cell) -> list[list[float]]:
    return [[max(0.0, cell.mean - cell.low)], [max(0.0, cell.high - cell.mean)]]
