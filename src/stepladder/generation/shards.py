"""Shards put together: one table in the order of its keys, counts and times added up."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stepladder.errors import StepladderError
from stepladder.records import Counts, read_json, read_table, write_table


def gather_tables(parts: Sequence[Path], schema: pa.Schema, target: Path) -> pa.Table:
    """The rows of all parts, sorted by key, written to ``target``."""
    table = pa.concat_tables([read_table(part, schema) for part in parts])
    keys = [name for name in ("question_id", "sample", "step") if name in schema.names]
    table = table.sort_by([(key, "ascending") for key in keys])
    write_table(table, target)
    return table


def gather_metrics(files: Sequence[Path], table: pa.Table) -> tuple[Counts, dict[str, Any]]:
    """The shards' counts in one, and means of what the table says of every row; what they cost is added up."""
    counts, seconds, gpu_seconds, memory, device, versions = Counts(), 0.0, 0.0, 0, set(), {}
    algebra: Counter[str] = Counter()
    for file in files:
        shard = read_json(file)
        try:
            counts.rows_in += shard["counts"]["rows_in"]
            counts.rows_out += shard["counts"]["rows_out"]
            for reason, rows in shard["counts"]["dropped"].items():
                counts.drop(reason, rows)
            seconds += shard["wall_seconds"]
            gpu_seconds += shard["wall_seconds"] * shard["gpus"]
            memory = max(memory, shard["max_memory_mb"])
            device.add(shard["device"])
            versions |= shard["versions"]
            algebra.update(shard["metrics"].get("algebra", {}))
        except (KeyError, TypeError, AttributeError):
            raise StepladderError(f"{file}: not what a shard writes; delete it and run again to make it anew") from None
    single = [field.name for field in table.schema if field.name in _MEANS and not pa.types.is_list(field.type)]
    means = {name: pc.mean(table[name].cast(pa.float64())).as_py() for name in single}
    spent = {"shard_seconds": seconds, "shard_gpu_seconds": gpu_seconds, "shard_max_memory_mb": memory}
    made = {"shards": len(files), "shard_devices": sorted(device), "generated_tokens": _generated_tokens(table)}
    graded = {"algebra": dict(algebra)} if algebra else {}
    return counts, made | spent | means | graded | {"shard_versions": versions}


def _generated_tokens(table: pa.Table) -> int:
    """Tokens of all trajectories, or of the rollouts of all states: these stand in every row of a state."""
    if "token_ids" in table.schema.names:
        return pc.sum(pc.list_value_length(table["token_ids"])).as_py() or 0
    if "finished" in table.schema.names:
        table = table.filter(pc.invert(table["finished"]))
    tokens = table["tokens"].to_pylist()
    if pa.types.is_list(table.schema.field("tokens").type):
        tokens = map(sum, tokens)
    return sum(dict(zip(table["state"].to_pylist(), tokens, strict=True)).values())


_MEANS = ("correct", "correct_flexible", "soft", "hard", "finished", "rollouts")
