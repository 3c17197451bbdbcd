"""A table of step measures as the words a reader sees."""

from collections.abc import Callable

from stepladder.evaluation.process_bench import MEAN_F1, group_of, is_subset, measure_name
from stepladder.report.cells import Cell
from stepladder.report.layout import NOTHING, Layout, difference_words, interval_words
from stepladder.report.steps import QUESTIONS, STEPS, StepTable

_OTHERS = {
    "unfinished_step_auc": "unfinished AUC",
    "order_accuracy": "order",
    "right_above_zero": "right > 0",
    "wrong_below_margin": "wrong < -margin",
    "calibration_error": "ECE",
    "with_error": "error found",
    "without_error": "none found",
}
_SUBSETS = {"gsm8k": "GSM8K", "math": "MATH", "olympiadbench": "OlympiadBench", "omnimath": "Omni-MATH"}


def lay_out_steps(table: StepTable) -> Layout:
    """Every measure with its interval, step AUC and F1 also with their paired differences to the baseline.

    Of a benchmark the F1 of every subset, and in place of the F1 of all solutions the mean of these.
    """
    columns = _columns(table)
    return Layout(
        title=table.title,
        header=["PRM", *(heading for heading, _, _ in columns)],
        rows=[[line.label, *(words(line.cells.get(name)) for _, name, words in columns)] for line in table.lines],
        reported=[False] * len(table.lines),
        notes=_notes(table),
    )


def _columns(table: StepTable) -> list[tuple[str, str, Callable[[Cell | None], str]]]:
    """Heading, measure, and how a cell of it is written."""
    against = f"vs {table.baseline}"
    columns = [(name, name, _count_words) for name in (QUESTIONS, STEPS)]
    columns += [("step AUC", "step_auc", _estimate_words), (against, "step_auc", difference_words)]
    columns += [(heading, name, _estimate_words) for name, heading in _OTHERS.items()]
    subsets = _subsets(table)
    if not all(MEAN_F1 in line.cells for line in table.lines):
        columns += [("F1", "f1", _estimate_words), (f"F1 {against}", "f1", difference_words)]
    if subsets:
        columns += [(f"F1 {_SUBSETS.get(each, each)}", measure_name("f1", each), _estimate_words) for each in subsets]
        columns += [("mean F1", MEAN_F1, _estimate_words), (f"mean F1 {against}", MEAN_F1, difference_words)]
    return columns


def _subsets(table: StepTable) -> list[str]:
    named = {group_of(name) for line in table.lines for name in line.cells}
    return sorted(filter(is_subset, named))


def _count_words(cell: Cell | None) -> str:
    return NOTHING if cell is None else f"{cell.mean:.0f}"


def _estimate_words(cell: Cell | None) -> str:
    return NOTHING if cell is None else interval_words(cell)


def _notes(table: StepTable) -> list[str]:
    seeds = "1 seed" if table.seeds == 1 else f"mean over {table.seeds} seeds"
    notes = [
        f"Measures in %; {seeds}. In brackets: 95 % interval, bootstrap over questions and seeds. vs {table.baseline}:"
        " paired by question and seed, on the same labels only. chance and oracle: random scores, and the labels.",
        "step AUC: chance that a right step outscores a wrong one; unfinished AUC: without the steps that end a"
        " solution. order: pairs of steps of one solution in order. right > 0, wrong < -margin: shares of right and of"
        " wrong steps. ECE: expected calibration error.",
        "error found, none found: solutions whose first wrong step is found, and right ones in which none is, with a"
        " threshold that other questions have fitted; F1: their harmonic mean.",
    ]
    if _subsets(table):
        notes.append(
            "mean F1: unweighted mean of the subsets' F1, all with one threshold; table.csv has every generator's."
        )
    if table.not_scored:
        notes.append(
            f"Solutions too long to be scored: {table.not_scored}; they count as missed in every row, unless their"
            " questions fit the threshold."
        )
    return notes
