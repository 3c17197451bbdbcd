"""ReClor: passages from law-school admission tests, four options; 4,638 train, 500 validation, which are the test here.

Yu et al., "ReClor: A Reading Comprehension Dataset Requiring Logical Reasoning", ICLR 2020, arXiv 2002.04326. The
labels of its own test split are hidden.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.questions.hub import HubFile
from stepladder.questions.jsonl import read_jsonl, texts
from stepladder.questions.loading import Loaded, clean, hub_splits, local_splits
from stepladder.questions.question import Question

NAME = "reclor"
VERSION = 1
TRAIN = "reclor/train.jsonl"
TEST = "reclor/val.jsonl"
METAEVAL = ("huggingface", "metaeval/reclor", "0414b39")
HUB = {
    "train": HubFile(*METAEVAL, "train.json", checksum=None),
    "test": HubFile(*METAEVAL, "val.json", checksum=None),
}
# LogiEval's form: the whole question as a message of a chat, the right option's letter as "ideal".
_MESSAGE = re.compile(
    r"\s*Passage: (.*?)\nQuestion: (.*?)\nA\. (.*?)\nB\. (.*?)\nC\. (.*?)\nD\. (.*?)\nAnswer:\s*", re.DOTALL
)
_LETTERS = "ABCD"


def load_local(folder: Path) -> Loaded:
    """From the folder of data sets: reclor/val.jsonl, and train.jsonl where it is there, both in LogiEval's form.

    Raises:
        StepladderError: when the file is missing, or a record is not as published.
    """
    train = {"train": TRAIN} if (folder / TRAIN).is_file() else {}
    return local_splits(folder, train | {"test": TEST}, _from_messages)


def load_hub(cache: Path) -> Loaded:
    """From metaeval/reclor on the Hugging Face hub, kept in `cache`.

    Raises:
        StepladderError: when a file cannot be had, or a record is not as published.
    """
    return hub_splits(cache, HUB, _from_records)


def _from_messages(path: Path) -> Iterator[Question]:
    for record, where in read_jsonl(path):
        messages = record.get("input")
        told = messages[-1] if isinstance(messages, list) and messages else None
        found = _MESSAGE.fullmatch(told["content"]) if isinstance(told, dict) and "content" in told else None
        if not found:
            raise StepladderError(
                f"{where}: input must end with a message of Passage, Question, options A to D, Answer"
            )
        context, question, *options = found.groups()
        (letter,) = texts(record, ("ideal",), where)
        if letter not in tuple(_LETTERS):
            raise StepladderError(f"{where}: ideal must be a letter from A to D, got {letter!r}")
        yield _question(context, question, options, _LETTERS.index(letter))


def _from_records(path: Path) -> Iterator[Question]:
    """Of a file that is one JSON array, or has one JSON object a line: context, question, answers, label from 0."""
    text = path.read_text(encoding="utf-8-sig").strip()
    try:
        records = json.loads(text if text.startswith("[") else f"[{','.join(text.splitlines())}]")
    except ValueError as error:
        raise StepladderError(f"{path}: neither a JSON array nor one JSON object a line: {error}") from error
    for row, record in enumerate(records, start=1):
        where = f"{path}, row {row}"
        if not isinstance(record, dict):
            raise StepladderError(f"{where}: not a JSON object")
        context, question = texts(record, ("context", "question"), where)
        options, label = record.get("answers"), record.get("label")
        if not isinstance(options, list) or len(options) != 4 or not all(isinstance(text, str) for text in options):
            raise StepladderError(f"{where}: answers must be four texts, got {str(options)[:60]}")
        if label not in (0, 1, 2, 3):
            raise StepladderError(f"{where}: the label must be a number from 0 to 3, got {label!r}")
        yield _question(context, question, options, label)


def _question(context: str, question: str, options: list[str], answer: int) -> Question:
    fields = {"context": clean(context), "question": clean(question)}
    return Question(NAME, fields, tuple(map(clean, options)), answer)
