"""A table of positions as the words a reader sees, and its picture."""

from pathlib import Path

from stepladder.evaluation.positions import ACCURACY, BIAS, BY_CHANCE, GIVEN, RECALL, RIGHT, SPREAD, UNPARSABLE, at
from stepladder.report.canvas import COLOURS, INK, LITERALLY, finish, panels, save
from stepladder.report.cells import Cell, Line
from stepladder.report.layout import DISPLAY_NAMES, NOTHING, Layout, difference_words, interval_words, mean_words
from stepladder.report.positions import PositionTable


def lay_out_positions(table: PositionTable) -> Layout:
    """Shares and recalls by place; spread, and bias with its paired difference to the baseline."""
    against = f"vs {table.baseline}"
    return Layout(
        title=table.title,
        header=["method", ACCURACY, GIVEN, RIGHT, RECALL, SPREAD, BIAS, against, BY_CHANCE, UNPARSABLE],
        rows=[_words(line, table.places) for line in table.lines],
        reported=[False] * len(table.lines),
        notes=_notes(table),
    )


@LITERALLY
def draw_recall(table: PositionTable, path: Path) -> None:
    """Accuracy by the place of the right option, a line a row, with 95 % intervals."""
    figure, (axes,) = panels(1, "")
    for number, line in enumerate(table.lines):
        cells = {
            place + 1: line.cells[name] for place in range(table.places) if (name := at(RECALL, place)) in line.cells
        }
        means = [cell.mean for cell in cells.values()]
        errors = [[max(0.0, cell.mean - cell.low) for cell in cells.values()]]
        errors += [[max(0.0, cell.high - cell.mean) for cell in cells.values()]]
        shift = 0.06 * (number - (len(table.lines) - 1) / 2)
        colour = INK if line.label == table.baseline else COLOURS[number % len(COLOURS)]
        marker = "os^vDPX*<>"[number // len(COLOURS) % 10]
        axes.errorbar([place + shift for place in cells], means, yerr=errors, fmt=f"{marker}-", color=colour, capsize=2,
                      label=line.label)  # fmt: skip
    axes.set_xticks(range(1, table.places + 1))
    axes.set_ylim(bottom=0)
    finish(axes, table.title, "place of the right option", "accuracy in %, 95 % interval")
    save(figure, path)


def _words(line: Line, places: int) -> list[str]:
    by_place = (
        " / ".join(mean_words(line.cells.get(at(measure, place))) for place in range(places))
        for measure in (GIVEN, RIGHT, RECALL)
    )
    bias = line.cells.get(BIAS)
    return [
        line.label,
        _interval_words(line.cells.get(ACCURACY)),
        *by_place,
        _interval_words(line.cells.get(SPREAD)),
        _interval_words(bias),
        difference_words(bias),
        _interval_words(line.cells.get(BY_CHANCE)),
        mean_words(line.cells.get(UNPARSABLE)),
    ]


def _interval_words(cell: Cell | None) -> str:
    return NOTHING if cell is None else interval_words(cell)


def _notes(table: PositionTable) -> list[str]:
    seeds = "1 seed" if table.seeds == 1 else f"mean over {table.seeds} seeds"
    sets = ", ".join(DISPLAY_NAMES[dataset] for dataset in table.sets)
    return [
        f"Greedy answers, in %; {seeds}; {sets}: unweighted mean of the sets, each in table.csv. In brackets:"
        f" 95 % interval, bootstrap over questions and seeds. vs {table.baseline}: of the bias, paired by question and"
        " seed.",
        f"{GIVEN}, {RIGHT}: of the answers that can be read, by place, the shares given there, and whose right option"
        f" stands there. {RECALL}: accuracy where the right option stands there. {SPREAD}: their standard deviation."
        " Of a place that only some sets have: mean of these.",
        f"{BIAS}: total variation distance between the shares given and right. {BY_CHANCE}: the bias, and in brackets"
        " where 95 % of it lie, if as many answers were right at random questions and the others stood anywhere else."
        " The interval of a bias leans upwards, as resampling adds to it.",
    ]
