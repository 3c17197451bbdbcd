"""Solutions whose steps others have labelled: what every label source yields, and the records made from it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from stepladder.errors import StepladderError
from stepladder.reasoning.states import state_key
from stepladder.records import Counts
from stepladder.study.canonical import derive_seed

Neutral = Literal["correct", "wrong", "half"]
BETWEEN_STEPS = "\n"


@dataclass(frozen=True, slots=True)
class LabelledSolution:
    """One solution, or the beginning of one, with a label for every step.

    Attributes:
        problem: the text of the question; empty where the source has none.
        steps: the text of every step, without the newline that ends it.
        soft: the label of every step in [0, 1]; 0.5 is a neutral step where a person could say so; None where
            nobody has said anything of a step.
        trials: of how many trials the labels are means: 1 for right or wrong, 2 where 0.5 is a label of its
            own, 0 where only the mean is known.
        finished: whether the last step ends the solution.
        right: whether its final answer is right, where the source tells it apart from the steps.
        source: of a benchmark's solution, who made it, as "subset/generator"; else None.
    """

    problem: str
    steps: tuple[str, ...]
    soft: tuple[float | None, ...]
    trials: int
    finished: bool
    right: bool | None = None
    source: str | None = None

    @property
    def question_id(self) -> str:
        """What splits are made by: the problem, or the first step, which restates it, where there is none."""
        return problem_id(self.problem or self.steps[0])

    @property
    def correct(self) -> bool:
        """Whether it ends in the right answer, by what the source says of that or else of its last step."""
        if self.right is not None:
            return self.right
        return self.finished and self.soft[-1] is not None and self.soft[-1] >= 0.5

    @property
    def text(self) -> str:
        """All of its steps, a line each."""
        return BETWEEN_STEPS.join(self.steps)


def problem_id(problem: str) -> str:
    """16 hex digits, equal for problems that differ in blanks and case only: the key by which splits are made."""
    return hashlib.blake2b(" ".join(problem.split()).casefold().encode(), digest_size=8).hexdigest()


def labels_of_ratings(neutral: Neutral) -> tuple[dict[int, float], int]:
    """The label of each rating, -1, 0 and 1, and of how many trials these labels are means.

    Args:
        neutral: "correct" (as PRM800K's paper and Qwen's models have it), "wrong" (as TRL has it), or "half", which
            keeps it as a third class.
    """
    return {-1: 0.0, 0: {"correct": 1.0, "wrong": 0.0, "half": 0.5}[neutral], 1: 1.0}, 2 if neutral == "half" else 1


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


def by_problem(
    solutions: Iterable[LabelledSolution], limit: int | None
) -> tuple[dict[str, list[LabelledSolution]], int]:
    """The solutions of every problem in their order, by question id, and how many a limit has left out.

    A solution's place among those of its problem is its sample number, in trajectories and labels alike, whatever
    is left out of either.

    Args:
        limit: at most this many problems, those with the least hashes.
    """
    kept: dict[str, list[LabelledSolution]] = {}
    greatest: list[tuple[int, str]] = []  # of the hashes kept, negated
    left_out = 0
    for solution in solutions:
        question = solution.question_id
        if question not in kept:
            entry = (-derive_seed("limit", question), question)
            if limit is None or len(kept) < limit:
                heappush(greatest, entry)
            elif (gone := heappushpop(greatest, entry)) != entry:
                left_out += len(kept.pop(gone[1]))
            else:
                left_out += 1
                continue
            kept[question] = []
        kept[question].append(solution)
    return kept, left_out


def label_rows(solution: LabelledSolution, sample: int, trajectory: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Rows of ``records.LABELS`` for the steps that have a label.

    Where only means are known the numbers of rollouts and successes are 0; no tokens were generated for any label.

    Args:
        sample: its place among the solutions of its problem.
        trajectory: the solution as a row of ``records.TRAJECTORIES``; None where it has become none.
    """
    last = len(solution.steps) - 1
    states: list[str | None] = [None] * len(solution.steps)
    if trajectory is not None:
        prompt_ids, token_ids = trajectory["prompt_ids"], trajectory["token_ids"]
        states = [state_key(prompt_ids, token_ids[:end]) for end in trajectory["step_ends"]]
    return [
        {
            "question_id": solution.question_id,
            "sample": sample,
            "step": step,
            "state": state,
            "finished": solution.finished and step == last,
            "rollouts": solution.trials,
            "successes": round(soft * solution.trials),
            "soft": soft,
            "hard": soft > 0,
            "tokens": 0,
            "source": solution.source,
        }
        for step, (state, soft) in enumerate(zip(states, solution.soft, strict=True))
        if soft is not None
    ]


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise StepladderError(f"{where}: not JSON ({error})") from error
