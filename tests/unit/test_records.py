"""Tables between stages: what is written comes back, and what is broken says so in one line."""

import json
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder import records
from stepladder.errors import StepladderError
from stepladder.files import atomic_path
from stepladder.records import (
    LABELS,
    QUESTIONS,
    REWARDS,
    SCORES,
    Counts,
    read_json,
    read_records,
    write_history,
    write_json,
    write_records,
)

SCHEMAS = {name: value for name, value in vars(records).items() if isinstance(value, pa.Schema)}


def values_of(kind: pa.DataType) -> st.SearchStrategy:
    if pa.types.is_list(kind):
        return st.lists(values_of(kind.value_type), max_size=4)
    if pa.types.is_map(kind):
        return st.dictionaries(st.text(max_size=4), values_of(kind.item_type), max_size=3)
    if pa.types.is_boolean(kind):
        return st.booleans()
    if pa.types.is_integer(kind):
        return st.integers(-(2**31), 2**31 - 1)
    if pa.types.is_floating(kind):
        return st.floats(width=kind.bit_width, allow_nan=False)
    assert pa.types.is_string(kind)
    return st.text(max_size=8)


def rows_of(schema: pa.Schema) -> st.SearchStrategy:
    row = {f.name: values_of(f.type) if not f.nullable else st.none() | values_of(f.type) for f in schema}
    return st.lists(st.fixed_dictionaries(row), max_size=5)


def score(**changes) -> dict:
    return {"question_id": "q", "sample": 0, "step": 1, "logit": 0.5, "score": 0.625} | changes


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_every_table_of_the_plan_has_a_schema_with_a_key():
    assert set(SCHEMAS) == {
        "AUDITS", "QUESTIONS", "TRAJECTORIES", "LABELS", "ROLLOUTS", "SCORES", "REWARDS", "PAIRS", "REFERENCE",
        "ANSWERS",
    }  # fmt: skip
    for schema in SCHEMAS.values():
        assert schema.names[0] in ("question_id", "pair_id") and not schema.field(0).nullable


@pytest.mark.parametrize("name", sorted(SCHEMAS))
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_round_trip(name, data, tmp_path_factory):
    rows = data.draw(rows_of(SCHEMAS[name]))
    path = tmp_path_factory.mktemp("table") / "rows.parquet"
    write_records(rows, SCHEMAS[name], path)
    assert read_records(path, SCHEMAS[name]) == rows


def test_only_the_columns_that_are_asked_for_are_read(tmp_path):
    write_records([score(), score(step=2)], SCORES, tmp_path / "t")
    assert read_records(tmp_path / "t", SCORES, ["step", "score"]) == [
        {"step": 1, "score": 0.625},
        {"step": 2, "score": 0.625},
    ]


@pytest.mark.parametrize("column", [field.name for field in SCORES])
@pytest.mark.parametrize("how", ["absent", "none"])
def test_a_missing_value_names_its_row_and_column(tmp_path, column, how):
    bad = score()
    if how == "absent":
        del bad[column]
    else:
        bad[column] = None
    with pytest.raises(StepladderError) as error:
        write_records([score(), bad], SCORES, tmp_path / "t")
    assert f"row 1 has no {column!r}" in one_line(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes", [{"sample": "three"}, {"sample": 2**40}, {"sample": 2**70}, {"logit": "x"}, {"question_id": 7}]
)
def test_a_value_of_another_type_is_one_line(tmp_path, changes):
    with pytest.raises(StepladderError, match="does not fit") as error:
        write_records([score(**changes)], SCORES, tmp_path / "t")
    one_line(error)


def test_another_table_is_refused(tmp_path):
    write_records([score()], SCORES, tmp_path / "t")
    with pytest.raises(StepladderError, match="not the table this stage reads") as error:
        read_records(tmp_path / "t", REWARDS)
    assert str(tmp_path / "t") in one_line(error)


@pytest.mark.parametrize("broken", [b"", b"PAR1", b"no parquet at all", "half", "flipped"])
def test_a_broken_file_is_one_line(tmp_path, broken):
    path = tmp_path / "t"
    write_records([score(step=step, logit=math.sin(step)) for step in range(2000)], SCORES, path)
    whole = path.read_bytes()
    if broken == "half":
        path.write_bytes(whole[: len(whole) // 2])
    elif broken == "flipped":
        path.write_bytes(whole[:200] + bytes(255 - byte for byte in whole[200:600]) + whole[600:])
    else:
        path.write_bytes(broken)
    with pytest.raises(StepladderError, match="delete it and run again") as error:
        read_records(path, SCORES)
    assert str(path) in one_line(error)


def test_a_missing_file_is_one_line(tmp_path):
    for read in (lambda: read_records(tmp_path / "t", LABELS), lambda: read_json(tmp_path / "t")):
        with pytest.raises(StepladderError, match="no such file") as error:
            read()
        one_line(error)


def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "t"
    write_records([score()], SCORES, path)
    before = path.read_bytes()

    def write_half(table, target, **kwargs):
        target.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(records.pq, "write_table", write_half)
    with pytest.raises(KeyboardInterrupt):
        write_records([score(step=9)], SCORES, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["t"]


def test_atomic_paths_appear_only_when_whole(tmp_path):
    with atomic_path(tmp_path / "new" / "t") as temporary:
        temporary.write_text("a")
        assert not (tmp_path / "new" / "t").exists()
        assert temporary.parent == tmp_path / "new"
    assert (tmp_path / "new" / "t").read_text() == "a"
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_json_round_trip_and_fault(tmp_path):
    data = {"b": [1, 2.5, None], "a": {"é": "ü"}}
    write_json(data, tmp_path / "j")
    assert read_json(tmp_path / "j") == data
    assert list(json.loads((tmp_path / "j").read_text())) == ["a", "b"]
    (tmp_path / "j").write_text('{"a": ')
    with pytest.raises(StepladderError, match="not JSON") as error:
        read_json(tmp_path / "j")
    one_line(error)


def test_history_is_one_object_a_line(tmp_path):
    history = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]
    write_history(history, tmp_path / "h")
    assert [json.loads(line) for line in (tmp_path / "h").read_text().splitlines()] == history


def test_counts_add_up():
    counts = Counts(10)
    counts.drop("b", 2)
    counts.drop("a")
    counts.drop("b")
    counts.drop("never", 0)
    counts.rows_out = 6
    assert counts.as_data() == {"rows_in": 10, "rows_out": 6, "dropped": {"a": 1, "b": 3}}


def test_maps_come_as_dictionaries(tmp_path):
    row = {
        "question_id": "q", "dataset": "qqa", "version": 1, "split": "train", "fields": {"question": "Which?"},
        "options": ["a", "b"], "answer": "2", "prompt": "p", "solution": None, "demonstration": "d",
    }  # fmt: skip
    write_records([row], QUESTIONS, tmp_path / "t")
    assert read_records(tmp_path / "t", QUESTIONS) == [row]
