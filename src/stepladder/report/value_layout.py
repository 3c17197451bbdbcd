"""Tables of values as the words a reader sees."""

from collections.abc import Callable

from stepladder.report.cells import Cell
from stepladder.report.layout import NOTHING, Layout, difference_words, interval_words
from stepladder.report.values import STATES, TOKENS, TOKENS_MSE, ValueTable

Words = Callable[[Cell | None], str]


def lay_out_values(table: ValueTable) -> Layout:
    """Bias, errors with their paired differences to the baseline, correlation within and between questions, tokens."""
    columns: list[tuple[str, str, Words]] = [
        ("bias", "bias", _fine_words),
        ("MSE", "mse", _fine_words),
        (f"MSE vs {table.baseline}", "mse", _fine_difference),
        ("MAE", "mae", _interval_words),
        ("r within", "within", _interval_words),
        ("r between", "between", _interval_words),
        ("tokens at 1 % MSE", TOKENS_MSE, _count_interval),
    ]
    notes = [
        f"Measures in %, of values between 0 and 1; {_seeds(table)}. In brackets: 95 % interval, bootstrap over"
        f" questions and seeds. vs {table.baseline}: paired by question and seed, on the same states only.",
        "A value is judged by rollouts of its state that it has not read. MSE is corrected for the noise of these, MAE"
        " is not. r within: correlation within questions, over states; r between: of the questions' means. A score is"
        " of the last step behind a state, and the bare question has none.",
        "tokens: generated for one value, mean over states. tokens at 1 % MSE: tokens times MSE by 1 %. The MSE of the"
        " mean of K rollouts falls as 1 / K, so all K have the same; a row with less gets more out of a token.",
    ]
    return _layout(table, columns, notes)


def lay_out_ranking(table: ValueTable) -> Layout:
    """How often the best alternative is found, and pairs in order, with tokens."""
    columns: list[tuple[str, str, Words]] = [
        ("best found", "best", _interval_words),
        (f"vs {table.baseline}", "best", difference_words),
        ("pairs in order", "pairs", _interval_words),
    ]
    notes = [
        f"Measures in %; {_seeds(table)}. In brackets: 95 % interval, bootstrap over questions and seeds. vs"
        f" {table.baseline}: paired by question and seed, on the same states only. chance: values that know nothing.",
        "best found: the alternative next step of the highest value is the best by rollouts that no value has read;"
        " tied values count their share. pairs in order: of alternatives to one step, ties count one half. Steps whose"
        " alternatives are equally good take no part. tokens: generated for the values of one step's alternatives.",
    ]
    return _layout(table, columns, notes)


def _layout(table: ValueTable, columns: list[tuple[str, str, Words]], notes: list[str]) -> Layout:
    columns = [(STATES, STATES, _count_words), *columns, (TOKENS, TOKENS, _count_words)]
    return Layout(
        title=table.title,
        header=["values", *(heading for heading, _, _ in columns)],
        rows=[[line.label, *(words(line.cells.get(name)) for _, name, words in columns)] for line in table.lines],
        reported=[False] * len(table.lines),
        notes=notes,
    )


def _seeds(table: ValueTable) -> str:
    return "1 seed" if table.seeds == 1 else f"mean over {table.seeds} seeds"


def _count_words(cell: Cell | None) -> str:
    return NOTHING if cell is None else f"{cell.mean:,.0f}"


def _count_interval(cell: Cell | None) -> str:
    return NOTHING if cell is None else f"{cell.mean:,.0f} [{cell.low:,.0f}, {cell.high:,.0f}]"


def _interval_words(cell: Cell | None) -> str:
    return NOTHING if cell is None else interval_words(cell)


def _fine_words(cell: Cell | None) -> str:
    """To two places: squared errors are small."""
    return NOTHING if cell is None else _fine("{:.2f} [{:.2f}, {:.2f}]", cell.mean, cell.low, cell.high)


def _fine_difference(cell: Cell | None) -> str:
    if cell is None or cell.difference is None:
        return NOTHING
    numbers = cell.difference, cell.difference_low, cell.difference_high
    return _fine("{:+.2f} [{:+.2f}, {:+.2f}]", *numbers)


def _fine(words: str, *numbers: float) -> str:
    # Adding 0 turns the -0.0 that rounding leaves into 0.0.
    return words.format(*(round(number, 2) + 0.0 for number in numbers))
