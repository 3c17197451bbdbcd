"""QQA (NumGLUE task 3): commonsense questions that turn on comparing two quantities; 564 train, 162 test.

NumGLUE: Mishra et al., "NumGLUE: A Suite of Fundamental yet Challenging Mathematical Reasoning Tasks", ACL
2022, arXiv 2204.05660. Every question has two options of its own.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.questions.hub import HubFile
from stepladder.questions.loading import Loaded, clean, hub_splits, local_splits, option_index
from stepladder.questions.question import Question

NAME = "qqa"
VERSION = 1
OPTIONS = ("option 1", "option 2")
FILES = {"train": "qqa/QQA_train.json", "test": "qqa/QQA_test.json"}
# The official files hold all eight tasks, one JSON object a line; the checksums are ids in the commit's tree.
NUMGLUE = ("github", "allenai/numglue", "3722b91a089a75572e619376d8a7a89a38f4d0f2")
HUB = {
    "train": HubFile(*NUMGLUE, "data/NumGLUE_train.json", "git-blob:4bdecd873aafb8fe82c964b0211dc66694febdd8"),
    "test": HubFile(*NUMGLUE, "data/NumGLUE_test.json", "git-blob:6fbe0b26e653da29b4e0f4d44361eb238ceaf2e8"),
}
_OFFICIAL_KEYS = ("question", "Option1", "Option2", "answer")
_DERIVED_KEYS = ("question", "option1", "option2", "label")


def load_local(folder: Path) -> Loaded:
    """From the folder of data sets: qqa/QQA_train.json and qqa/QQA_test.json, arrays of records.

    Raises:
        StepladderError: when a file is missing, or a record is not as published.
    """
    return local_splits(folder, FILES, _questions)


def load_hub(cache: Path) -> Loaded:
    """From the official NumGLUE files, kept in `cache`.

    Raises:
        StepladderError: when a file cannot be had, its checksum differs, or a record is not as published.
    """
    return hub_splits(cache, HUB, _questions)


def _questions(path: Path) -> Iterator[Question]:
    for row, record in enumerate(_records(path), start=1):
        where = f"{path}, row {row}"
        if not isinstance(record, dict):
            raise StepladderError(f"{where}: not a JSON object")
        if record.get("type", "Type_3") == "Type_3":
            yield _question(record, where)


def _records(path: Path) -> list[object]:
    """The records of a file that is one JSON array, or has one JSON object a line."""
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
        return json.loads(text if text.startswith("[") else f"[{','.join(text.split(chr(10)))}]")
    except UnicodeDecodeError as error:
        raise StepladderError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except ValueError as error:
        raise StepladderError(f"{path}: neither a JSON array nor one JSON object a line: {error}") from error


def _question(record: dict[str, object], where: str) -> Question:
    keys = _OFFICIAL_KEYS if "type" in record else _DERIVED_KEYS
    missing = [key for key in keys if record.get(key) is None]
    if missing:
        raise StepladderError(f"{where}: no {' and no '.join(missing)}; a record needs {', '.join(keys)}")
    text, option1, option2, label = (record[key] for key in keys)
    if not (isinstance(text, str) and isinstance(option1, str) and isinstance(option2, str)):
        raise StepladderError(f"{where}: the question and its options must be text")
    return Question(
        dataset=NAME,
        fields={"question": clean(text)},
        options=(clean(option1), clean(option2)),
        answer=option_index(label, OPTIONS, where),
    )
