"""Chunks, the unit that a result depends on and the unit that is kept, and the shards that share them out.

A chunk's rows depend on nothing but the chunk. So a job that was stopped goes on after the last chunk that is whole.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from stepladder.errors import StepladderError
from stepladder.files import set_aside
from stepladder.job import Job
from stepladder.progress import chunk_label
from stepladder.records import read_records, write_records
from stepladder.study.canonical import derive_seed

Item = TypeVar("Item")


def chunks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Consecutive pieces of ``size`` items; the last may be smaller."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def shard(parts: Sequence[Item], index: int, of: int) -> Sequence[Item]:
    """The ``index``-th (from 0) of ``of`` contiguous shares, which differ by one item at most."""
    return parts[len(parts) * index // of : len(parts) * (index + 1) // of]


def sample_seed(study: str, node: str, seed: int, key: str) -> int:
    """The seed of a question's or state's samples: from what they belong to, never from their order."""
    return derive_seed(study, node, seed, key)


def in_chunks(
    job: Job,
    pieces: Sequence[Sequence[Any]],
    schema: pa.Schema,
    make_rows: Callable[[Sequence[Any], str], list[dict[str, Any]]],
    folder: Path,
    part: tuple[int, int] = (1, 1),
) -> list[dict[str, Any]]:
    """The rows of one shard, made chunk by chunk; finished chunks are kept in the folder.

    Args:
        pieces: all chunks of the node, in their order.
        make_rows: from a chunk and its label to rows.
        part: which shard this is, from 1, and of how many.

    Raises:
        StepladderError: when the time budget is spent before the last chunk.
    """
    mine = shard(list(enumerate(pieces)), part[0] - 1, part[1])
    budget = job.budget()
    rows: list[dict[str, Any]] = []
    for place, (number, piece) in enumerate(mine):
        path = folder / f"chunk-{number}.parquet"
        kept = _kept(path, schema)
        if kept is None:
            if budget.spent():
                kept_so_far = "they are kept, run again to go on from them"
                raise budget.fault(f"after {place} of {len(mine)} chunks", kept_so_far)
            label = chunk_label(job.title, place + 1, len(mine))
            with budget.unit():
                write_records(make_rows(piece, label), schema, path)
            if advice := budget.advice():
                print(f"stepladder: {label} {advice}", file=sys.stderr)
            kept = read_records(path, schema)
        rows += kept
    return rows


def _kept(path: Path, schema: pa.Schema) -> list[dict[str, Any]] | None:
    """The rows of a kept chunk; None where there is none, or one that cannot be read, which is set aside."""
    if not path.is_file():
        return None
    try:
        return read_records(path, schema)
    except StepladderError as error:
        set_aside(path, error)
        return None
