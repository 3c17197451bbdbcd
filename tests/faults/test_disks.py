"""A disk that is full or may not be written: one line says so, nothing half-written counts, and then the run ends."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from scene import STUDY, attempt, copy_of, ends, nothing_left, state, the_line, untouched

from skips import skip

NODES = ("dpo_random", "tables/main")


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True, timeout=30)


@pytest.fixture
def disk(tmp_path, finished) -> Iterator[Path]:
    """A disk of its own that holds all but a policy, its evaluation and the table."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = sum(path.stat().st_size for path in finished.rglob("*") if path.is_file()) + (64 << 20)
    try:
        mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    except (OSError, subprocess.SubprocessError) as refused:
        skip(f"this user may not mount a disk: {refused}")
    try:
        results = copy_of(finished, folder)
        for node in ("policies/dpo_random", "evaluations/dpo_random", "tables/main"):
            shutil.rmtree(results / STUDY / node)
        yield results
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)


@pytest.mark.parametrize("room", [50_000, 400_000])
def test_a_full_disk(disk, finished, room):
    """Room for the log alone, and for a part of the checkpoint."""
    before = state(disk)
    filler = disk.parent / "filler"
    with filler.open("wb") as file:
        free = shutil.disk_usage(disk).free - room
        while free > 0:
            free -= file.write(bytes(min(free, 1 << 20)))
    assert "cannot be written (No space left on device)" in the_line(attempt(disk, "tables"))
    nothing_left(disk)
    assert not (disk / STUDY / "policies/dpo_random/seed0/checkpoint").exists()
    untouched(before, state(disk), *NODES)
    filler.unlink()
    ends(disk, finished)
    untouched(before, state(disk), *NODES)


def test_a_folder_that_may_not_be_written(disk, finished):
    before = state(disk)
    mount("-o", "remount,ro", str(disk.parent))
    assert "cannot be written (Read-only file system)" in the_line(attempt(disk, "tables"))
    assert state(disk) == before
    mount("-o", "remount,rw", str(disk.parent))
    ends(disk, finished)
    untouched(before, state(disk), *NODES)
