"""A table of lengths: rows of rewards beside the lengths of their answers, and choices by length alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from stepladder.errors import StepladderError
from stepladder.evaluation.lengths import ADJUSTED, CHOSEN, Rewarded, length_measures
from stepladder.evaluation.step_measures import Bootstrap, Measured
from stepladder.records import REWARDS, TRAJECTORIES, read_table
from stepladder.report.answers import origin
from stepladder.report.cells import Cell, Line
from stepladder.report.steps import measured_cell
from stepladder.study.specs.bias_tables import LengthsTable

QUESTIONS, ANSWERS = "questions", "answers"
CHANCE = "chance"
_KEY = ("question_id", "sample")
Key = tuple[str, int]


@dataclass(frozen=True)
class Measures:
    """The answers of one node and seed by their keys: whether right, steps and tokens, (answers,) each."""

    keys: tuple[Key, ...]
    correct: np.ndarray
    steps: np.ndarray
    tokens: np.ndarray


@dataclass(frozen=True)
class _Row:
    """One row before any format. ``rewards``: whose; empty where lengths alone choose. ``answers``: by seed."""

    label: str
    rewards: str
    node: str
    answers: list[Rewarded]
    measures: dict[str, Measured]


_ALONE: dict[str, Callable[[Rewarded], np.ndarray]] = {
    "fewest steps": lambda answers: -answers.steps,
    "most steps": lambda answers: answers.steps,
    "fewest tokens": lambda answers: -answers.tokens,
    "most tokens": lambda answers: answers.tokens,
    CHANCE: lambda answers: answers.reward,
}
"""What stands in for rewards in the rows of choices by length alone, from answers that have none."""

Trajectories = Mapping[str, Mapping[int, Measures]]
Rewards = Mapping[str, Mapping[int, Mapping[Key, float]]]


@dataclass(frozen=True)
class LengthTable:
    """What a table of lengths says, before any format; all in per cent but the counts."""

    title: str
    baseline: str
    seeds: int
    lines: tuple[Line, ...]


def read_trajectories(paths: Sequence[Path]) -> Trajectories:
    """Lengths and outcomes of the trajectories in files, by node and seed.

    Raises:
        StepladderError: when a file cannot be read.
    """
    found: dict[str, dict[int, Measures]] = {}
    for path in paths:
        name, seed = origin(path)
        table = read_table(path, TRAJECTORIES, [*_KEY, "correct", "step_ends", "token_ids"])
        steps, tokens = (pc.list_value_length(table[column]).to_numpy() for column in ("step_ends", "token_ids"))
        keys = tuple(zip(*(table[key].to_pylist() for key in _KEY), strict=True))
        correct = np.array(table["correct"].to_pylist(), dtype=bool)
        found.setdefault(name, {})[seed] = Measures(keys, correct, steps.astype(np.int64), tokens.astype(np.int64))
    return found


def read_rewards(paths: Sequence[Path]) -> Rewards:
    """The rewards in files, by node and seed.

    Raises:
        StepladderError: when a file cannot be read.
    """
    found: dict[str, dict[int, dict[Key, float]]] = {}
    for path in paths:
        name, seed = origin(path)
        table = read_table(path, REWARDS, [*_KEY, "reward"])
        keys = zip(*(table[key].to_pylist() for key in _KEY), strict=True)
        found.setdefault(name, {})[seed] = dict(zip(keys, table["reward"].to_pylist(), strict=True))
    return found


def make_length_table(
    spec: LengthsTable, trajectories: Trajectories, rewards: Rewards, nodes: Sequence[str], seed: int
) -> LengthTable:
    """The table of a spec; behind the rows on each trajectories node, the choices that know lengths alone, or nothing.

    Args:
        nodes: of each row, the trajectories node that its rewards are of. Rows on others than the baseline's have no
            difference to it.
        seed: of the bootstrap's draws.

    Raises:
        StepladderError: when an answer has no reward.
    """
    draws, rows = Bootstrap(spec.resamples, seed), []
    for node in dict.fromkeys(nodes):
        bare = _without_rewards(trajectories[node])
        questions = 1 + max(int(each.question.max()) for each in bare)
        on = f" on {node}" if len(set(nodes)) > 1 else ""
        choices = [
            (row.label, f"rewards.{row.rewards}", _with_rewards(row.rewards, rewards, node, trajectories, bare))
            for row, its_node in zip(spec.rows, nodes, strict=True)
            if its_node == node
        ]
        choices += [
            (f"{label}{on}", "", [replace(each, reward=by(each)) for each in bare]) for label, by in _ALONE.items()
        ]
        rows += [
            _Row(label, source, node, answers, length_measures(answers, questions, draws))
            for label, source, answers in choices
        ]
    (baseline,) = (row for row in rows if row.label == spec.baseline and row.rewards)
    return LengthTable(spec.title, spec.baseline, len(baseline.answers), tuple(_line(row, baseline) for row in rows))


def _without_rewards(by_seed: Mapping[int, Measures]) -> list[Rewarded]:
    """The answers of one node, all with the same reward."""
    questions = sorted({question for each in by_seed.values() for question, _ in each.keys})
    number = {question: place for place, question in enumerate(questions)}
    return [
        Rewarded(
            reward=np.zeros(len(each.keys)),
            steps=each.steps,
            tokens=each.tokens,
            correct=each.correct,
            question=np.array([number[question] for question, _ in each.keys], dtype=np.int64),
        )
        for each in by_seed.values()
    ]


def _with_rewards(
    name: str, rewards: Rewards, node: str, trajectories: Trajectories, bare: Sequence[Rewarded]
) -> list[Rewarded]:
    found = []
    for (seed, measures), answers in zip(trajectories[node].items(), bare, strict=True):
        given = rewards[name][seed]
        missing = next((key for key in measures.keys if key not in given), None)
        if missing is not None:
            raise StepladderError(
                f"rewards.{name} seed {seed} has none for question {missing[0]} sample {missing[1]} of"
                f" trajectories.{node}; delete the folder of the rewards and run again"
            )
        found.append(replace(answers, reward=np.array([given[key] for key in measures.keys], dtype=np.float64)))
    return found


def _line(row: _Row, baseline: _Row) -> Line:
    questions = len({question for each in row.answers for question in each.question.tolist()})
    cells = {QUESTIONS: Cell(questions), ANSWERS: Cell(float(np.mean([len(each.reward) for each in row.answers])))}
    for name, found in row.measures.items():
        if np.isnan(found.estimate) or (name == ADJUSTED and not row.rewards):
            continue
        paired = name == CHOSEN and row is not baseline and row.node == baseline.node
        cells[name] = measured_cell(found, baseline.measures[name] if paired else None)
    source = f"{row.rewards} of trajectories.{row.node}" if row.rewards else f"trajectories.{row.node}"
    return Line(row.label, source, False, cells, dict.fromkeys(cells, questions))
