"""Files that are whole or absent: on a full disk, after a kill, before a power cut, and with another run beside."""

import errno
import os
import select
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.numpy import save_file

from damage import small_disk
from stepladder import files
from stepladder.errors import StepladderError
from stepladder.files import alone, atomic_path, claim, set_aside, whole_folder
from stepladder.records import write_json, write_table


def write_weights(folder, save):
    with whole_folder(folder) as temporary:
        save(temporary / "weights")


WRITERS = {
    "parquet": lambda path: write_table(pa.table({"a": np.random.default_rng(0).random(10_000)}), path),
    "json": lambda path: write_json(["x" * 100] * 1000, path),
    "safetensors": lambda path: write_weights(path, lambda file: save_file({"a": np.ones(10_000)}, file)),
    "torch": lambda path: write_weights(path, lambda file: torch.save({"a": torch.rand(10_000)}, file)),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, kind):
    target = tmp_path / "target"
    with small_disk(), pytest.raises(StepladderError, match=r"target: cannot be written \(.+\); .*run") as error:
        WRITERS[kind](target)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
    WRITERS[kind](target)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_fault_that_is_not_the_disks_is_not_blamed_on_it(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "t"):
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "t"):
        (tmp_path / "none").read_text()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_job_left_is_cleared_by_the_next_one(tmp_path):
    (tmp_path / ".t.00112233.tmp").write_text("half")
    (tmp_path / ".t.44556677.tmp").mkdir()
    (tmp_path / ".t.44556677.tmp" / "x").write_text("half")
    other = tmp_path / ".t2.00112233.tmp"
    other.write_text("of another target")
    with atomic_path(tmp_path / "t") as temporary:
        temporary.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "t"]


def test_a_name_is_given_after_everything_is_on_the_disk(tmp_path, monkeypatch):
    happened = []
    flush, replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda fd: (happened.append(os.readlink(f"/proc/self/fd/{fd}")), flush(fd)))
    monkeypatch.setattr(files.os, "replace", lambda *paths: (happened.append("named"), replace(*paths)))
    with whole_folder(tmp_path / "c") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "x").write_text("1")
    before, after = happened[: happened.index("named")], happened[happened.index("named") + 1 :]
    assert sorted(path.removeprefix(str(folder)) for path in before) == ["", "/inner", "/inner/x"]
    assert after == [str(tmp_path)]


def test_work_that_is_set_aside_is_one_line(tmp_path, capsys):
    for name in ("file", "folder"):
        path = tmp_path / name
        path.mkdir() if name == "folder" else path.write_text("")
        set_aside(path, StepladderError(f"{path}: is broken; delete it"))
        assert capsys.readouterr().err == f"stepladder: kept work cannot be used and is made anew: {path}: is broken\n"
    assert list(tmp_path.iterdir()) == []


CLAIM = """
import sys
from pathlib import Path
from stepladder.files import claim
claim(Path(sys.argv[1]))
print("claimed", flush=True)
sys.stdin.read()
"""


def test_one_run_has_a_results_folder_and_a_killed_one_leaves_no_lock(tmp_path):
    folder = tmp_path / "results"
    command = [sys.executable, "-c", CLAIM, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "claimed\n"
        with pytest.raises(StepladderError, match=r"results: another run uses this folder; wait .* or stop it"):
            claim(folder)
        first.kill()
    second = subprocess.run(command, input="", capture_output=True, text=True, timeout=60)
    assert second.stdout == "claimed\n", second.stderr


ALONE = """
import sys
from pathlib import Path
from stepladder.files import alone
with alone(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.readline()
"""


def test_one_process_at_a_time_also_after_a_killed_one(tmp_path):
    lock = tmp_path / "new" / "job.lock"
    command = [sys.executable, "-c", ALONE, str(lock)]

    def enter() -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, text=True, **pipes)

    def waits(process: subprocess.Popen[str]) -> None:
        assert select.select([process.stderr], [], [], 30)[0], "does not wait"
        assert process.stderr.readline() == "stepladder: waits for another process that does the same\n"
        assert not select.select([process.stdout], [], [], 0.2)[0]

    with enter() as first:
        assert first.stdout.readline() == "in\n"
        with enter() as second:
            waits(second)
            first.kill()
            assert second.stdout.readline() == "in\n"
            with enter() as third:
                waits(third)
                second.communicate("\n", timeout=60)
                assert third.stdout.readline() == "in\n"
                with enter() as fourth:  # the second one took the name away at which the third one waited
                    waits(fourth)
                    third.communicate("\n", timeout=60)
                    fourth.communicate("\n", timeout=60)
                    assert fourth.returncode == 0
    assert list(lock.parent.iterdir()) == []


def test_a_file_system_without_locks_is_told_and_work_goes_on(tmp_path, monkeypatch, capsys):
    def refuse(descriptor, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    with alone(tmp_path / "job.lock"):
        pass
    claim(tmp_path)
    assert "no locks" in capsys.readouterr().err
