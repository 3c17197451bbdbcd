"""What ranks share before they train: compiled extensions, without the locks that killed processes leave."""

import multiprocessing
from pathlib import Path

from stepladder.training.ranks import without_dead_builds


def enter(folder: Path, inside, leave) -> None:
    with without_dead_builds(folder):
        inside.set()
        leave.wait(60)


def test_the_lock_of_a_killed_build_is_taken_away_and_nothing_else(tmp_path):
    folder = tmp_path / "extension"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "extension.so").touch()
    with without_dead_builds(folder):
        assert [path.name for path in folder.iterdir()] == ["extension.so"]
    with without_dead_builds(tmp_path / "never built"):
        pass


def test_builds_of_two_processes_follow_each_other(tmp_path):
    fork = multiprocessing.get_context("fork")
    inside, leave = [fork.Event() for _ in range(2)], fork.Event()
    builds = [fork.Process(target=enter, args=(tmp_path / "extension", event, leave)) for event in inside]
    builds[0].start()
    assert inside[0].wait(60)
    builds[1].start()
    assert not inside[1].wait(0.5)
    leave.set()
    assert inside[1].wait(60)
    for build in builds:
        build.join(60)
        assert build.exitcode == 0
