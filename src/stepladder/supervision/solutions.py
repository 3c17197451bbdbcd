"""Solutions whose steps others have labelled: what every label source yields, and the records made from it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerFast

from stepladder.errors import StepladderError
from stepladder.reasoning.states import state_key
from stepladder.reasoning.tokens import encode_prompt
from stepladder.records import Counts

BETWEEN_STEPS = "\n"


@dataclass(frozen=True, slots=True)
class LabelledSolution:
    """One solution, or the beginning of one, with a label for every step.

    Attributes:
        problem: the text of the question; solutions are split into parts by it.
        steps: the text of every step, without the newline that ends it.
        soft: the label of every step in [0, 1]; 0.5 is a neutral step where a person could say so.
        trials: of how many trials the labels are means: 1 for right or wrong, 2 where 0.5 is a label of its
            own, 0 where only the mean is known.
        finished: whether the last step ends the solution.
    """

    problem: str
    steps: tuple[str, ...]
    soft: tuple[float, ...]
    trials: int
    finished: bool


def problem_id(problem: str) -> str:
    """16 hex digits, equal for problems that differ in blanks and case only: the key by which splits are made."""
    return hashlib.blake2b(" ".join(problem.split()).casefold().encode(), digest_size=8).hexdigest()


def read_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """(number from 1, row) of a .parquet file, a JSON array, or a file with one JSON value a line.

    Rows are read as they are asked for, a JSON array excepted.

    Raises:
        StepladderError: when the file cannot be read; a broken line is named.
    """
    try:
        if path.suffix == ".parquet":
            batches = pq.ParquetFile(path).iter_batches()
            yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
            return
        with path.open(encoding="utf-8-sig") as file:
            if file.read(4096).lstrip().startswith("["):
                file.seek(0)
                yield from enumerate(_parsed(file.read(), f"{path}"), start=1)
                return
            file.seek(0)
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _parsed(line, f"{path}, line {number}")
    except UnicodeDecodeError as error:
        raise StepladderError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except (OSError, ValueError) as error:
        raise StepladderError(f"{path}: cannot be read ({str(error).splitlines()[0]}); fetch it again") from error


def counted(path: Path, parse: Callable[[Any], LabelledSolution | str], counts: Counts) -> Iterator[LabelledSolution]:
    """The solutions of a file with one a row; a row that has none is counted under the reason that ``parse`` gives.

    Raises:
        StepladderError: when no row of the file has a solution: it is of another form.
    """
    kept, reasons = 0, Counts()
    for _, row in read_rows(path):
        counts.rows_in += 1
        found = parse(row)
        if isinstance(found, str):
            counts.drop(found)
            reasons.drop(found)
            continue
        kept += 1
        counts.rows_out += 1
        yield found
    refuse_nothing(path, kept, reasons)


def refuse_nothing(path: Path, kept: int, reasons: Counts) -> None:
    """Refuses a file in which no labelled solution was found.

    Raises:
        StepladderError: with the reasons of its rows.
    """
    if kept == 0:
        said = ", ".join(f"{reason} ({rows})" for reason, rows in reasons.dropped.items()) or "it is empty"
        raise StepladderError(f"{path}: holds no labelled solution: {said}; is it a file of this label source?")


def as_records(
    solutions: Iterable[LabelledSolution],
    tokenizer: PreTrainedTokenizerFast,
    prompt: Callable[[str], str],
    dataset: str,
    longest: int,
    counts: Counts,
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The row of ``records.TRAJECTORIES`` of each solution, and its rows of ``records.LABELS``.

    Args:
        prompt: the prompt of a problem, the same that a policy is given.
        dataset: what the rows say where they come from.
        longest: most tokens of prompt and solution together; longer ones are left out and counted, never cut.

    Samples of a question count from 0 in the order given. A step ends with the newline behind it, as it does
    where a policy writes it; a finished solution ends with the end-of-sequence token. Where only means are known
    the numbers of rollouts and successes are 0; no tokens were generated for any label.
    """
    samples: dict[str, int] = {}
    for solution in solutions:
        prompt_ids = encode_prompt(tokenizer, prompt(solution.problem))
        token_ids, step_ends = _encoded(solution, tokenizer)
        if len(prompt_ids) + len(token_ids) > longest:
            counts.drop(f"longer than {longest} tokens")
            continue
        if any(end == before for end, before in zip(step_ends, [0, *step_ends], strict=False)):
            counts.drop("step without a token of its own")
            continue
        question = problem_id(solution.problem)
        sample = samples.setdefault(question, 0)
        samples[question] += 1
        last = len(step_ends) - 1
        right = solution.finished and solution.soft[-1] >= 0.5
        key = {"question_id": question, "sample": sample}
        trajectory = key | {
            "dataset": dataset,
            "prompt_ids": prompt_ids,
            "token_ids": token_ids,
            "logprobs": [],
            "finish_reason": "stop" if solution.finished else "length",
            "text": BETWEEN_STEPS.join(solution.steps),
            "step_ends": step_ends,
            "correct": right,
            "correct_flexible": right,
            "answer": None,
            "answer_flexible": None,
        }
        labels = [
            key
            | {
                "step": step,
                "state": state_key(prompt_ids, token_ids[:end]),
                "finished": solution.finished and step == last,
                "rollouts": solution.trials,
                "successes": round(soft * solution.trials),
                "soft": soft,
                "hard": soft > 0,
                "tokens": 0,
            }
            for step, (end, soft) in enumerate(zip(step_ends, solution.soft, strict=True))
        ]
        yield trajectory, labels


def _encoded(solution: LabelledSolution, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """Token ids, and how many of them end at or across the start of the next step."""
    text = BETWEEN_STEPS.join(solution.steps)
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    starts = [start for start, _ in encoding["offset_mapping"]]
    opens = islice(accumulate(len(step) + len(BETWEEN_STEPS) for step in solution.steps), len(solution.steps) - 1)
    ids = [*encoding["input_ids"], *([tokenizer.eos_token_id] if solution.finished else [])]
    return ids, [*np.searchsorted(starts, list(opens), "left").tolist(), len(ids)]


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise StepladderError(f"{where}: not JSON ({error})") from error
