"""Tables of audits: how many questions were seen word for word, nearly, or not at all, by data set."""

from stepladder.questions.audit import by_set, tally
from stepladder.report.audits import Audits
from stepladder.report.cells import Cell, Line
from stepladder.report.layout import DISPLAY_NAMES, Layout
from stepladder.study.specs.tables import ContaminationTable

ALL = "all"
_COLUMNS = {
    "questions": "questions",
    "seen_word_for_word": "seen word for word",
    "seen_nearly": "seen nearly",
    "clean": "clean",
    "seen": "seen in %",
}


def make_contamination_table(spec: ContaminationTable, audits: Audits) -> tuple[Line, ...]:
    """A line for each row; of an audit of several sets a cell's name begins with its set's."""
    lines = []
    for row in spec.rows:
        rows = audits[row.audit]
        sets = by_set(rows)
        parts = {"": tally(rows)} | ({f"{name} ": counts for name, counts in sets.items()} if len(sets) > 1 else {})
        cells, questions = {}, {}
        for part, counts in parts.items():
            values = counts | {"seen": 100 * (1 - counts["clean"] / counts["questions"])}
            cells |= {f"{part}{name}": Cell(values[name]) for name in _COLUMNS}
            questions |= {f"{part}{name}": counts["questions"] for name in _COLUMNS}
        lines.append(Line(row.label, f"audits.{row.audit}", False, cells, questions))
    return tuple(lines)


def lay_out_contamination(spec: ContaminationTable, audits: Audits, lines: tuple[Line, ...]) -> Layout:
    """A line for each data set of an audit, and one for all where there are several."""
    rows = []
    for row, line in zip(spec.rows, lines, strict=True):
        sets = list(by_set(audits[row.audit]))
        parts = [(DISPLAY_NAMES[name], f"{name} ") for name in sets] if len(sets) > 1 else []
        parts.append((ALL if parts else DISPLAY_NAMES[sets[0]], ""))
        rows += [[row.label, shown, *_words(line, part)] for shown, part in parts]
    return Layout(
        title=spec.title,
        header=["audit", "set", *_COLUMNS.values()],
        rows=rows,
        reported=[False] * len(rows),
        notes=[
            "Questions whose passage (or first statement, or question with options) stands in what was trained on."
            " Word for word: it is a passage there, or all of its n-grams are in one; nearly: fewer, but as many as the"
            " audit's key near says; clean: all others. Case and punctuation do not count."
        ],
    )


def _words(line: Line, part: str) -> list[str]:
    return [
        f"{line.cells[f'{part}{name}'].mean:.1f}" if name == "seen" else f"{line.cells[f'{part}{name}'].mean:.0f}"
        for name in _COLUMNS
    ]
