"""The tables between stages: columns, types and meaning. Nothing else knows the file format.

One row is one thing, found by its key and never by its place. Pages of a table carry checksums, so that a damaged file
is known when it is read.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stepladder.errors import StepladderError
from stepladder.files import atomic_path, write_text

_ids = pa.list_(pa.int32())
_key = [pa.field("question_id", pa.string(), nullable=False)]
_sample_key = [*_key, pa.field("sample", pa.int32(), nullable=False)]
_step_key = [*_sample_key, pa.field("step", pa.int32(), nullable=False)]


def _schema(keys: list[pa.Field], required: dict[str, pa.DataType], optional: dict[str, pa.DataType] | None = None):
    fields = [pa.field(name, kind, nullable=False) for name, kind in required.items()]
    fields += [pa.field(name, kind) for name, kind in (optional or {}).items()]
    return pa.schema([*keys, *fields])


# A question with its one prompt. `answer` is the right option's number, from 1, or, where there are no options, the
# answer as it is published; `solution` is the gold chain where one exists, `demonstration` the chain that SFT shows.
QUESTIONS = _schema(
    _key,
    {
        "dataset": pa.string(),
        "version": pa.int32(),
        "split": pa.string(),
        "fields": pa.map_(pa.string(), pa.string()),
        "options": pa.list_(pa.string()),
        "answer": pa.string(),
        "prompt": pa.string(),
    },
    {"solution": pa.string(), "demonstration": pa.string()},
)

# One audited question. `share`: of its passage's n-grams that are in one passage of what was trained on, 1 for the same
# words; `seen`: whether these are enough. `seen_id`: of the question with that passage, null where no n-gram is shared;
# `options`: how many of the question's options that one has, too.
AUDITS = _schema(
    _key,
    {"dataset": pa.string(), "seen": pa.bool_(), "share": pa.float64(), "options": pa.int32()},
    {"seen_id": pa.string()},
)

# One sampled answer. Token ids are the truth and `text` is only for reading; `step_ends` are positions in `token_ids`,
# one past each step's last token. `answer` is an option's number, from 1, or an answer in free form by the name of all
# answers to this question that equal it; null is unparsable. `answer` and `correct` follow the strict rule,
# `answer_flexible` and `correct_flexible` the flexible one.
TRAJECTORIES = _schema(
    _sample_key,
    {
        "dataset": pa.string(),
        "prompt_ids": _ids,
        "token_ids": _ids,
        "logprobs": pa.list_(pa.float32()),
        "finish_reason": pa.string(),
        "text": pa.string(),
        "step_ends": _ids,
        "correct": pa.bool_(),
        "correct_flexible": pa.bool_(),
    },
    {"answer": pa.string(), "answer_flexible": pa.string()},
)

# One step of a trajectory with its labels, which others gave it or which are from the same rollouts of the state after
# the step. `state` is the hash of the state's token ids; null in a benchmark's solution that is too long for a
# trajectory and counts as missed. A finished state has one trial, its own outcome. `tokens`: generated in the rollouts,
# once for all rows of a state. `source`: who made a benchmark's solution, as subset/generator; else null.
LABELS = _schema(
    _step_key,
    {
        "finished": pa.bool_(),
        "rollouts": pa.int32(),
        "successes": pa.int32(),
        "soft": pa.float32(),
        "hard": pa.bool_(),
        "tokens": pa.int32(),
    },
    {"state": pa.string(), "source": pa.string()},
)

# One state with its rollouts, lists in the order of their draws. `step`: how many steps it has behind it in the first
# trajectory that reached it, 0 for the bare question. An alternative next step has the key of the state that it goes on
# from as its `parent`; null in states of trajectories. `state_ids`: of prompt and answer so far. Of each rollout:
# whether its answer is right, its own token ids, how many they are, the sum of their log-probs under the policy at the
# temperature of sampling and as they were sampled, cut by top_p (unfinished work has those at temperature 1, and null),
# and the whole answer. `critic`: what the policy's critic says of the state, where it was asked.
ROLLOUTS = _schema(
    _step_key,
    {
        "state": pa.string(),
        "state_ids": _ids,
        "correct": pa.list_(pa.bool_()),
        "rollout_ids": pa.list_(_ids),
        "tokens": _ids,
        "logprobs": pa.list_(pa.float64()),
        "texts": pa.list_(pa.string()),
    },
    {"parent": pa.string(), "sampler_logprobs": pa.list_(pa.float64()), "critic": pa.float64()},
)

# One step's score by a PRM: the head's output and its sigmoid.
SCORES = _schema(_step_key, {"logit": pa.float32(), "score": pa.float32()})

# One trajectory's reward and what it is made of: reward = process_weight * shaped + outcome_weight * outcome.
REWARDS = _schema(
    _sample_key,
    {
        "dataset": pa.string(),
        "steps": pa.int32(),
        "accumulated": pa.float32(),
        "shaped": pa.float32(),
        "outcome": pa.float32(),
        "reward": pa.float32(),
    },
)

# A preference between two answers to one question. `pair_id` is the digest of prompt, chosen and rejected token ids.
PAIRS = _schema(
    [pa.field("pair_id", pa.string(), nullable=False), *_key],
    {
        "dataset": pa.string(),
        "kind": pa.string(),
        "chosen_sample": pa.int32(),
        "rejected_sample": pa.int32(),
        "prompt_ids": _ids,
        "chosen_ids": _ids,
        "rejected_ids": _ids,
        "chosen_reward": pa.float32(),
        "rejected_reward": pa.float32(),
        "copies": pa.int32(),
    },
)

# Summed log-probs of both answers of a pair under the reference policy.
REFERENCE = _schema(
    [pa.field("pair_id", pa.string(), nullable=False)],
    {"chosen_logprob": pa.float64(), "rejected_logprob": pa.float64()},
)

# One answer in an evaluation. `decoding` is greedy (sample 0) or sampled. Answers are named as in a trajectory, and
# `gold` as the right ones are, in whatever order options were shown: `option_order` has for each place the number of
# the option that stood there; none where there are no options.
ANSWERS = _schema(
    [*_key, pa.field("decoding", pa.string(), nullable=False), pa.field("sample", pa.int32(), nullable=False)],
    {
        "dataset": pa.string(),
        "gold": pa.string(),
        "option_order": _ids,
        "correct": pa.bool_(),
        "correct_flexible": pa.bool_(),
        # by the rule of released code
        "correct_as_published": pa.bool_(),
        "steps": pa.int32(),
        "tokens": pa.int32(),
        "finish_reason": pa.string(),
        "text": pa.string(),
        # prm -> accumulation -> score of the whole answer
        "prm_scores": pa.map_(pa.string(), pa.map_(pa.string(), pa.float64())),
    },
    {"answer": pa.string(), "answer_flexible": pa.string()},
)


def write_records(rows: Sequence[dict[str, Any]], schema: pa.Schema, path: Path) -> None:
    """Writes rows as Parquet under the schema, whole or not at all.

    Raises:
        StepladderError: when a row lacks a required column, or a value is not of its column's type.
    """
    for index, row in enumerate(rows):
        for field in schema:
            if not field.nullable and row.get(field.name) is None:
                raise StepladderError(f"{path}: row {index} has no {field.name!r}; every row needs one")
    try:
        table = pa.Table.from_pylist(list(rows), schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise StepladderError(f"{path}: a value does not fit its column: {error}") from error
    write_table(table, path)


def write_table(table: pa.Table, path: Path) -> None:
    """Writes an Arrow table as Parquet, whole or not at all."""
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read_table(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """The table in a file, checked against the schema it must have.

    Raises:
        StepladderError: when the file is missing, broken, or holds other columns.
    """
    try:
        found = pq.read_schema(path)
        if not found.remove_metadata().equals(schema):
            raise StepladderError(f"{path}: not the table this stage reads; delete it and run again to make it anew")
        return pq.read_table(path, columns=columns, page_checksum_verification=True)
    except FileNotFoundError:
        raise StepladderError(f"{path}: no such file; the node that makes it has not run") from None
    except (pa.ArrowInvalid, OSError) as error:
        said = str(error).splitlines()[0]
        raise StepladderError(f"{path}: cannot be read ({said}); delete it and run again to make it anew") from None


def read_records(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> list[dict[str, Any]]:
    """The rows of a file as dictionaries; maps come as dictionaries, too."""
    return read_table(path, schema, columns).to_pylist(maps_as_pydicts="strict")


def write_json(data: Any, path: Path) -> None:
    """Writes data as indented JSON with sorted keys, whole or not at all."""
    write_text(json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n", path)


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        StepladderError: when the file is missing or no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StepladderError(f"{path}: no such file; the node that makes it has not run") from None
    except ValueError as error:
        raise StepladderError(f"{path}: not JSON ({error}); delete it and run again to make it anew") from None


class Counts:
    """Rows in, rows out and rows dropped by reason; nothing leaves a stage uncounted."""

    def __init__(self, rows_in: int = 0):
        self.rows_in = rows_in
        self.rows_out = 0
        self.dropped: dict[str, int] = {}

    def drop(self, reason: str, rows: int = 1) -> None:
        """Counts rows that are left out, and why."""
        if rows:
            self.dropped[reason] = self.dropped.get(reason, 0) + rows

    def as_data(self) -> dict[str, Any]:
        """For metrics.json."""
        return {"rows_in": self.rows_in, "rows_out": self.rows_out, "dropped": dict(sorted(self.dropped.items()))}


def write_history(history: Sequence[dict[str, float]], path: Path) -> None:
    """Writes the course of a training, one JSON object a line."""
    write_text("".join(json.dumps(point, sort_keys=True) + "\n" for point in history), path)


def read_history(path: Path) -> list[dict[str, Any]]:
    """The course of a training, as :func:`write_history` wrote it.

    Raises:
        StepladderError: when a line is no JSON object with a step.
    """
    points = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        try:
            point = json.loads(line)
            points.append(point | {"step": int(point["step"])})
        except (ValueError, KeyError, TypeError):
            raise StepladderError(
                f"{path}: line {number} is no JSON object with a step; delete the file's folder and run again"
            ) from None
    return points
