"""Reader of the five EQUATE sets: a CSV or JSONL file of statement pairs, as published, becomes questions.

EQUATE: Ravichander et al., "EQUATE: A Benchmark Evaluation Framework for Quantitative Reasoning in Natural
Language Inference", CoNLL 2019, arXiv 1901.03735. Its sets are test sets and have no official split.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.questions.hub import HubFile, SourceFile, fetch, local_source
from stepladder.questions.jsonl import read_jsonl
from stepladder.questions.loading import Loaded, clean, keep_valid, local_file, option_index
from stepladder.questions.question import Question

CSV_COLUMNS = ("premise", "hypothesis", "label")
JSONL_KEYS = ("sentence1", "sentence2", "gold_label")


def load_local(folder: Path, dataset: str, candidates: Sequence[str], options: tuple[str, ...]) -> Loaded:
    """The questions of one set from the data folder: the first candidate path (.csv or .jsonl) that exists.

    Raises:
        StepladderError: when no file is there, or a row is not as published.
    """
    return _load(local_source(local_file(folder, candidates)), dataset, options)


def load_hub(cache: Path, dataset: str, hub_file: HubFile, options: tuple[str, ...]) -> Loaded:
    """The questions of one set from its public repository, kept in `cache`.

    Raises:
        StepladderError: when the file cannot be had, its checksum differs, or a row is not as published.
    """
    return _load(fetch(hub_file, cache), dataset, options)


def read_pairs(path: Path) -> Iterator[tuple[str, str, object, str]]:
    """Statement 1, statement 2, label as published, and "file, row n" of each record; rows count from 1.

    Raises:
        StepladderError: when the file is not UTF-8, not CSV or JSONL, or a record lacks a value.
    """
    read, keys = (_read_jsonl, JSONL_KEYS) if path.suffix == ".jsonl" else (_read_csv, CSV_COLUMNS)
    try:
        for row, record in enumerate(read(path), start=1):
            where = f"{path}, row {row}"
            missing = [key for key in keys if record.get(key) is None]
            if missing:
                raise StepladderError(f"{where}: no {' and no '.join(missing)}; a record needs {', '.join(keys)}")
            statement1, statement2, label = (record[key] for key in keys)
            if not isinstance(statement1, str) or not isinstance(statement2, str):
                raise StepladderError(f"{where}: {keys[0]} and {keys[1]} must be text")
            yield statement1, statement2, label, where
    except UnicodeDecodeError as error:
        raise StepladderError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


def _load(source: SourceFile, dataset: str, options: tuple[str, ...]) -> Loaded:
    asked = [
        Question(
            dataset=dataset,
            fields={"statement1": clean(statement1), "statement2": clean(statement2)},
            options=options,
            answer=option_index(label, options, where),
        )
        for statement1, statement2, label, where in read_pairs(source.path)
    ]
    questions, dropped = keep_valid(asked)
    return Loaded(questions, dropped, rows_in=len(asked), sources=(source,))


def _read_csv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        try:
            yield from csv.DictReader(lines, strict=True)
        except csv.Error as error:
            raise StepladderError(f"{path}: not a CSV file: {error}") from error


def _read_jsonl(path: Path) -> Iterator[dict[str, object]]:
    return (record for record, _ in read_jsonl(path))
