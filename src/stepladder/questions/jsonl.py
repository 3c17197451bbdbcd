"""Files with one JSON object a line."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from stepladder.errors import StepladderError


def read_jsonl(path: Path) -> Iterator[tuple[dict[str, object], str]]:
    """Each record with "file, row n"; rows count from 1.

    Raises:
        StepladderError: when the file is not UTF-8, or a line is not a JSON object.
    """
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                where = f"{path}, row {number}"
                try:
                    record = json.loads(line)
                except ValueError as error:
                    raise StepladderError(f"{where}: not JSON: {error}") from error
                if not isinstance(record, dict):
                    raise StepladderError(f"{where}: not a JSON object")
                yield record, where
    except UnicodeDecodeError as error:
        raise StepladderError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


def texts(record: dict[str, object], keys: Sequence[str], where: str) -> tuple[str, ...]:
    """The texts under the keys of a record.

    Raises:
        StepladderError: when one is missing or is no text.
    """
    missing = [key for key in keys if record.get(key) is None]
    if missing:
        raise StepladderError(f"{where}: no {' and no '.join(missing)}; a record needs {', '.join(keys)}")
    found = tuple(record[key] for key in keys)
    if not all(isinstance(text, str) for text in found):
        raise StepladderError(f"{where}: {', '.join(keys)} must be text")
    return found
