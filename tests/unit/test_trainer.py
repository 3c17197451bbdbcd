"""The trainer's step, its budget and its checkpoints."""

import json
import math
from types import SimpleNamespace

import pytest
import torch

import tiny
from stepladder.errors import StepladderError
from stepladder.study.optimisation import Optimisation
from stepladder.training import trainer as trainer_module
from stepladder.training.optimizer import learning_rate_factor
from stepladder.training.trainer import Trainer


def test_a_step_reports_means_over_the_global_batch():
    run = tiny.LanguageRun(micro_batch=3)
    batch = run.batches[0]
    with torch.no_grad():
        total, reported = run.loss(tiny.model(), batch)
    said = run.trainer.step(batch, run.weight(batch), run.loss)
    assert said["loss"] == pytest.approx(total.item() / run.weight(batch), rel=1e-5)
    assert said["likely"] == pytest.approx(reported["likely"].item() / run.weight(batch), rel=1e-5)
    assert said["learning_rate"] == pytest.approx(1e-3 * learning_rate_factor(0, 12, run.trainer.optimisation))


@pytest.mark.parametrize(("recompute", "passes"), [(False, 1), (True, 2)])
def test_a_loaded_model_recomputes_its_layers_and_gets_no_dropout(recompute, passes):
    model = tiny.model().eval()  # as transformers loads it
    spec = Optimisation(batch_size=8, gradient_checkpointing=recompute)
    trainer = Trainer(model, [(model, 1e-3)], spec, 1, 0)
    calls = []
    model.model.layers[0].mlp.register_forward_pre_hook(lambda *_: calls.append(1))
    trainer.step([0, 1], 1.0, tiny.LanguageRun().loss)
    assert len(calls) == passes
    assert not any(each.training for each in model.model.layers[0].children())


def test_the_gradient_norm_is_that_before_clipping_and_clipping_bites():
    norms, moved = [], []
    for limit in (None, 1e-3):
        run = tiny.LanguageRun(clip_norm=limit)
        before = run.weights()
        norms.append(run.steps(1)[0]["gradient_norm"])
        moved.append(tiny.furthest(before, run.weights()))
    batch = run.batches[0]
    model = tiny.model()
    total, _ = run.loss(model, batch)
    (total / run.weight(batch)).backward()
    expected = torch.stack([p.grad.norm() for p in model.parameters()]).norm().item()
    assert norms == pytest.approx([expected, expected], rel=1e-4)
    assert all(0 < step <= 1.1e-3 for step in moved)


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_is_one_line_and_moves_no_weight(factor):
    run = tiny.LanguageRun()
    run.steps(1)
    before = run.weights()

    def broken(module, chosen):
        total, reported = run.loss(module, chosen)
        return total * factor, reported

    with pytest.raises(StepladderError, match=r"gradient of step 2 is not finite; lower optimisation.learning_rate"):
        run.trainer.step(run.batches[1], run.weight(run.batches[1]), broken)
    assert run.trainer.steps_done == 1 and tiny.furthest(before, run.weights()) == 0.0


@pytest.mark.parametrize("said", [-1.0, math.inf, math.nan])
def test_what_deepspeed_says_of_a_gradient_that_is_not_finite_is_the_same_line(said):
    trainer = tiny.LanguageRun().trainer
    trainer.optimisation = Optimisation(deepspeed="zero2")
    trainer.model = SimpleNamespace(get_global_grad_norm=lambda: said)
    with pytest.raises(StepladderError, match="gradient of step 1 is not finite"):
        trainer._update()


def test_the_learning_rate_follows_its_course():
    run = tiny.LanguageRun(total=6, warmup=0.3, decay=0.5)
    rates = [point["learning_rate"] for point in run.steps(6)]
    assert rates == pytest.approx([1e-3 * learning_rate_factor(i, 6, run.trainer.optimisation) for i in range(6)])


def test_a_spent_budget_is_one_line_and_keeps_one_whole_checkpoint(tmp_path):
    run = tiny.LanguageRun()
    with pytest.raises(StepladderError, match=r"time budget of 0 s spent at step 1 of 12; .* run again") as error:
        run.fit(tmp_path / "kept", max_seconds=0.0)
    assert "\n" not in str(error.value)
    with pytest.raises(StepladderError, match="step 2 of 12"):
        run.fit(tmp_path / "kept", max_seconds=0.0)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["step-2"]


def test_a_budget_spent_with_the_last_step_is_no_fault(tmp_path):
    run = tiny.LanguageRun(total=1)
    run.fit(tmp_path / "kept", max_seconds=0.0)
    assert run.trainer.steps_done == 1


def test_half_written_checkpoints_are_passed_over(tmp_path):
    run = tiny.LanguageRun()
    run.steps(2)
    run.trainer.save_checkpoint(tmp_path, {"note": 7})
    (tmp_path / "step-9.tmp").mkdir()
    (tmp_path / "step-9.tmp" / "trainer.json").write_text("{}")
    (tmp_path / "step-8").mkdir()
    again = tiny.LanguageRun()
    assert again.trainer.load_checkpoint(tmp_path) == {"note": 7}
    assert again.trainer.steps_done == 2
    assert tiny.furthest(again.weights(), run.weights()) == 0.0
    again.steps(1)
    again.trainer.save_checkpoint(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-3"]


def test_without_a_checkpoint_training_starts_at_the_beginning(tmp_path):
    assert tiny.LanguageRun().trainer.load_checkpoint(tmp_path / "none") is None


def test_history_has_every_step_of_a_short_training_and_fifty_of_a_long_one(tmp_path):
    run = tiny.LanguageRun(total=12)
    run.fit(tmp_path / "a")
    assert [point["step"] for point in run.trainer.history] == list(range(1, 13))
    run = tiny.LanguageRun(total=125, rows=4, batch_size=1)
    run.fit(tmp_path / "b")
    steps = [point["step"] for point in run.trainer.history]
    assert 50 <= len(steps) <= 70 and steps[-1] == 125


def test_finishing_writes_the_course_and_forgets_the_checkpoints(tmp_path):
    from stepladder.records import Counts

    job = tiny.job(tmp_path, "policies", {"method": "pretrain", "model": "m"})
    run = tiny.LanguageRun(total=2)
    run.fit(job.checkpoint, max_seconds=None)
    run.trainer.save_checkpoint(job.checkpoint, {})
    run.trainer.finish(job, {"a": 1}, Counts())
    assert not job.checkpoint.exists()
    assert json.loads((tmp_path / "metrics.json").read_text())["metrics"] == {"a": 1}
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 2


def test_long_work_is_saved_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "CHECKPOINT_SECONDS", -1.0)
    saved = []
    run = tiny.LanguageRun(total=3)
    monkeypatch.setattr(run.trainer, "save_checkpoint", lambda folder, extra: saved.append(run.trainer.steps_done))
    run.fit(tmp_path)
    assert saved == [1, 2, 3]
