"""The evaluations' answers, laid out so that any two rows of a table compare the same questions and seeds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stepladder.errors import StepladderError
from stepladder.evaluation.votes import expected_majority
from stepladder.records import ANSWERS, read_json, read_table
from stepladder.study.fields import DATASETS

Reading = Literal["strict", "flexible", "published"]
_COLUMNS = [name for name in ANSWERS.names if name not in ("steps", "tokens", "finish_reason", "text", "option_order")]
_KEYS: dict[Reading, tuple[str, str]] = {
    "strict": ("answer", "correct"),
    "flexible": ("answer_flexible", "correct_flexible"),
    "published": ("answer", "correct_as_published"),
}


@dataclass(frozen=True)
class Read:
    """Answers as one rule reads them, (questions, samples); a question with fewer samples than another is padded.

    ``answers``: their names, None where nothing could be read and at padding. ``correct``: 1 or 0, NaN at padding.
    """

    answers: np.ndarray
    correct: np.ndarray

    @property
    def samples(self) -> np.ndarray:
        """(questions,) how many there are."""
        return (~np.isnan(self.correct)).sum(1)

    @cached_property
    def majority(self) -> np.ndarray:
        """(questions, samples) expected correctness of the majority vote of 1, 2, ... samples, NaN at padding."""
        expected = np.full(self.correct.shape, np.nan)
        for place, count in enumerate(self.samples):
            if count:
                answers = self.answers[place, :count].tolist()
                expected[place, :count] = expected_majority(answers, self.correct[place, :count].tolist())
        return expected


@dataclass(frozen=True)
class Answered:
    """One evaluation's answers for one seed, the questions in the order of the table.

    ``greedy``: one column by rule; None where there are none. ``sampled``: by rule. ``scores``: of the samples, by PRM
    and accumulation, NaN where there is none.
    """

    greedy: dict[Reading, Read] | None
    sampled: dict[Reading, Read]
    scores: dict[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class Evaluated:
    """What several evaluations answered to the same questions, each for the same seeds.

    ``questions``, ``datasets`` and ``golds``: (questions,), ordered by data set, then by id. ``answers``: by
    evaluation, one for each of ``seeds``. ``rows``: how many answers there are.
    """

    questions: tuple[str, ...]
    datasets: tuple[str, ...]
    golds: tuple[str, ...]
    seeds: tuple[int, ...]
    answers: dict[str, tuple[Answered, ...]]
    rows: int

    @property
    def sets(self) -> tuple[str, ...]:
        """The data sets that occur, in the order in which they are always shown."""
        return tuple(dataset for dataset in DATASETS if dataset in self.datasets)


def read_evaluated(paths: Iterable[Path]) -> Evaluated:
    """The answers in files of ``records.ANSWERS``; the metrics.json beside each says whose and which seed's.

    Raises:
        StepladderError: when some questions lack a greedy answer that others have, when two files answer different
            questions, or two evaluations ran for different seeds.
    """
    tables: dict[str, dict[int, pa.Table]] = {}
    asked: dict[str, tuple[str, str]] | None = None
    for path in paths:
        name, seed = origin(path)
        table = tables.setdefault(name, {})[seed] = read_table(path, ANSWERS, columns=_COLUMNS)
        about = zip(table["dataset"].to_pylist(), table["gold"].to_pylist(), strict=True)
        own = dict(zip(table["question_id"].to_pylist(), about, strict=True))
        greedy = set(table.filter(pc.equal(table["decoding"], "greedy"))["question_id"].to_pylist())
        if not own or (greedy and greedy != own.keys()):
            raise StepladderError(f"{path}: every question needs a greedy answer, or none; run this evaluation again")
        if asked is None:
            asked, first, seed_of_first = own, name, seed
        elif own.keys() != asked.keys():
            raise StepladderError(
                f"evaluations.{name} seed {seed} and evaluations.{first} seed {seed_of_first} answered different"
                " questions; rows of one table need one split"
            )
    if asked is None:
        raise StepladderError("a table needs at least one file of answers")
    seeds = tuple(sorted(tables[first]))
    for name, by_seed in tables.items():
        if tuple(sorted(by_seed)) != seeds:
            raise StepladderError(
                f"evaluations.{name} has seeds {sorted(by_seed)}, evaluations.{first} {list(seeds)}; run both for all"
            )
    questions = tuple(sorted(asked, key=lambda question: (DATASETS.index(asked[question][0]), question)))
    return Evaluated(
        questions=questions,
        datasets=tuple(asked[question][0] for question in questions),
        golds=tuple(asked[question][1] for question in questions),
        seeds=seeds,
        answers={
            name: tuple(lay_in_grids(by_seed[seed], questions) for seed in seeds) for name, by_seed in tables.items()
        },
        rows=sum(table.num_rows for by_seed in tables.values() for table in by_seed.values()),
    )


def origin(path: Path) -> tuple[str, int]:
    """Which node and seed a result is of, by the metrics.json beside it.

    Raises:
        StepladderError: when that does not say.
    """
    beside = Path(path).parent / "metrics.json"
    metrics = read_json(beside)
    try:
        return metrics["job"]["name"], metrics["seed"]
    except (KeyError, TypeError):
        raise StepladderError(f"{beside}: does not say which node and seed it is; run that node again") from None


def lay_in_grids(table: pa.Table, questions: Sequence[str]) -> Answered:
    """The rows of ``records.ANSWERS`` to some questions; samples in the order of their numbers."""
    place_of = {question: place for place, question in enumerate(questions)}
    place = np.array([place_of[question] for question in table["question_id"].to_pylist()], dtype=int)
    is_greedy = np.asarray(table["decoding"].to_pylist(), dtype=object) == "greedy"
    order = np.lexsort((table["sample"].to_numpy(), place))
    greedy, sampled = (_Grid(place, order[is_greedy[order] == kind], len(questions)) for kind in (True, False))
    texts = {name: np.array(table[name].to_pylist(), dtype=object) for name, _ in _KEYS.values()}
    right = {name: np.array(table[name].to_pylist(), dtype=float) for _, name in _KEYS.values()}

    def read(grid: _Grid) -> dict[Reading, Read]:
        return {
            rule: Read(grid.filled(texts[answer], None), grid.filled(right[correct], np.nan))
            for rule, (answer, correct) in _KEYS.items()
        }

    return Answered(
        greedy=read(greedy) if is_greedy.any() else None,
        sampled=read(sampled),
        scores={key: sampled.filled(column, np.nan) for key, column in _scores(table["prm_scores"]).items()},
    )


class _Grid:
    """Where rows go: to their question's line, one behind the other."""

    def __init__(self, place: np.ndarray, rows: np.ndarray, questions: int):
        self.rows, self.line = rows, place[rows]
        counts = np.bincount(self.line, minlength=questions)
        self.column = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.shape = (questions, int(counts.max(initial=0)))

    def filled(self, values: np.ndarray, padding: float | None) -> np.ndarray:
        grid = np.full(self.shape, padding, dtype=values.dtype)
        grid[self.line, self.column] = values[self.rows]
        return grid


def _scores(column: pa.ChunkedArray) -> dict[tuple[str, str], np.ndarray]:
    """(rows,) the scores by PRM and accumulation, NaN where a row has none, from prm -> accumulation -> score."""
    by_prm = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    by_way = by_prm.items
    row = np.repeat(np.arange(len(by_prm)), np.diff(by_prm.offsets))
    entry = np.repeat(np.arange(len(by_way)), np.diff(by_way.offsets))
    prms, ways = by_prm.keys.dictionary_encode(), by_way.keys.dictionary_encode()
    prm, way, values = prms.indices.to_numpy()[entry], ways.indices.to_numpy(), by_way.items.to_numpy()
    found: dict[tuple[str, str], np.ndarray] = {}
    for one, prm_name in enumerate(prms.dictionary.to_pylist()):
        for other, way_name in enumerate(ways.dictionary.to_pylist()):
            chosen = (prm == one) & (way == other)
            found[prm_name, way_name] = np.full(len(by_prm), np.nan)
            found[prm_name, way_name][row[entry[chosen]]] = values[chosen]
    return found
