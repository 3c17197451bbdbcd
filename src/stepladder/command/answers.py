"""The answers that are to be scored, from a study's table or from a file of texts."""

from pathlib import Path
from typing import Any

from stepladder.errors import StepladderError
from stepladder.questions.jsonl import read_jsonl
from stepladder.questions.prompts import build_prompt
from stepladder.questions.question import Question
from stepladder.records import TRAJECTORIES, read_records

_COLUMNS = ["question_id", "sample", "prompt_ids", "token_ids", "step_ends", "text"]


def read_answers(path: Path) -> list[dict[str, Any]]:
    """Rows with question_id, sample and text, and either the ids of a trajectory or its prompt.

    Raises:
        StepladderError: when the file is missing, empty or of another form; of a row, with its number.
    """
    if path.suffix not in (".parquet", ".jsonl"):
        raise StepladderError(f"{path}: give a .parquet of trajectories or a .jsonl of answers")
    if not path.is_file():
        raise StepladderError(f"{path}: no such file")
    rows = read_records(path, TRAJECTORIES, _COLUMNS) if path.suffix == ".parquet" else _read_texts(path)
    if not rows:
        raise StepladderError(f"{path}: holds no answer")
    return rows


def question_prompt(question: str) -> str:
    """The prompt of a bare question: the scaffold that a study gives to it, without an instruction."""
    return build_prompt(Question("", {"question": question}, (), ""), instruction=False)


def _read_texts(path: Path) -> list[dict[str, Any]]:
    numbered = enumerate(read_jsonl(path), start=1)
    return [row for number, (data, where) in numbered for row in _rows_of(data, where, str(number))]


def _rows_of(data: dict[str, Any], where: str, question_id: str) -> list[dict[str, Any]]:
    asked = [data[key] for key in ("question", "prompt") if key in data]
    if len(asked) != 1 or not _is_text(asked[0]):
        raise StepladderError(f"{where}: needs one text, 'question' (put into the scaffold) or 'prompt' (as it is)")
    responses = data.get("responses")
    if not (isinstance(responses, list) and responses and all(map(_is_text, responses))):
        raise StepladderError(f"{where}: 'responses' must be a list of at least one text")
    prompt = asked[0] if "prompt" in data else question_prompt(asked[0])
    return [
        {"question_id": question_id, "sample": sample, "prompt": prompt, "text": text}
        for sample, text in enumerate(responses)
    ]


def _is_text(value: Any) -> bool:
    """Whether a value is a text of whole characters; JSON can also hold halves of them."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)
