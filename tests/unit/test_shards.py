"""Shards put together give the table of one job."""

import pytest

from stepladder.errors import StepladderError
from stepladder.generation.shards import gather_metrics, gather_tables
from stepladder.records import LABELS, read_records, write_json, write_records


def label(question_id, sample, step, soft=0.5, hard=True):
    return {
        "question_id": question_id, "sample": sample, "step": step, "state": f"{question_id}{sample}{step}",
        "finished": False, "rollouts": 4, "successes": 2, "soft": soft, "hard": hard, "tokens": 10 + step,
        "source": None,
    }  # fmt: skip


def test_rows_of_all_shards_come_in_the_order_of_their_keys(tmp_path):
    rows = [label(q, s, t) for q in ("a", "b", "c") for s in (0, 1, 10) for t in (0, 1)]
    parts = [rows[12:][::-1], [], rows[:12]]
    for number, part in enumerate(parts):
        write_records(part, LABELS, tmp_path / f"{number}")
    files = [tmp_path / f"{number}" for number in range(3)]
    table = gather_tables(files, LABELS, tmp_path / "all")
    assert read_records(tmp_path / "all", LABELS) == rows == table.to_pylist()
    write_records(rows, LABELS, tmp_path / "unsharded")
    gather_tables(files[::-1], LABELS, tmp_path / "again")
    assert (tmp_path / "all").read_bytes() == (tmp_path / "again").read_bytes()


def shard_metrics(rows_in, rows_out, dropped, seconds, device="cpu"):
    return {
        "counts": {"rows_in": rows_in, "rows_out": rows_out, "dropped": dropped}, "wall_seconds": seconds,
        "device": device, "versions": {"torch": "1"}, "gpus": int(device == "gpu") * 4, "max_memory_mb": rows_in,
        "metrics": {"algebra": {"equal": 2, "failed": 1}} if dropped.get("x") else {},
    }  # fmt: skip


def test_counts_and_times_add_up_and_means_are_over_rows(tmp_path):
    rows = [label("a", 0, 0, 0.25, True), label("a", 0, 1, 0.0, False), label("b", 0, 0, 1.0, True)]
    write_records(rows, LABELS, tmp_path / "part")
    table = gather_tables([tmp_path / "part"], LABELS, tmp_path / "all")
    write_json(shard_metrics(5, 2, {"x": 3}, 1.5), tmp_path / "m0")
    write_json(shard_metrics(3, 1, {"x": 1, "y": 1}, 2.0, "gpu"), tmp_path / "m1")
    counts, metrics = gather_metrics([tmp_path / "m0", tmp_path / "m1"], table)
    assert counts.as_data() == {"rows_in": 8, "rows_out": 3, "dropped": {"x": 4, "y": 1}}
    assert metrics["shard_seconds"] == 3.5 and metrics["shard_devices"] == ["cpu", "gpu"] and metrics["shards"] == 2
    assert metrics["soft"] == pytest.approx(1.25 / 3) and metrics["hard"] == pytest.approx(2 / 3)
    assert metrics["rollouts"] == 4 and "correct" not in metrics
    assert metrics["shard_gpu_seconds"] == 8.0 and metrics["shard_max_memory_mb"] == 5
    assert metrics["algebra"] == {"equal": 4, "failed": 2}


def test_tokens_of_rollouts_count_once_a_state(tmp_path):
    twice = [label("a", 0, 0) | {"state": "x"}, label("a", 1, 0) | {"state": "x"}, label("a", 1, 1)]
    ended = label("b", 0, 0) | {"state": "x", "finished": True, "tokens": 0}
    write_records([*twice, ended], LABELS, tmp_path / "part")
    write_json(shard_metrics(4, 4, {}, 1.0), tmp_path / "m")
    table = gather_tables([tmp_path / "part"], LABELS, tmp_path / "all")
    assert gather_metrics([tmp_path / "m"], table)[1]["generated_tokens"] == 10 + 11


def test_a_missing_shard_is_one_line(tmp_path):
    with pytest.raises(StepladderError, match="no such file"):
        gather_tables([tmp_path / "none"], LABELS, tmp_path / "all")
    assert list(tmp_path.iterdir()) == []
