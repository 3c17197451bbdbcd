"""Accuracy against what it took: tokens generated and time, over all seeds."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from stepladder.progress import format_clock
from stepladder.report.answers import Evaluated
from stepladder.report.canvas import COLOURS, INK, LITERALLY, finish, panels, save
from stepladder.report.cells import AVERAGE, Cell, Line
from stepladder.report.costs import Cost
from stepladder.report.layout import NOTHING, Layout, difference_words, interval_words
from stepladder.report.scores import row_scores
from stepladder.report.tables import Estimator, ResultTable
from stepladder.study.specs.tables import AnswersRow, EfficiencyTable

TOKENS, SECONDS = "generated tokens", "seconds"


def make_efficiency_table(
    spec: EfficiencyTable, evaluated: Evaluated, costs: Iterable[Cost], spent: Sequence[Sequence[str]], seed: int
) -> ResultTable:
    """Average accuracy in per cent with its interval, and a row's tokens and seconds, means over seeds.

    Args:
        costs: of every job that a row has spent, for every seed.
        spent: for each row, the nodes that it has spent, as "stage/name".
        seed: of the bootstrap's draws.
    """
    by_node: dict[str, list[Cost]] = {}
    for cost in costs:
        by_node.setdefault(f"{cost.stage.partition(' ')[0]}/{cost.name}", []).append(cost)
    estimator = Estimator(evaluated, spec.resamples, seed)
    scores = {row.label: row_scores(AnswersRow.model_validate(row.model_dump()), evaluated) for row in spec.rows}
    lines = []
    for row, nodes in zip(spec.rows, spent, strict=True):
        jobs = [cost for node in nodes for cost in by_node[node]]
        baseline = None if row.label == spec.baseline else scores[spec.baseline]
        cells = {
            AVERAGE: estimator.average(scores[row.label], baseline),
            TOKENS: Cell(sum(cost.generated_tokens or 0 for cost in jobs) / len(evaluated.seeds)),
            SECONDS: Cell(sum(cost.wall_seconds for cost in jobs) / len(evaluated.seeds)),
        }
        questions = dict.fromkeys(cells, len(evaluated.questions))
        lines.append(Line(row.label, f"evaluations.{row.evaluation}", False, cells, questions))
    return ResultTable(spec.title, spec.baseline, evaluated.sets, len(evaluated.seeds), tuple(lines))


def lay_out_efficiency(table: ResultTable) -> Layout:
    """Accuracy with its paired difference to the baseline, tokens and time."""
    seeds = "1 seed" if table.seeds == 1 else f"{table.seeds} seeds"
    return Layout(
        title=table.title,
        header=["method", "average", f"vs {table.baseline}", TOKENS, "time"],
        rows=[_words(line) for line in table.lines],
        reported=[False] * len(table.lines),
        notes=[
            f"Accuracy in %; {seeds}; average: unweighted mean of the sets. In brackets: 95 % interval, bootstrap over"
            f" questions and seeds; vs {table.baseline}: paired by question and seed.",
            f"Tokens and time are of one seed: of all jobs that the row's policy was made from and that of"
            f" {table.baseline} was not. Time is that of these jobs together, which may run side by side.",
        ],
    )


@LITERALLY
def draw_efficiency(table: ResultTable, path: Path) -> None:
    """Two panels: accuracy against tokens and against minutes, each row a point with its 95 % interval."""
    figure, places = panels(2, "")
    units = ((TOKENS, 1e3, "thousand generated tokens"), (SECONDS, 60, "minutes"))
    for axes, (name, unit, x) in zip(places, units, strict=True):
        for number, line in enumerate(table.lines):
            average, at = line.cells[AVERAGE], line.cells[name].mean / unit
            errors = [[max(0.0, average.mean - average.low)], [max(0.0, average.high - average.mean)]]
            colour = INK if line.label == table.baseline else COLOURS[number % len(COLOURS)]
            marker = "os^vDPX*<>"[number // len(COLOURS) % 10]
            axes.errorbar(at, average.mean, yerr=errors, fmt=marker, color=colour, capsize=2, label=line.label)
        finish(axes, table.title, x, "average accuracy in %, 95 % interval")
        axes.get_legend().remove()  # one for both, beside them, however many rows there are
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8)
    save(figure, path)


def _words(line: Line) -> list[str]:
    average, tokens, seconds = (line.cells[name] for name in (AVERAGE, TOKENS, SECONDS))
    return [
        line.label,
        interval_words(average),
        difference_words(average),
        f"{round(tokens.mean):,}" if tokens.mean else NOTHING,
        format_clock(seconds.mean) if seconds.mean else NOTHING,
    ]
