"""Published answers to the questions of a split, as records like those of a policy's own."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from stepladder.errors import StepladderError
from stepladder.generation.requests import Completion
from stepladder.generation.trajectories import prompts_of, trajectory_rows
from stepladder.questions.gsm8k import MODELS, hub_solutions, read_solutions
from stepladder.questions.hub import HubFile, SourceFile, fetch, files_at, local_source
from stepladder.reasoning.tokens import encode_answer
from stepladder.records import Counts
from stepladder.study.specs.trajectories import Candidates

PQM = "Windy0822/PQM"
END = "</s>"
_FIRST_STEP = re.compile(r"\s*step\s*1\s*:", re.IGNORECASE)


@dataclass(frozen=True)
class Answers:
    """All published answers to one question.

    Attributes:
        question: its text.
        texts: one an answer.
        published: whether each is right, as the file says; none where it does not say.
    """

    question: str
    texts: tuple[str, ...]
    published: tuple[bool, ...] = ()


def source_of(spec: Candidates, local: Sequence[Path], cache: Path) -> SourceFile:
    """The file that a node is read from: a local one, or the one on the hub, which is kept in ``cache``.

    Raises:
        StepladderError: when it cannot be had.
    """
    if spec.source == "local":
        return local_source(local[0])
    if spec.format == "gsm8k":
        return hub_solutions(cache)
    commit, _ = files_at(PQM, spec.revision, "model")
    return fetch(HubFile("huggingface", PQM, commit, f"eval_data/{spec.file}", None, "model"), cache)


def read_answers(path: Path, format_: str) -> list[Answers]:
    """The answers in a file, by question, in its order.

    Raises:
        StepladderError: when the file is not of the format.
    """
    return _gsm8k(path) if format_ == "gsm8k" else _pqm(path)


def candidate_rows(
    answers: Iterable[Answers],
    questions: Sequence[dict[str, Any]],
    tokenizer: PreTrainedTokenizerFast,
    step_style: str,
    longest: int,
    counts: Counts,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of ``records.TRAJECTORIES``, and how published and own grading compare where the file has grades.

    A question of the file is the one of the split with the same text but for blanks and case. What is left out is
    counted by its reason, in answers; a longer answer leaves a gap in its question's sample numbers.

    Args:
        questions: rows of the question table.
        longest: most tokens of prompt and answer together; a longer one is left out, never cut.
    """
    by_text: dict[str, list[dict[str, Any]]] = {}
    for row in questions:
        by_text.setdefault(_plain(row["fields"].get("question", "")), []).append(row)
    prompts = prompts_of(tokenizer, questions)
    seen: set[str] = set()
    rows: list[dict[str, Any]] = []
    agreement: Counter[str] = Counter()
    for each in answers:
        counts.rows_in += len(each.texts)
        asked = by_text.get(_plain(each.question), [])
        if len(asked) != 1:
            counts.drop("several questions have its text" if asked else "question not in the split", len(each.texts))
            continue
        (question,) = asked
        if question["question_id"] in seen:
            counts.drop("question a second time in the file", len(each.texts))
            continue
        seen.add(question["question_id"])
        made = _answered(question, each, prompts[question["question_id"]], tokenizer, step_style)
        for place, row in enumerate(made):
            if each.published:
                agreement["agree" if row["correct"] == each.published[place] else "disagree"] += 1
            if len(row["prompt_ids"]) + len(row["token_ids"]) > longest:
                counts.drop(f"longer than {longest} tokens")
            else:
                rows.append(row)
    counts.rows_out = len(rows)
    about = {"questions": len(seen), "questions_without_answers": len(questions) - len(seen)}
    graded = {"published_grades": {"agree": agreement["agree"], "disagree": agreement["disagree"]}}
    return sorted(rows, key=lambda row: (row["question_id"], row["sample"])), about | (graded if agreement else {})


def _answered(
    question: dict[str, Any],
    answers: Answers,
    prompt_ids: Sequence[int],
    tokenizer: PreTrainedTokenizerFast,
    style: str,
) -> list[dict[str, Any]]:
    completions = [Completion(tuple(encode_answer(tokenizer, text)), (), "stop") for text in answers.texts]
    return trajectory_rows(question, prompt_ids, completions, tokenizer, style)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _gsm8k(path: Path) -> list[Answers]:
    solutions = read_solutions(path)
    each = [solutions[start : start + len(MODELS)] for start in range(0, len(solutions), len(MODELS))]
    return [
        Answers(some[0].question, tuple(one.text for one in some), tuple(one.published_correct for one in some))
        for some in each
    ]


def _pqm(path: Path) -> list[Answers]:
    """A JSON array of {question, responses: [{text, ...}]}; a text goes on from "Step 1:" in its prompt."""
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StepladderError(f"{path}: cannot be read ({error}); fetch it again") from error
    if not isinstance(records, list):
        raise StepladderError(f"{path}: not a JSON array of questions with their responses")
    return [_responses(record, f"{path}, record {number}") for number, record in enumerate(records, start=1)]


def _responses(record: Any, where: str) -> Answers:
    try:
        question, texts = record["question"], [response["text"] for response in record["responses"]]
    except (KeyError, TypeError):
        raise StepladderError(f"{where}: needs a question and responses, each with its text") from None
    if not isinstance(question, str) or not texts or not all(isinstance(text, str) for text in texts):
        raise StepladderError(f"{where}: the question and every response must be text, and there must be responses")
    return Answers(question, tuple(_whole(text) for text in texts))


def _whole(text: str) -> str:
    text = text.strip().removesuffix(END).strip()
    return text if _FIRST_STEP.match(text) else f"Step 1: {text}"
