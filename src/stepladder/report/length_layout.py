"""A table of lengths as the words a reader sees."""

from stepladder.evaluation.lengths import ADJUSTED, BETWEEN, CHOSEN, RIGHT, SHORTER, STEPS, TOKENS, WITHIN
from stepladder.report.cells import Cell, Line
from stepladder.report.layout import NOTHING, Layout, difference_words, interval_words, mean_words
from stepladder.report.lengths import ANSWERS, QUESTIONS, LengthTable

_HEADINGS = {WITHIN: "r within", BETWEEN: "r between", RIGHT: "r of right", SHORTER: "shorter wins"}


def lay_out_lengths(table: LengthTable) -> Layout:
    """Correlations of rewards with steps and tokens, pairs won by the shorter side, accuracy of choosing by reward."""
    columns = [f"{heading}, {unit}" for unit in (STEPS, TOKENS) for heading in _HEADINGS.values()]
    chosen = ["right by choice", f"vs {table.baseline}", "without length"]
    return Layout(
        title=table.title,
        header=["rewards", QUESTIONS, ANSWERS, *columns, *chosen],
        rows=[_words(line) for line in table.lines],
        reported=[False] * len(table.lines),
        notes=_notes(table),
    )


def _words(line: Line) -> list[str]:
    chosen = line.cells.get(CHOSEN)
    return [
        line.label,
        *(f"{line.cells[name].mean:,.0f}" for name in (QUESTIONS, ANSWERS)),
        *(mean_words(line.cells.get(f"{name} {unit}")) for unit in (STEPS, TOKENS) for name in _HEADINGS),
        _interval_words(chosen),
        difference_words(chosen),
        _interval_words(line.cells.get(ADJUSTED)),
    ]


def _interval_words(cell: Cell | None) -> str:
    return NOTHING if cell is None else interval_words(cell)


def _notes(table: LengthTable) -> list[str]:
    seeds = "1 seed" if table.seeds == 1 else f"mean over {table.seeds} seeds"
    return [
        f"Measures in %, correlations too; {seeds}. In brackets: 95 % interval, bootstrap over questions and seeds;"
        f" table.csv has all of them. vs {table.baseline}: paired by question and seed, on the same trajectories only.",
        "r: rank correlation of rewards with length; within: among a question's answers; between: of the questions'"
        " means; of right: among a question's right answers. shorter wins: of two right answers the one with the higher"
        " reward is the shorter; 50 if rewards know nothing of length.",
        "right by choice: a question's answer of the highest reward is right, ties broken evenly; without length: the"
        " same, once a linear function of steps and tokens, fitted within questions, is taken off. fewest, most:"
        " choices by length alone; chance: any answer.",
    ]
