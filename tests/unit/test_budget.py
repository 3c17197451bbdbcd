"""The time budget of a job: counted from its start, asked between units of work, and never lost work."""

import re

import pytest

import tiny
from stepladder import budget as budget_module
from stepladder.budget import Budget, started
from stepladder.errors import StepladderError
from stepladder.generation.chunks import chunks, in_chunks
from stepladder.records import REFERENCE, read_records

EPOCH = 1.7e9


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when a test says so, for every clock of a budget."""

    class Clock:
        now = 0.0

        def sleep(self, seconds: float) -> None:
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(budget_module.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(budget_module.time, "time", lambda: EPOCH + clock.now)
    return clock


def test_a_job_starts_when_its_shell_does(clock, monkeypatch):
    monkeypatch.delenv("STEPLADDER_STARTED", raising=False)
    assert started() == EPOCH
    monkeypatch.setenv("STEPLADDER_STARTED", "1699999880")
    assert started() == EPOCH - 120


@pytest.mark.parametrize(("node", "expected"), [("0", EPOCH - 120), ("1", EPOCH)])
def test_the_shells_clock_is_asked_on_its_own_node_only(clock, monkeypatch, node, expected):
    monkeypatch.setenv("STEPLADDER_STARTED", str(EPOCH - 120))
    monkeypatch.setenv("SLURM_NODEID", node)
    assert started() == expected


def test_loading_counts_and_a_first_unit_may_try_while_there_is_time(clock):
    budget = Budget(300, EPOCH - 120)
    assert not budget.spent()
    clock.sleep(179)
    assert not budget.spent()
    clock.sleep(2)
    assert budget.spent()


def test_a_unit_that_would_not_end_in_time_is_not_begun(clock):
    budget = Budget(100, EPOCH)
    for seconds in (20, 40):
        assert not budget.spent()
        with budget.unit():
            clock.sleep(seconds)
    clock.sleep(9)
    assert not budget.spent()  # 69 s have passed, and the mean of two units is 30 s
    clock.sleep(2)
    assert budget.spent()


def test_without_a_limit_no_time_is_too_long(clock):
    budget = Budget(None, EPOCH)
    with budget.unit():
        clock.sleep(1e9)
    assert not budget.spent() and budget.advice() is None


def test_the_fault_says_where_how_fast_and_what_is_kept(clock):
    budget = Budget(100, EPOCH)
    said = str(budget.fault("at step 0 of 9", "nothing is kept"))
    assert said == (
        "time budget of 100 s spent at step 0 of 9; nothing is kept "
        "(the time went before the first of them; raise scale.resources.<work>.runtime)"
    )
    with budget.unit():
        clock.sleep(12.34)
    assert str(budget.fault("at step 1 of 9", "it is kept")).endswith("at step 1 of 9; it is kept (each takes 12.3 s)")


def test_units_that_take_most_of_the_time_are_told(clock):
    budget = Budget(100, EPOCH)
    with budget.unit():
        clock.sleep(50)
    assert budget.advice() is None
    with budget.unit():
        clock.sleep(60)
    assert budget.advice().startswith("took 55 s of a time budget of 100 s")


PIECES = chunks(list("abcdefg"), 2)


def _rows(piece, label):
    return [{"pair_id": each, "chosen_logprob": float(ord(each)), "rejected_logprob": 0.0} for each in piece]


def _job(folder, clock, monkeypatch, max_seconds=None):
    monkeypatch.setenv("STEPLADDER_STARTED", str(EPOCH + clock.now))
    return tiny.job(folder, "scores", {"prm": "p", "trajectories": "t"}, max_seconds=max_seconds)


def test_stopped_work_goes_on_after_the_last_whole_chunk(tmp_path, clock, monkeypatch):
    made = []

    def slow(piece, label):
        clock.sleep(10)
        made.append("".join(piece))
        return _rows(piece, label)

    for expected in (["ab", "cd"], ["ab", "cd", "ef", "g"]):
        job = _job(tmp_path, clock, monkeypatch, max_seconds=25)
        if expected[-1] == "cd":
            with pytest.raises(StepladderError, match=r"^time budget of 25 s spent after 2 of 4 chunks; they are kept"):
                in_chunks(job, PIECES, REFERENCE, slow, tmp_path / "kept")
        else:
            rows = in_chunks(job, PIECES, REFERENCE, slow, tmp_path / "kept")
        assert made == expected
    assert rows == [row for piece in PIECES for row in _rows(piece, "")]


def test_no_chunk_is_begun_when_loading_took_all_the_time(tmp_path, clock, monkeypatch):
    job = _job(tmp_path, clock, monkeypatch, max_seconds=25)
    clock.sleep(26)
    with pytest.raises(StepladderError, match=re.escape("after 0 of 4 chunks")):
        in_chunks(job, PIECES, REFERENCE, _rows, tmp_path / "kept")


def test_kept_chunks_cost_no_time(tmp_path, clock, monkeypatch):
    whole = in_chunks(_job(tmp_path, clock, monkeypatch), PIECES, REFERENCE, _rows, tmp_path / "kept")
    job = _job(tmp_path, clock, monkeypatch, max_seconds=25)
    clock.sleep(100)
    assert in_chunks(job, PIECES, REFERENCE, None, tmp_path / "kept") == whole


def test_a_broken_chunk_is_made_anew(tmp_path, clock, monkeypatch, capsys):
    job = _job(tmp_path, clock, monkeypatch)
    whole = in_chunks(job, PIECES, REFERENCE, _rows, tmp_path / "kept")
    (tmp_path / "kept" / "chunk-1.parquet").write_bytes(b"PAR1")
    assert in_chunks(job, PIECES, REFERENCE, _rows, tmp_path / "kept") == whole
    assert "chunk-1.parquet" in capsys.readouterr().err
    assert len(read_records(tmp_path / "kept" / "chunk-1.parquet", REFERENCE)) == 2


def test_shards_make_their_own_chunks_only(tmp_path, clock, monkeypatch):
    job = _job(tmp_path, clock, monkeypatch)
    parts = [in_chunks(job, PIECES, REFERENCE, _rows, tmp_path / "kept", (number, 3)) for number in (1, 2, 3)]
    assert [row["pair_id"] for part in parts for row in part] == list("abcdefg")
    assert all(parts)


def test_a_chunk_that_takes_most_of_the_time_is_told_in_one_line(tmp_path, clock, monkeypatch, capsys):
    def slow(piece, label):
        clock.sleep(60)
        return _rows(piece, label)

    job = _job(tmp_path, clock, monkeypatch, max_seconds=100)
    with pytest.raises(StepladderError):
        in_chunks(job, PIECES, REFERENCE, slow, tmp_path / "kept")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("stepladder: scores/node seed 0 chunk 1/4 took 60 s of a time budget of 100 s")


def test_chunks_are_written_one_by_one(tmp_path, clock, monkeypatch):
    """A kill between two chunks leaves the first: nothing waits for the end."""
    seen = []

    def watch(piece, label):
        seen.append(sorted(path.name for path in (tmp_path / "kept").glob("*.parquet")))
        return _rows(piece, label)

    in_chunks(_job(tmp_path, clock, monkeypatch), PIECES, REFERENCE, watch, tmp_path / "kept")
    assert [len(each) for each in seen] == [0, 1, 2, 3]
