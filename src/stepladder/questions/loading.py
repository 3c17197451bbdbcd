"""What every loader returns, and the rules they share: label forms, empty and repeated questions."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.questions.hub import HubFile, SourceFile, fetch, local_source
from stepladder.questions.identity import question_id
from stepladder.questions.question import Question

CLOSING_MARK = re.compile(r"####\s*([0-9]+)$")
NAMED_OPTION = re.compile(r"option\s*([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Loaded:
    """The questions of one data set.

    Attributes:
        questions: in the order of the files; no two of the same published split ask the same thing.
        dropped: number of rows left out, by reason: empty_text, duplicate, conflicting_label.
        rows_in: rows read; len(questions) + the sum of `dropped`.
        sources: the files that were read, with the checksums seen.
        published_split: split name -> positions in `questions`; empty where the data set has no official
            split.
    """

    questions: list[Question]
    dropped: dict[str, int]
    rows_in: int
    sources: tuple[SourceFile, ...]
    published_split: dict[str, list[int]] = field(default_factory=dict)


def clean(text: str) -> str:
    """The text on one line, with single blanks, so that no field can break a prompt."""
    return " ".join(text.split())


def option_index(label: object, names: Sequence[str], where: str) -> int:
    """A label in any of its published forms, as a 0-based option index.

    These are an option's name in any case ("neutral"), a 0-based number (1 or "1"), a 1-based option
    ("option 2", "Option2") and the answer line of a published chain ("Thus, the answer is option 2. #### 2").

    Args:
        label: the label as it stands in the file.
        names: the option names, in order.
        where: file and row, for the error message.

    Raises:
        StepladderError: for any other form, and for an option that does not exist.
    """
    by_name = {name.casefold(): index for index, name in enumerate(names)}
    by_number = {str(index): index for index in range(len(names))}
    by_option = {str(index + 1): index for index in range(len(names))}
    index = None
    if isinstance(label, int):
        index = by_number.get(str(label))
    elif isinstance(label, str):
        text = label.strip()
        option = CLOSING_MARK.search(text) or NAMED_OPTION.fullmatch(text)
        index = by_option.get(option[1]) if option else by_name.get(text.casefold(), by_number.get(text))
    if index is None:
        allowed = f"one of {', '.join(names)}; a number from 0 to {len(names) - 1}; or option 1 to {len(names)}"
        raise StepladderError(f"{where}: the label {label!r} is not {allowed}")
    return index


def keep_valid(questions: Iterable[Question]) -> tuple[list[Question], dict[str, int]]:
    """Leaves out what cannot be asked once and graded: empty texts, repetitions, questions with two answers.

    Of equal questions the first is kept; where their answers differ none is, since the right one is unknown.

    Returns:
        The questions kept, in order, and the number left out by reason.
    """
    asked = list(questions)
    ids = [question_id(question) for question in asked]
    answers: dict[str, set[int | str]] = {}
    for key, question in zip(ids, asked, strict=True):
        answers.setdefault(key, set()).add(question.answer)
    kept: dict[str, Question] = {}
    dropped: Counter[str] = Counter()
    for key, question in zip(ids, asked, strict=True):
        if not all([*question.fields.values(), *question.options]):
            dropped["empty_text"] += 1
        elif len(answers[key]) > 1:
            dropped["conflicting_label"] += 1
        elif key in kept:
            dropped["duplicate"] += 1
        else:
            kept[key] = question
    return list(kept.values()), dict(dropped)


def local_splits(folder: Path, files: Mapping[str, str], read: Callable[[Path], Iterable[Question]]) -> Loaded:
    """The questions of a data set with official splits: split name -> path in the data folder, and what reads a file.

    Raises:
        StepladderError: when a file is missing.
    """
    return _splits({split: local_source(local_file(folder, [file])) for split, file in files.items()}, read)


def hub_splits(cache: Path, files: Mapping[str, HubFile], read: Callable[[Path], Iterable[Question]]) -> Loaded:
    """As ``local_splits``, from public files that are kept in `cache`.

    Raises:
        StepladderError: when a file cannot be had, or its checksum differs.
    """
    return _splits({split: fetch(hub_file, cache) for split, hub_file in files.items()}, read)


def _splits(sources: Mapping[str, SourceFile], read: Callable[[Path], Iterable[Question]]) -> Loaded:
    questions: list[Question] = []
    dropped: Counter[str] = Counter()
    published_split = {}
    for split, source in sources.items():
        kept, dropped_here = keep_valid(read(source.path))
        published_split[split] = list(range(len(questions), len(questions) + len(kept)))
        questions += kept
        dropped.update(dropped_here)
    rows_in = len(questions) + dropped.total()
    return Loaded(questions, dict(dropped), rows_in, tuple(sources.values()), published_split)


def local_file(folder: Path, candidates: Sequence[str]) -> Path:
    """The first of the candidate paths that exists under the data folder.

    Raises:
        StepladderError: when none does, naming where it looked.
    """
    for candidate in candidates:
        if (folder / candidate).is_file():
            return folder / candidate
    raise StepladderError(f"{folder}: found no {' or '.join(candidates)}; point the path at the folder that holds it")
