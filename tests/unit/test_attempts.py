"""What a log says of an attempt, read back as it was written."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepladder.attempts import (
    Attempt,
    command_by_hand,
    first_lines,
    job_of_command,
    last_line,
    read_log,
    this_attempt,
)
from stepladder.progress import Reading, format_reading
from stepladder.study.resources import torchrun_on_one_node

ATTEMPT = Attempt("policies/sft seed 0", 1_800_000_000, "node7", 42, "77", "cd '/a b' && env python x.py --job '{}'")
READING = Reading("policies/sft seed 0", 3, 12, "steps", 2.5, 4, "loss 1.2")


def written(path, *lines: str):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return read_log(path)


def test_a_running_attempt(tmp_path):
    log = written(tmp_path / "log", *first_lines(ATTEMPT), "loading", format_reading(READING), "a warning")
    assert log.attempt == ATTEMPT
    assert (log.outcome, log.seconds, log.reading) == (None, None, READING)
    assert log.tail == ("loading", format_reading(READING), "a warning")


@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_an_ended_attempt(tmp_path, outcome):
    log = written(tmp_path / "log", *first_lines(ATTEMPT), last_line(ATTEMPT.job, outcome, 61.24), "stepladder: why")
    assert (log.attempt, log.outcome, log.seconds) == (ATTEMPT, outcome, 61.2)
    assert log.tail[-1] == "stepladder: why"


def test_what_launchers_say_first_is_passed_over(tmp_path):
    log = written(tmp_path / "log", "W1121 OMP_NUM_THREADS", "", *first_lines(ATTEMPT), "on")
    assert log.attempt == ATTEMPT and log.tail == ("on",)


def test_a_log_without_a_first_line_still_shows_its_end(tmp_path):
    log = written(tmp_path / "log", "Traceback", "ImportError: no module")
    assert log.attempt is None and log.tail == ("Traceback", "ImportError: no module")


def test_of_a_long_log_the_last_state_counts_and_only_the_end_is_read(tmp_path):
    lines = [format_reading(Reading("work", done, 50_000, "steps", 2.5, 4)) for done in range(50_000)]
    log = written(tmp_path / "log", *first_lines(ATTEMPT), *lines)
    assert log.reading.done == 49_999
    assert len(log.tail) < 2000 and log.attempt == ATTEMPT


def test_no_log_and_bytes_that_are_no_text(tmp_path):
    assert read_log(tmp_path / "none") is None
    (tmp_path / "log").write_bytes(b"\xff\xfe\x00")
    assert read_log(tmp_path / "log").attempt is None


def test_this_process_and_its_slurm_job():
    assert this_attempt("a/b seed 0", {}).slurm_job is None
    assert this_attempt("a/b seed 0", {"SLURM_JOB_ID": "9"}).slurm_job == "9"


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), max_size=4),
    st.text("ab'\"$`\\ {}&;|", max_size=12),
)
def test_a_command_by_hand_keeps_every_word_and_its_job(words, job):
    command = command_by_hand("/bin/python", ["x.py", *words, "--job", job], {"OMP_NUM_THREADS": "2", "SECRET": "s"})
    after = shlex.split(command)
    assert after[after.index("env") :] == ["env", "OMP_NUM_THREADS=2", "/bin/python", "x.py", *words, "--job", job]
    if "--job" not in words:
        assert job_of_command(command) == job


def test_a_command_by_hand_enters_the_container_and_starts_the_ranks():
    environment = {"APPTAINER_CONTAINER": "/i/s.sif", "LOCAL_WORLD_SIZE": "4"}
    words = shlex.split(command_by_hand("/v/bin/python", ["x.py"], environment))
    assert words[3:] == [
        "apptainer", "exec", "--nv", "/i/s.sif", "env", *torchrun_on_one_node(4, "/v/bin/torchrun"), "x.py",
    ]  # fmt: skip


def test_ranks_on_several_nodes_have_no_command_by_hand():
    words = command_by_hand("/v/bin/python", ["x.py"], {"LOCAL_WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2"})
    assert words == "not on 2 nodes: run the same snakemake command again"


@pytest.mark.parametrize("command", ["", "cd /a && python x.py", "python 'open", "python --job"])
def test_no_job_in_another_command(command):
    assert job_of_command(command) is None
