"""Tables of values: rows of estimators and scores, judged by many rollouts of the same states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stepladder.errors import StepladderError
from stepladder.evaluation.ranking import Alternatives, ranking
from stepladder.evaluation.step_measures import Bootstrap, Measured
from stepladder.evaluation.value_accuracy import StepError, ValuedStates, accuracy, errors_by_step
from stepladder.report.cells import Cell, Line
from stepladder.report.kept_rollouts import Estimates, Kept, Scores, estimates, given
from stepladder.report.steps import measured_cell
from stepladder.study.specs.tables import RankingRow, RankingTable, ValuesRow, ValuesTable

STATES, TOKENS, TOKENS_MSE, CHANCE = "states", "tokens", "tokens_mse", "chance"
Rolled = Mapping[str, Mapping[int, Kept]]
"""States with their rollouts, by node and seed."""


@dataclass(frozen=True)
class JudgedValues:
    """One row before any format: what it is called, whose states it values, and how well.

    ``states``: mean over seeds. ``questions``: how many these are of. ``errors``: by step; none in a ranking.
    """

    label: str
    source: str
    node: str
    states: float
    questions: int
    measures: dict[str, Measured]
    errors: tuple[StepError, ...] = ()
    reference: bool = False


@dataclass(frozen=True)
class ValueTable:
    """What a table of values says, before any format; all in per cent but the counts."""

    title: str
    baseline: str
    seeds: int
    lines: tuple[Line, ...]


def judge_values(spec: ValuesTable, found: Rolled, scores: Scores, seed: int) -> list[JudgedValues]:
    """Every row of a table of values.

    Args:
        seed: of the bootstrap's draws.

    Raises:
        StepladderError: when a state's step has no score.
    """
    return [_values_of(row, spec, found[row.rollouts], scores, Bootstrap(spec.resamples, seed)) for row in spec.rows]


def judge_ranking(spec: RankingTable, found: Rolled, seed: int) -> list[JudgedValues]:
    """Every row of a table of rankings, and behind the rows on each rollouts node one for values that know nothing."""
    draws, rows = Bootstrap(spec.resamples, seed), []
    nodes = list(dict.fromkeys(row.rollouts for row in spec.rows))
    for node in nodes:
        judged = [_ranking_of(row, spec, found[node], draws) for row in spec.rows if row.rollouts == node]
        label = CHANCE if len(nodes) == 1 else f"{CHANCE} on {node}"
        rows += [*judged, _chance(judged[0], label, spec.resamples)]
    return rows


def make_value_table(
    spec: ValuesTable | RankingTable, rows: Sequence[JudgedValues], found: Rolled, compared: str
) -> ValueTable:
    """The table of some rows. Rows on other states than the baseline's have no difference to it.

    Args:
        compared: the measure whose differences to the baseline are told.
    """
    (baseline,) = (row for row in rows if row.label == spec.baseline and not row.reference)
    lines = tuple(_line(row, baseline, compared) for row in rows)
    return ValueTable(spec.title, spec.baseline, len(found[baseline.node]), lines)


def _values_of(
    row: ValuesRow, spec: ValuesTable, of_seeds: Mapping[int, Kept], scores: Scores, draws: Bootstrap
) -> JudgedValues:
    by_seed = [_valued(row, seed, states, scores, spec.redraws) for seed, states in of_seeds.items()]
    number = _numbers([states for states, _ in by_seed])
    seeds = [
        ValuedStates(
            values=made.values,
            truth=made.truth,
            trials=made.trials,
            question=np.array([number[question] for question, _, _ in states.keys], dtype=np.int64),
            step=np.array([step for _, _, step in states.keys], dtype=np.int64),
            tokens=made.tokens,
        )
        for states, made in by_seed
    ]
    return JudgedValues(
        label=row.label,
        source=_source(row) if row.scores is None else f"scores.{row.scores} on {_source(row)}",
        node=row.rollouts,
        states=float(np.mean([len(each.step) for each in seeds])),
        questions=len(number),
        measures=accuracy(seeds, len(number), draws),
        errors=tuple(errors_by_step(seeds)),
    )


def _valued(row: ValuesRow, seed: int, states: Kept, scores: Scores, redraws: int) -> tuple[Kept, Estimates]:
    """The states that a row values, and the values. A score is of the last step behind a state."""
    if row.scores is None:
        return states, estimates(row, states, redraws)
    states = states.only([place for place, (_, _, step) in enumerate(states.keys) if step])
    found = scores[row.scores][seed]
    last = [(question, sample, step - 1) for question, sample, step in states.keys]
    missing = next((key for key in last if key not in found), None)
    if missing is not None:
        question, sample, step = missing
        raise StepladderError(
            f"scores.{row.scores} seed {seed} has no step {step} of question {question} sample {sample}, whose state "
            f"rollouts.{row.rollouts} hold; delete the folder of the scores and run again"
        )
    return states, given(np.array([found[key] for key in last], dtype=np.float64), states)


def _ranking_of(row: RankingRow, spec: RankingTable, of_seeds: Mapping[int, Kept], draws: Bootstrap) -> JudgedValues:
    number = _numbers(list(of_seeds.values()))
    seeds = [_groups(states, estimates(row, states, spec.redraws), number) for states in of_seeds.values()]
    return JudgedValues(
        label=row.label,
        source=_source(row),
        node=row.rollouts,
        states=float(np.mean([len(each) for each in seeds])),
        questions=len({each.question for groups in seeds for each in groups}),
        measures=ranking(seeds, len(number), draws),
    )


def _source(row: RankingRow) -> str:
    return f"critic on rollouts.{row.rollouts}" if row.critic else f"rollouts.{row.rollouts}"


def _groups(states: Kept, made: Estimates, number: Mapping[str, int]) -> list[Alternatives]:
    """The alternatives to each step, where there are several."""
    places: dict[str | None, list[int]] = {}
    for place, parent in enumerate(states.parents):
        places.setdefault(parent, []).append(place)
    return [
        Alternatives(
            number[states.keys[group[0]][0]], made.values[group], made.truth[group], float(made.tokens[group].sum())
        )
        for group in places.values()
        if len(group) > 1
    ]


def _chance(row: JudgedValues, label: str, resamples: int) -> JudgedValues:
    measures = {"best": row.measures[CHANCE], "pairs": Measured(0.5, np.full(resamples, 0.5))}
    return JudgedValues(label, row.source, row.node, row.states, row.questions, measures, reference=True)


def _numbers(seeds: Sequence[Kept]) -> dict[str, int]:
    """Numbers of the questions over all seeds."""
    questions = sorted({question for states in seeds for question, _, _ in states.keys})
    return {question: place for place, question in enumerate(questions)}


def _line(row: JudgedValues, baseline: JudgedValues, compared: str) -> Line:
    paired = row is not baseline and (row.node, row.states) == (baseline.node, baseline.states)
    cells = {STATES: Cell(row.states)}
    for name, found in row.measures.items():
        if name == CHANCE or np.isnan(found.estimate):
            continue
        against = baseline.measures[name] if paired and name == compared else None
        cells[name] = measured_cell(found, against)
    if TOKENS in cells:
        cells[TOKENS] = Cell(row.measures[TOKENS].estimate)
        if not cells[TOKENS].mean:  # what costs nothing has no price, however far it errs
            cells.pop(TOKENS_MSE, None)
    return Line(row.label, row.source, False, cells, dict.fromkeys(cells, row.questions))
