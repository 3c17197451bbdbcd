"""Checkpoints from elsewhere: only safetensors are read, and nothing in a folder runs, wherever one is loaded."""

import io
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

import tiny
from stepladder.errors import StepladderError
from stepladder.generation.engine import Engine
from stepladder.policies.actor_critic import ActorCritic
from stepladder.policies.checkpoints import make_checkpoint
from stepladder.policies.language import load_policy, load_reference
from stepladder.reasoning.tokens import load_tokenizer
from stepladder.rewards.model import load_prm
from stepladder.study.specs.models import LocalModel
from stepladder.training.kept import newest_first, read_state, seal
from stepladder.training.pickles import tensors_only

LOADERS = {
    "policy": load_policy,
    "reference": load_reference,
    "policy and critic": ActorCritic.load,
    "backbone of a PRM": lambda folder: tiny.prm(folder),
    "PRM": lambda folder: load_prm(folder, "line", folder),
    "engine": Engine,
}
CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM
Path({touched!r}).touch()
class Config(LlamaConfig):
    model_type = {kind!r}
class Model(LlamaForCausalLM):
    config_class = Config
"""


class Payload:
    """Something that leaves a file behind when it is unpickled."""

    def __init__(self, touched: Path):
        self.touched = touched

    def __reduce__(self):
        return Path.touch, (self.touched,)


def plant(target: Path, touched: Path) -> None:
    """A torch pickle that would run code."""
    content = io.BytesIO()
    torch.save({"weights": Payload(touched)}, content)
    torch.load(io.BytesIO(content.getvalue()), weights_only=False)
    assert touched.exists()  # it would
    touched.unlink()
    target.write_bytes(content.getvalue())


@pytest.fixture
def folder(tmp_path) -> Path:
    return tiny.checkpoint(tmp_path / "models" / "mine")


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_a_pickle_is_refused_with_one_line_wherever_a_checkpoint_is_read(folder, tmp_path, kind, name):
    (folder / "model.safetensors").unlink()
    plant(folder / name, tmp_path / "touched")
    with pytest.raises(StepladderError, match="no weights in safetensors") as caught:
        LOADERS[kind](folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "touched").exists()


def test_a_pickle_under_the_name_of_safetensors_is_refused(folder, tmp_path):
    plant(folder / "model.safetensors", tmp_path / "touched")
    with pytest.raises(StepladderError) as caught:
        load_policy(folder)
    assert "\n" not in str(caught.value) and not (tmp_path / "touched").exists()


def test_a_pickle_beside_safetensors_is_neither_read_nor_taken_along(folder, tmp_path):
    plant(folder / "pytorch_model.bin", tmp_path / "touched")
    (folder / "modeling_mine.py").write_text("raise SystemExit")
    load_policy(folder)
    make_checkpoint(LocalModel(source="local", folder="mine"), 0, folder.parent, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not names & {"pytorch_model.bin", "modeling_mine.py"} and not (tmp_path / "touched").exists()


def test_a_local_model_of_pickles_is_refused_and_leaves_nothing(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    plant(folder / "pytorch_model.bin", tmp_path / "touched")
    with pytest.raises(StepladderError, match="no weights in safetensors"):
        make_checkpoint(LocalModel(source="local", folder="mine"), 0, folder.parent, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "touched").exists()


@pytest.mark.parametrize("kind", ["policy", "engine"])
@pytest.mark.parametrize("known", [True, False])
def test_code_in_a_checkpoint_does_not_run(folder, tmp_path, kind, known):
    touched = tmp_path / "touched"
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model", "AutoModel": "mine.Model"}
    if not known:
        config["model_type"] = "mine"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(CODE.format(touched=str(touched), kind=config["model_type"]))
    if known:  # a model that transformers knows is loaded by its own code
        model = LOADERS["policy"](folder)
        assert type(model).__module__ == "transformers.models.llama.modeling_llama"
    else:
        with pytest.raises(StepladderError, match="code of its own") as caught:
            LOADERS[kind](folder)
        assert "\n" not in str(caught.value)
    assert not touched.exists()


def test_code_of_a_tokenizer_does_not_run(folder, tmp_path):
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"tokenizer_class": "Mine", "auto_map": {"AutoTokenizer": ["mine.Mine", "mine.Mine"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'touched')!r}).touch()\n")
    load_tokenizer(folder)
    shutil.move(folder / "tokenizer.json", folder / "elsewhere.json")
    with pytest.raises(StepladderError) as caught:
        load_tokenizer(folder)
    assert "\n" not in str(caught.value) and not (tmp_path / "touched").exists()


def test_a_kept_training_that_holds_code_is_refused_and_does_not_run(tmp_path):
    run = tiny.LanguageRun()
    run.steps(1)
    run.trainer.save_checkpoint(tmp_path / "kept", {})
    (checkpoint,) = newest_first(tmp_path / "kept")
    plant(checkpoint / "optimizer.bin", tmp_path / "touched")
    forged = checkpoint.rename(checkpoint.with_name("forged"))
    seal(forged, read_state(forged), checkpoint)  # whoever plants a file can seal it, too
    with pytest.raises(StepladderError, match="holds more than tensors") as caught:
        tiny.LanguageRun().trainer.load_checkpoint(tmp_path / "kept")
    assert "\n" not in str(caught.value) and not (tmp_path / "touched").exists()


def test_a_kept_training_is_read_as_tensors_where_a_library_would_read_anything(tmp_path):
    plant(tmp_path / "optim_states.pt", tmp_path / "touched")
    with pytest.raises(StepladderError), tensors_only(tmp_path, deepspeed=False):
        torch.load(tmp_path / "optim_states.pt", weights_only=False)  # as DeepSpeed does
    assert not (tmp_path / "touched").exists() and "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_a_name_that_is_no_folder_is_not_looked_up_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StepladderError):
        load_policy(Path("owner/name"))
