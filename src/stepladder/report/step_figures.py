"""Pictures of a step table: calibration, and scores by position."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stepladder.report.canvas import COLOURS, INK, LITERALLY, finish, panels, save
from stepladder.report.step_profiles import by_position, reliability
from stepladder.report.steps import Judged


@LITERALLY
def draw_reliability(rows: Sequence[Judged], path: Path) -> None:
    """Mean label against mean score by bin of the score, one panel a labels node; the diagonal is perfect."""

    def draw(axes: Axes, row: Judged, colour: str) -> None:
        bins = reliability(row.steps)
        axes.plot([each.mean_score for each in bins], [each.mean_label for each in bins], "o-", color=colour,
                  markersize=4, label=row.label)  # fmt: skip

    figure, places = _drawn(rows, draw)
    for axes, node in places:
        axes.plot([0, 1], [0, 1], ":", color=INK, linewidth=1)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        finish(axes, node, "mean score of a bin", "mean label")
    save(figure, path)


@LITERALLY
def draw_by_position(rows: Sequence[Judged], path: Path) -> None:
    """Mean score by place in the solution, right steps solid and wrong ones dashed, one panel a labels node."""

    def draw(axes: Axes, row: Judged, colour: str) -> None:
        for (kind, groups), dashes in zip(by_position(row.steps).items(), ("-", "--"), strict=True):
            axes.plot([each.value + 1 for each in groups], [each.mean_score for each in groups], "o", color=colour,
                      linestyle=dashes, markersize=4, label=f"{row.label}, {kind}")  # fmt: skip

    figure, places = _drawn(rows, draw)
    for axes, node in places:
        axes.set(ylim=(-0.02, 1.02))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        finish(axes, node, "step", "mean score")
    save(figure, path)


def _drawn(rows: Sequence[Judged], draw: Callable[[Axes, Judged, str], None]) -> tuple[Figure, list[tuple[Axes, str]]]:
    """One panel for each labels node, its measured rows drawn in it; with the panels' titles."""
    measured = [row for row in rows if not row.reference]
    nodes = list(dict.fromkeys(row.labels for row in measured))
    figure, places = panels(len(nodes), "")
    for axes, node in zip(places, nodes, strict=True):
        for place, row in enumerate(row for row in measured if row.labels == node):
            draw(axes, row, COLOURS[place % len(COLOURS)])
    return figure, [(axes, f"labels.{node}") for axes, node in zip(places, nodes, strict=True)]
