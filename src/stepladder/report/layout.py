"""A table as the words a reader sees: one layout for Markdown, LaTeX and HTML."""

from dataclasses import dataclass

from stepladder.report.cells import AVERAGE, Cell, Line
from stepladder.report.tables import FLEXIBLE, PARTS, UNPARSABLE, ResultTable

DISPLAY_NAMES = {
    "awpnli": "AWPNLI",
    "newsnli": "NewsNLI",
    "redditnli": "RedditNLI",
    "rte_quant": "RTE-Quant",
    "stresstest": "StressTest",
    "qqa": "QQA",
    "sums": "Sums",
    "puzzles": "Puzzles",
    "gsm8k": "GSM8K",
    "gsm_plus": "GSM-Plus",
    "math500": "MATH500",
    "logiqa2": "LogiQA 2.0",
    "reclor": "ReClor",
}
NOTHING = "–"


@dataclass(frozen=True)
class Layout:
    """Header, one list of words per line, and the notes below the table."""

    title: str
    header: list[str]
    rows: list[list[str]]
    reported: list[bool]
    notes: list[str]


def lay_out(table: ResultTable) -> Layout:
    """Means by data set; mean and interval of the average; the average's paired difference to the baseline."""
    columns = _columns(table)
    return Layout(
        title=table.title,
        header=["method", *columns.values(), "average", f"vs {table.baseline}", FLEXIBLE, UNPARSABLE],
        rows=[_words(line, list(columns)) for line in table.lines],
        reported=[line.reported for line in table.lines],
        notes=_notes(table),
    )


def _columns(table: ResultTable) -> dict[str, str]:
    """The columns of accuracies and their headings; the parts of a set stand behind it."""
    headings = {}
    for dataset in table.sets:
        headings[dataset] = DISPLAY_NAMES[dataset]
        headings |= {f"{dataset} {part}": part for part in PARTS if f"{dataset} {part}" in table.questions}
    return headings


def _words(line: Line, columns: list[str]) -> list[str]:
    average = line.cells.get(AVERAGE)
    return [
        line.label,
        *(mean_words(line.cells.get(column)) for column in columns),
        mean_words(average) if average is None or average.low is None else interval_words(average),
        difference_words(average),
        mean_words(line.cells.get(FLEXIBLE)),
        mean_words(line.cells.get(UNPARSABLE)),
    ]


def mean_words(cell: Cell | None) -> str:
    """The mean alone."""
    return NOTHING if cell is None else f"{cell.mean:.1f}"


def interval_words(cell: Cell) -> str:
    """The mean with its interval."""
    return f"{cell.mean:.1f} [{cell.low:.1f}, {cell.high:.1f}]"


def difference_words(cell: Cell | None) -> str:
    """The paired difference to the baseline with its interval."""
    if cell is None or cell.difference is None:
        return NOTHING
    return f"{_signed(cell.difference)} [{_signed(cell.difference_low)}, {_signed(cell.difference_high)}]"


def _signed(value: float) -> str:
    # Adding 0 turns the -0.0 that rounding leaves into 0.0.
    return f"{round(value, 1) + 0.0:+.1f}"


def _notes(table: ResultTable) -> list[str]:
    seeds = "1 seed" if table.seeds == 1 else f"mean over {table.seeds} seeds"
    notes = [
        f"Accuracy in %; {seeds}; {_sizes(table, table.questions)}; average: unweighted mean of the sets. In brackets:"
        " 95 % interval, bootstrap over questions and seeds.",
        f"vs {table.baseline}: difference of averages, paired by question and seed. {FLEXIBLE}: average when answers"
        f" are read by the flexible rule. {UNPARSABLE}: answers, in %, that the strict rule cannot read.",
    ]
    for audit in dict.fromkeys(table.clean.values()):
        lines = [line for line in table.lines if table.clean.get(line.label) == audit]
        notes.append(
            f"Clean by audits.{audit}: {'; '.join(line.label for line in lines)}. Only over questions whose passage was"
            f" not trained on, in differences to {table.baseline} as well; {_sizes(table, lines[0].questions)}."
        )
    sources: dict[str, list[str]] = {}
    for line in table.lines:
        if line.reported:
            sources.setdefault(line.source, []).append(line.label.removesuffix(" (reported)"))
    notes += [f"Reported, not measured here: {', '.join(rows)}, from {source}." for source, rows in sources.items()]
    return notes


def _sizes(table: ResultTable, questions: dict[str, int]) -> str:
    """How many questions the columns of some rows are over."""
    headings = _columns(table)
    sizes = {questions[column] for column in headings}
    if len(sizes) == 1:
        return f"{sizes.pop()} questions in each set"
    return "questions: " + ", ".join(f"{heading} {questions[column]}" for column, heading in headings.items())
