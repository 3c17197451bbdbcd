"""A training that was stopped and goes on ends, bit for bit, where one that was never stopped ends."""

import pytest

import tiny
from stepladder.errors import StepladderError
from stepladder.policies.language import drill_sequences, train_language
from stepladder.questions.world import MIRRORS
from stepladder.records import Counts
from stepladder.training import trainer as trainer_module


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_training_that_runs_out_of_time_at_every_step(tmp_path, optimizer):
    whole = tiny.LanguageRun(optimizer=optimizer, micro_batch=3)
    whole.fit(tmp_path / "whole")
    for attempt in range(20):  # noqa: B007
        part = tiny.LanguageRun(optimizer=optimizer, micro_batch=3)
        try:
            part.fit(tmp_path / "parts", max_seconds=0.0)
        except StepladderError:
            continue
        break
    assert attempt == 11
    assert tiny.furthest(part.weights(), whole.weights()) == 0.0
    assert part.trainer.history == whole.trainer.history


def test_a_training_that_crashes_after_a_checkpoint(tmp_path, monkeypatch):
    whole = tiny.LanguageRun()
    whole.fit(tmp_path / "whole")
    monkeypatch.setattr(trainer_module, "CHECKPOINT_SECONDS", -1.0)
    crashing = tiny.LanguageRun()
    healthy, calls = crashing.loss, []

    def loss(module, chosen):
        calls.append(chosen)
        if len(calls) == 6:
            raise MemoryError
        return healthy(module, chosen)

    crashing.loss = loss
    with pytest.raises(MemoryError):
        crashing.fit(tmp_path / "parts")
    resumed = tiny.LanguageRun()
    resumed.fit(tmp_path / "parts")
    assert tiny.furthest(resumed.weights(), whole.weights()) == 0.0
    assert resumed.trainer.history == whole.trainer.history


def test_a_job_that_is_run_again_writes_the_same_policy(tmp_path):
    start = tiny.checkpoint(tmp_path / "start")
    rows = drill_sequences(tiny.tokenizer(), 20, 0, MIRRORS)
    spec = {"method": "pretrain", "model": "m", "optimisation": {"batch_size": 8, "learning_rate": 1e-3, "steps": 5}}
    train_language(tiny.job(tmp_path / "whole", "policies", spec, {"start": start}), rows, Counts())
    job = tiny.job(tmp_path / "parts", "policies", spec, {"start": start}, max_seconds=0.0)
    for _ in range(4):
        with pytest.raises(StepladderError, match="time budget"):
            train_language(job, rows, Counts())
        assert not (job.output / "checkpoint").exists() and not (job.output / "metrics.json").exists()
    train_language(job, rows, Counts())
    whole, parts = (tmp_path / name for name in ("whole", "parts"))
    assert (whole / "history.jsonl").read_bytes() == (parts / "history.jsonl").read_bytes()
    weights = [(folder / "checkpoint" / "model.safetensors").read_bytes() for folder in (whole, parts)]
    assert weights[0] == weights[1]
