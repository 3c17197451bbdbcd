"""What all figures share. The same numbers give the same bytes: a PNG carries neither date nor version."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stepladder.files import atomic_path

# A label may hold dollar signs, which matplotlib would read as a formula.
LITERALLY = rc_context({"text.parse_math": False})
# Okabe and Ito's colours, which stay apart for colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442")
MAJORITY_COLOUR, REFERENCE_COLOUR = "#009E73", "#6B7280"
INK, GRID = "#1a1a1a", "#e3e5e8"


def panels(count: int, empty: str) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side; without any, one that says why."""
    figure = Figure(figsize=(max(6.5, 5.6 * count), 4.2), layout="constrained", dpi=150)
    if not count:
        figure.text(0.5, 0.5, empty, ha="center", va="center", color="#555555")
        return figure, []
    return figure, list(figure.subplots(1, count, squeeze=False, sharey=True)[0])


def finish(axes: Axes, title: str, x: str, y: str) -> None:
    """Title, labels, grid and legend of a panel."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(color=GRID)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary, metadata={"Software": None})
