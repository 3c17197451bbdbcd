"""Jobs of whole graphs in tests are copies of a process with loaded libraries: they end as jobs of their own do."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import warm

SCRIPT = """
import os, sys, time
print(sys.argv[1:], os.getcwd(), os.environ["SAID"], __name__, "torch" in sys.modules, os.getpid(), flush=True)
print("on the other channel", file=sys.stderr)
time.sleep(float(sys.argv[1]))
raise SystemExit(int(sys.argv[2]))
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A project of one script."""
    (tmp_path / "workflow/scripts").mkdir(parents=True)
    (tmp_path / "workflow/scripts/job.py").write_text(SCRIPT)
    return tmp_path


def shell(folder: Path, line: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **warm.environment(), "SAID": "a 'word'"}
    return subprocess.Popen(
        ["bash", "-c", line], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def test_arguments_folder_environment_output_and_status_are_the_jobs_own(folder):
    job = shell(folder, "set -euo pipefail; python workflow/scripts/job.py 0 7 'two words' 2>&1 | tee log")
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 7
    first, second = said.splitlines()
    assert first.startswith(f"['0', '7', 'two words'] {folder} a 'word' __main__ True ")
    assert second == "on the other channel" and (folder / "log").read_text() == said


ENDINGS = {
    "at its end": ("", 0, ""),
    "by exit": ("sys.exit()", 0, ""),
    "by a status": ("sys.exit(3)", 3, ""),
    "by a message": ("sys.exit('no such node')", 1, "no such node"),
    "by an error": ("raise ValueError('row 3')", 1, "ValueError: row 3"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_job_ends_with_its_status_its_last_words_and_what_it_left_for_the_end(folder, ending):
    last, status, said = ENDINGS[ending]
    script = f"import atexit, sys\natexit.register(print, 'left for the end')\nprint('not flushed')\n{last}\n"
    (folder / "workflow/scripts/job.py").write_text(script)
    job = shell(folder, "set -o pipefail; python workflow/scripts/job.py 2>&1 | cat")
    lines = job.communicate(timeout=60)[0].splitlines()
    assert job.returncode == status
    assert {"not flushed", "left for the end"} <= set(lines)
    assert not said or said in lines


def test_other_programs_start_as_ever(folder):
    job = shell(folder, "python -c 'import sys; print(\"torch\" in sys.modules)'")
    assert job.communicate(timeout=60)[0] == "False\n"


def test_who_kills_the_shell_kills_the_job(folder):
    job = shell(folder, "python workflow/scripts/job.py 600 0")
    pid = int(job.stdout.readline().split()[-1])
    os.killpg(job.pid, signal.SIGKILL)
    job.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the job goes on"
        time.sleep(0.05)
