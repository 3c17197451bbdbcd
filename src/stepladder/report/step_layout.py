"""A table of step measures as the words a reader sees."""

from stepladder.report.cells import Line
from stepladder.report.layout import NOTHING, Layout, difference_words, interval_words, mean_words
from stepladder.report.steps import QUESTIONS, STEPS, StepTable

_COUNTS = (QUESTIONS, STEPS)
_MEANS = {
    "unfinished_step_auc": "unfinished AUC",
    "order_accuracy": "order",
    "right_above_zero": "right > 0",
    "wrong_below_margin": "wrong < -margin",
    "calibration_error": "ECE",
    "with_error": "error found",
    "without_error": "none found",
}


def lay_out_steps(table: StepTable) -> Layout:
    """Step AUC and F1 with their intervals and paired differences to the baseline, means of the other measures."""
    return Layout(
        title=table.title,
        header=["PRM", *_COUNTS, "step AUC", f"vs {table.baseline}", *_MEANS.values(), "F1", f"F1 vs {table.baseline}"],
        rows=[_words(line) for line in table.lines],
        reported=[False] * len(table.lines),
        notes=_notes(table),
    )


def _words(line: Line) -> list[str]:
    auc, f1 = line.cells.get("step_auc"), line.cells.get("f1")
    return [
        line.label,
        *(f"{line.cells[name].mean:.0f}" for name in _COUNTS),
        NOTHING if auc is None else interval_words(auc),
        difference_words(auc),
        *(mean_words(line.cells.get(name)) for name in _MEANS),
        NOTHING if f1 is None else interval_words(f1),
        difference_words(f1),
    ]


def _notes(table: StepTable) -> list[str]:
    seeds = "1 seed" if table.seeds == 1 else f"mean over {table.seeds} seeds"
    return [
        f"Measures in %; {seeds}. In brackets: 95 % interval, bootstrap over questions and seeds. vs {table.baseline}:"
        " paired by question and seed, on the same labels only. chance and oracle: random scores, and the labels.",
        "step AUC: chance that a right step outscores a wrong one; unfinished AUC: without the steps that end a"
        " solution. order: pairs of steps of one solution in order. right > 0, wrong < -margin: shares of right and of"
        " wrong steps. ECE: expected calibration error.",
        "error found, none found: solutions whose first wrong step is found, and right ones in which none is, with a"
        " threshold that other questions have fitted; F1: their harmonic mean.",
    ]
