"""Training inside a time budget: it stops before a step that would not end, and saves seldom when saving is slow."""

import time

import pytest

import tiny
from stepladder.budget import Budget
from stepladder.errors import StepladderError
from stepladder.training.trainer import CHECKPOINT_SECONDS


class Clock:
    now = 1e6

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when a test says so."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    monkeypatch.setattr(time, "time", clock)
    return clock


def _run(clock, monkeypatch, *, steps: int, step_takes: float, saving_takes: float = 0.0):
    """A training whose steps and checkpoints take so many seconds; after which steps it saved."""
    run, saved = tiny.LanguageRun(total=steps, rows=4, batch_size=4), []
    step = run.trainer.step

    def slow_step(*arguments):
        clock.now += step_takes
        return step(*arguments)

    def slow_save(folder, extra):
        clock.now += saving_takes
        saved.append(run.trainer.steps_done)

    monkeypatch.setattr(run.trainer, "step", slow_step)
    monkeypatch.setattr(run.trainer, "save_checkpoint", slow_save)
    return run, saved


def _fit(run, folder, budget):
    run.trainer.fit(run.batches, run.weight, run.loss, checkpoint=folder, budget=budget, label="tiny")


def test_training_stops_before_a_step_that_would_not_end_in_time(clock, monkeypatch, tmp_path):
    run, saved = _run(clock, monkeypatch, steps=9, step_takes=10)
    with pytest.raises(StepladderError, match=r"^time budget of 45 s spent at step 4 of 9; .*\(each takes 10 s\)$"):
        _fit(run, tmp_path, Budget(45, clock.now))
    assert saved == [4]


def test_time_before_the_training_counts(clock, monkeypatch, tmp_path):
    run, saved = _run(clock, monkeypatch, steps=9, step_takes=10)
    with pytest.raises(StepladderError, match="at step 2 of 9"):
        _fit(run, tmp_path, Budget(45, clock.now - 20))
    assert saved == [2]


def test_the_last_step_needs_no_checkpoint(clock, monkeypatch, tmp_path):
    run, saved = _run(clock, monkeypatch, steps=4, step_takes=10)
    _fit(run, tmp_path, Budget(40, clock.now))
    assert saved == [] and run.trainer.steps_done == 4


def test_checkpoints_come_at_equal_times_when_saving_is_quick(clock, monkeypatch, tmp_path):
    run, saved = _run(clock, monkeypatch, steps=10, step_takes=CHECKPOINT_SECONDS / 2 + 1)
    _fit(run, tmp_path, Budget(None, clock.now))
    assert saved == [2, 4, 6, 8, 10]


def test_checkpoints_that_take_long_are_written_seldom(clock, monkeypatch, tmp_path):
    """Saving takes 30 s: after the first one, at most a twentieth of the time goes into it."""
    run, saved = _run(clock, monkeypatch, steps=20, step_takes=CHECKPOINT_SECONDS + 1, saving_takes=30)
    _fit(run, tmp_path, Budget(None, clock.now))
    assert saved == [1, 6, 11, 16]


def test_another_number_of_ranks_than_the_study_says_is_one_line():
    with pytest.raises(StepladderError, match=r"^1 ranks were started, and optimisation.processes is 4; start as many"):
        tiny.LanguageRun(processes=4)
