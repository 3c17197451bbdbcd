"""Picture of a table of values: how errors go on along the solution."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from stepladder.report.canvas import COLOURS, LITERALLY, finish, panels, save
from stepladder.report.values import JudgedValues

_DASHES = ("-", "--", ":")


@LITERALLY
def draw_by_step(rows: Sequence[JudgedValues], path: Path) -> None:
    """Mean absolute error by the number of steps behind a state, a line a row and a panel a rollouts node."""
    nodes = list(dict.fromkeys(row.node for row in rows))
    figure, places = panels(len(nodes), "")
    for axes, node in zip(places, nodes, strict=True):
        for place, row in enumerate(row for row in rows if row.node == node):
            axes.plot([each.step for each in row.errors], [each.mean_absolute_error for each in row.errors], "o",
                      color=COLOURS[place % len(COLOURS)], linestyle=_DASHES[place // len(COLOURS) % len(_DASHES)],
                      markersize=4, label=row.label)  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        finish(axes, f"rollouts.{node}", "steps behind the state", "mean absolute error")
    places[0].set_ylim(bottom=0)  # of all panels, once everything is drawn
    save(figure, path)
