"""Low-rank adapters of PRMs: only they and the head learn, and what is saved is an ordinary checkpoint."""

import random

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification

import tiny
from stepladder.errors import StepladderError
from stepladder.rewards.adapters import add_adapters, merge_adapters
from stepladder.rewards.model import open_prm
from stepladder.rewards.training import train_prm
from stepladder.study.specs.prms import Lora

OPTIMISATION = {"learning_rate": 1e-2, "batch_size": 8, "steps": 6}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("backbone"))


def rows() -> list[dict]:
    rng = random.Random(3)
    made = [tiny.trajectory(f"q{i}", 0, rng) for i in range(16)]
    for row in made:
        row["soft"] = [float(row["token_ids"][end - 1] % 2) for end in row["step_ends"]]
        row |= {"hard": row["soft"], "rollouts": [1] * 3, "successes": [round(soft) for soft in row["soft"]]}
        row["finished"] = [False, False, True]
    return made


def job(folder, backbone, **keys):
    spec = {"head": "per_step", "labels": "l", "backbone": "b", "lora": {"rank": 4, "dropout": 0.2},
            "optimisation": OPTIMISATION, **keys}  # fmt: skip
    limit = spec.pop("max_seconds", None)
    return tiny.job(folder, "prms", spec, {"backbone": backbone, "tokenizer": backbone}, max_seconds=limit)


def test_only_adapters_and_the_head_have_gradients(backbone):
    model = tiny.prm(backbone, initial_head="random")
    add_adapters(model.backbone, Lora(rank=3))
    readings = [reading for readings in model.read(rows()) for reading in readings]
    model(readings).square().sum().backward()
    learning = {name for name, each in model.named_parameters() if each.grad is not None}
    assert learning == {name for name, each in model.named_parameters() if each.requires_grad}
    inner = {name for name in learning if ".lora_" in name}
    assert learning - inner == {"classifier.score.weight", "classifier.score.bias"}
    assert len(inner) == 2 * 7  # of one layer: four projections of attention, three of the other half
    assert {min(model.get_parameter(name).shape) for name in inner} == {3}


def test_merged_adapters_score_as_adapters_beside_the_weights(backbone):
    model = tiny.prm(backbone, initial_head="random")
    before, names = model.score(rows()), set(model.state_dict())
    add_adapters(model.backbone, Lora(rank=3, alpha=9.0, dropout=0.5))
    model.eval()
    assert model.score(rows()) == before
    for name, each in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(each, std=0.3)
    beside = model.score(rows())
    assert max(abs(a - b) for x, y in zip(beside, before, strict=True) for a, b in zip(x, y, strict=True)) > 1e-2
    merge_adapters(model.backbone)
    assert set(model.state_dict()) == names
    for ours, theirs in zip(model.score(rows()), beside, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("head", ["per_step", "last_token"])
def test_the_checkpoint_is_an_ordinary_one_with_changed_weights(backbone, tmp_path, head):
    keys = {} if head == "per_step" else {"head": head, "trials": 1, "good": [1]}
    trainer, _ = train_prm(job(tmp_path, backbone, **keys), rows())
    saved = load_file(tmp_path / "checkpoint" / "model.safetensors")
    start = load_file(backbone / "model.safetensors")
    assert not any("lora" in name or "base_layer" in name for name in saved)
    assert {name for name in saved if "score" not in name} == set(start)
    changed = {name for name in start if not torch.equal(start[name], saved[name])}
    assert changed == {name for name in start if "_proj" in name}
    assert open_prm(tmp_path / "checkpoint").score(rows()) == trainer.bare_model.score(rows())
    if head == "per_step":
        AutoModelForTokenClassification.from_pretrained(tmp_path / "checkpoint", use_safetensors=True)


def test_adapters_learn_the_same_where_activations_are_recomputed_or_batches_packed(backbone, tmp_path):
    weights = []
    for number, keys in enumerate(({}, {"gradient_checkpointing": True}, {"packed": True, "micro_batch": 3})):
        folder = tmp_path / str(number)
        train_prm(job(folder, backbone, lora={"rank": 4}, optimisation=OPTIMISATION | keys), rows())
        weights.append(load_file(folder / "checkpoint" / "model.safetensors"))
    assert tiny.furthest(*weights[:2]) < 1e-5
    assert tiny.furthest(weights[0], weights[2]) < 1e-5


def test_a_training_that_was_stopped_ends_where_an_undisturbed_one_ends(backbone, tmp_path):
    whole, _ = train_prm(job(tmp_path / "whole", backbone), rows())
    for step in range(1, 6):
        with pytest.raises(StepladderError, match=f"at step {step} of 6"):
            train_prm(job(tmp_path / "parts", backbone, max_seconds=0.0), rows())
    parts, _ = train_prm(job(tmp_path / "parts", backbone, max_seconds=0.0), rows())
    assert parts.history == whole.history
    files = [tmp_path / name / "checkpoint" / "model.safetensors" for name in ("whole", "parts")]
    assert files[0].read_bytes() == files[1].read_bytes()
