"""The progress line: on a terminal, in a log, and read back from one."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepladder.progress import Progress, Reading, chunk_label, format_clock, format_reading, parse_reading


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_file_gets_whole_lines_and_not_too_many(monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 3.0, 20.0, 21.0, 30.0])
    monkeypatch.setattr("stepladder.progress.time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    bar = Progress("work", 40, "steps", stream=stream)
    for done in (2, 4, 6, 20, 21):
        bar.update(done, "loss 1")
    bar.close("loss 0")
    assert stream.getvalue().splitlines() == [
        "work [#...................] 2/40 steps 2.0/s ETA 00:19 loss 1",
        "work [##########..........] 20/40 steps 1.0/s ETA 00:20 loss 1",
        "work [##########..........] 21/40 steps 0.7/s ETA 00:27 loss 0",
    ]


def test_work_done_before_does_not_count_for_the_rate(monkeypatch):
    clock = iter([0.0, 10.0])
    monkeypatch.setattr("stepladder.progress.time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    Progress("work", 100, "steps", done=80, stream=stream).update(90)
    assert stream.getvalue() == "work [##################..] 90/100 steps 1.0/s ETA 00:10\n"


def test_a_slow_rate_is_not_shown_as_none(monkeypatch):
    clock = iter([0.0, 400.0])
    monkeypatch.setattr("stepladder.progress.time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    Progress("work", 100, "iterations", stream=stream).update(5)
    assert stream.getvalue() == "work [#...................] 5/100 iterations 0.0125/s ETA 2:06:40\n"


def test_a_terminal_line_is_redrawn_and_ends_with_the_bar():
    stream = Terminal()
    bar = Progress("work", 0, "steps", stream=stream)
    bar.update(0)
    bar.close()
    assert stream.getvalue().count("\r") == 2 and stream.getvalue().count("\n") == 1
    assert "ETA --:--" in stream.getvalue()


words = st.from_regex(r"[a-zA-Z0-9_/.=-]+( [a-zA-Z0-9_/.=-]+){0,3}", fullmatch=True)
readings = st.integers(0, 10**6).flatmap(
    lambda total: st.builds(
        Reading,
        label=words,
        done=st.integers(0, total),
        total=st.just(total),
        unit=st.sampled_from(["steps", "prompts", "pairs"]),
        rate=st.one_of(
            st.just(0.0),
            st.integers(1, 9999).map(lambda few: few / 10_000),
            st.integers(10, 10**7).map(lambda many: many / 10),
        ),
        left=st.none() | st.integers(0, 10**6),
        note=st.just("") | words,
    )
)


@given(readings)
def test_a_line_says_all_of_a_reading(reading):
    assert parse_reading(format_reading(reading)) == reading


@pytest.mark.parametrize(
    "line",
    ["", "stepladder: policies/sft seed 0 began", "loading [####] 3 of 4", "work [##..] x/4 steps 1.0/s ETA 00:01"],
)
def test_other_lines_are_no_readings(line):
    assert parse_reading(line) is None


def test_a_chunk_is_told_by_its_label():
    reading = Reading(chunk_label("trajectories/samples seed 0", 3, 8), 1, 4, "prompts", 1.0, 3)
    assert parse_reading(format_reading(reading)).chunk == (3, 8)
    assert Reading("policies/chunk seed 0", 1, 4, "steps", 1.0, 3).chunk == (1, 1)


@pytest.mark.parametrize(("seconds", "clock"), [(0, "00:00"), (59.9, "00:59"), (3600, "1:00:00"), (90_061, "25:01:01")])
def test_clock(seconds, clock):
    assert format_clock(seconds) == clock
