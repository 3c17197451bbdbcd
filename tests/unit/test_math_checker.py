"""Workers that compare answers: their limits, their replacement, and their end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stepladder.errors import StepladderError
from stepladder.questions.mathematics import checker as checker_module
from stepladder.questions.mathematics.checker import Checker, Limits

ENDLESS = ("\\int_0^{10^9} e^{x^x} dx", "\\sqrt{2}")


def process_of(checker: Checker, place: int = 0) -> subprocess.Popen:
    return checker._workers[place]._process


def test_verdicts_come_in_the_order_of_the_pairs():
    with Checker(workers=2) as checker:
        pairs = [("\\sqrt{8}", "2\\sqrt{2}"), ("\\pi", "e"), ("x+x", "2x"), ("x", "y"), ("2\\sqrt{2}", "\\sqrt{8}")]
        assert checker.compare(pairs) == ["equal", "different", "equal", "different", "equal"]
        assert checker.compare([]) == []
        assert checker.verdicts == {"equal": 2, "different": 2}  # the last pair is the first one


def test_verdicts_are_remembered_and_workers_used_again():
    with Checker(workers=1) as checker:
        assert checker.compare([("x+x", "2x")]) == ["equal"]
        worker = process_of(checker).pid
        assert checker.compare([("a+a", "2a")]) == ["equal"]
        assert process_of(checker).pid == worker
        process_of(checker).kill()
        assert checker.compare([("2x", "x+x"), ("a+a", "2a")]) == ["equal", "equal"]


def test_a_pair_that_computes_too_long_fails_and_its_worker_is_replaced():
    with Checker(workers=1, limits=Limits(cpu_seconds=0.5)) as checker:
        assert checker.compare([ENDLESS, ("x", "y")]) == ["failed", "different"]
        assert process_of(checker).poll() is None


def test_a_worker_that_does_not_compute_is_ended_too():
    with Checker(workers=1, limits=Limits(wall_seconds=20.0)) as checker:
        assert checker.compare([("x", "y")]) == ["different"]
        stopped = process_of(checker)
        os.kill(stopped.pid, signal.SIGSTOP)
        checker._workers[0]._limits = Limits(wall_seconds=0.5)
        assert checker.compare([("x+x", "2x")]) == ["failed"]
        assert stopped.poll() == -signal.SIGKILL


def test_a_killed_worker_costs_one_pair():
    with Checker(workers=1) as checker:
        checker.compare([("x", "y")])
        process_of(checker).kill()
        process_of(checker).wait()
        assert checker.compare([("x+x", "2x"), ("a+a", "2a")]) == ["failed", "equal"]


def test_memory_is_limited():
    with Checker(workers=1, limits=Limits(megabytes=512)) as checker:
        checker.compare([("x", "y")])
        limits = Path(f"/proc/{process_of(checker).pid}/limits").read_text(encoding="utf-8")
        space = next(line for line in limits.splitlines() if line.startswith("Max address space"))
        assert space.split()[3:5] == [str(512 << 20)] * 2
        assert checker.compare([("2^{10^{11}}", "3"), ("x+x", "2x")])[1] == "equal"


def test_answers_are_data_never_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "__import__('pathlib').Path('touched').touch()"
    with Checker(workers=1) as checker:
        checker.compare([(code, "x"), (f"\\text{{{code}}}", "x"), ('"}\n{"first": "x', "x\x00\ud800")])
        assert checker.compare([("x+x", "2x")]) == ["equal"]
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_cannot_start_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(checker_module, "_MODULE", "stepladder.no_such_worker")
    with Checker(workers=1) as checker, pytest.raises(StepladderError, match="cannot work; see what it says") as error:
        checker.compare([("x", "y"), ("x", "z")])
    assert "\n" not in str(error.value)
    monkeypatch.undo()
    with checker:
        assert checker.compare([("x+x", "2x"), ("x", "y")]) == ["equal", "different"]


BREAK = """
import sys
from stepladder.questions.mathematics import worker
def fill(first, second):
    raise MemoryError
worker._equal = fill
worker.main(2.0, 1024, sys.stdin, sys.stdout)
"""


def test_a_pair_that_breaks_a_worker_is_told_from_a_worker_that_cannot_start():
    pair = '{"first": "x", "second": "y"}\n'
    done = subprocess.run([sys.executable, "-c", BREAK], input=pair, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (checker_module.BROKEN, "")


def test_closing_ends_the_workers_and_the_next_pairs_start_others():
    checker = Checker(workers=2)
    checker.compare([("x", "y"), ("x", "z")])
    processes = [process_of(checker, place) for place in (0, 1)]
    checker.close()
    assert all(process.poll() is not None for process in processes)
    assert checker.compare([("x", "w")]) == ["different"]
    checker.close()


GRADE_AND_DIE = """
import os, signal
from stepladder.questions.mathematics.checker import Checker
checker = Checker(workers=1)
checker.compare([("x", "y")])
print(checker._workers[0]._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_the_process_that_grades():
    done = subprocess.run([sys.executable, "-c", GRADE_AND_DIE], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    worker = Path(f"/proc/{int(done.stdout)}/cmdline")
    deadline = time.monotonic() + 30
    while worker.exists() and b"mathematics.worker" in worker.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not worker.exists() or b"mathematics.worker" not in worker.read_bytes()
