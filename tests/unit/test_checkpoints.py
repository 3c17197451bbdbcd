"""Checkpoint folders: new, local and published, whole or absent."""

import sys
import types

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM

import tiny
from stepladder.errors import StepladderError
from stepladder.files import whole_folder
from stepladder.policies import checkpoints
from stepladder.policies.checkpoints import link_files, make_checkpoint, new_model
from stepladder.reasoning.tokens import load_tokenizer, open_tokenizer
from stepladder.study.specs.models import HubModel, LocalModel, NewModel

SMALL = {
    "source": "new",
    "vocab_size": 700,
    "hidden_size": 32,
    "intermediate_size": 48,
    "layers": 2,
    "heads": 2,
    "kv_heads": 1,
}


@pytest.fixture(autouse=True)
def small_corpus(monkeypatch):
    monkeypatch.setattr(checkpoints, "_CORPUS_QUESTIONS", 20)


def test_a_folder_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "a" / "checkpoint"
    with whole_folder(target) as folder:
        (folder / "x").write_text("1")
        assert not target.exists()
    with pytest.raises(KeyboardInterrupt), whole_folder(target) as folder:
        (folder / "x").write_text("2")
        raise KeyboardInterrupt
    assert (target / "x").read_text() == "1"
    with whole_folder(target) as folder:
        (folder / "y").write_text("3")
    assert [path.name for path in target.iterdir()] == ["y"]
    assert [path.name for path in target.parent.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_a_new_model_is_a_checkpoint_of_its_spec(tmp_path, architecture):
    spec = NewModel.model_validate(SMALL | {"architecture": architecture, "max_length": 256})
    make_checkpoint(spec, 5, tmp_path, tmp_path / "new")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "new")
    tokenizer = load_tokenizer(tmp_path / "new")
    assert model.config.model_type == architecture
    assert (model.config.num_hidden_layers, model.config.hidden_size, model.config.max_position_embeddings) == (
        2,
        32,
        256,
    )
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.config.vocab_size == len(tokenizer) <= 700
    assert model.config.eos_token_id == tokenizer.eos_token_id is not None
    row = tiny.questions()[0]
    text = row["prompt"] + row["solution"]
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text and max(ids) < 700
    assert len(tokenizer("### statement1: 123\n")["input_ids"]) == 3, "numbers and scaffold are single tokens"
    assert model.model.layers[0].mlp.up_proj.weight.std().item() == pytest.approx(0.05, rel=0.1)


def test_a_new_encoder_reads_pairs(tmp_path):
    spec = NewModel.model_validate(SMALL | {"architecture": "bert", "max_length": 256})
    make_checkpoint(spec, 5, tmp_path, tmp_path / "new")
    model = AutoModel.from_pretrained(tmp_path / "new")
    assert model.config.model_type == "bert" and model.config.max_position_embeddings == 256
    assert model.config.num_hidden_layers == 2 and model.config.vocab_size <= 700
    tokenizer = open_tokenizer(tmp_path / "new")
    one, two = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("1. 3 + 4 = 7", "2. seven"))
    begin, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    pair = tokenizer("1. 3 + 4 = 7", "2. seven", return_token_type_ids=True)
    assert pair["input_ids"] == [begin, *one, end, *two, end] and begin != end
    assert pair["token_type_ids"] == [0] * (len(one) + 2) + [1] * (len(two) + 1)
    assert tokenizer("2. seven")["input_ids"] == [begin, *two, end]
    with pytest.raises(StepladderError, match="hidden_size 32 must be a multiple of its 5 heads"):
        make_checkpoint(spec.model_copy(update={"heads": 5}), 5, tmp_path, tmp_path / "other")


def test_the_seed_decides_the_weights_and_not_the_tokenizer(tmp_path):
    spec = NewModel.model_validate(SMALL)
    for name, seed in (("a", 0), ("b", 0), ("c", 2**63 + 1)):
        make_checkpoint(spec, seed, tmp_path, tmp_path / name)
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c
    assert len({(tmp_path / name / "tokenizer.json").read_bytes() for name in "abc"}) == 1


def test_all_sizes_of_the_spec_reach_the_model():
    spec = NewModel.model_validate(SMALL | {"heads": 4, "kv_heads": 2, "head_size": 64, "init_std": 0.01})
    torch.manual_seed(0)
    model = new_model(spec, 99, 0, 1, 2)
    attention = model.model.layers[0].self_attn
    assert attention.q_proj.weight.shape == (4 * 64, 32) and attention.k_proj.weight.shape == (2 * 64, 32)
    assert model.model.layers[0].mlp.up_proj.weight.shape == (48, 32)
    assert attention.q_proj.weight.std().item() == pytest.approx(0.01, rel=0.1)


def test_a_local_checkpoint_is_taken_as_it_is(tmp_path):
    tiny.checkpoint(tmp_path / "models" / "mine")
    (tmp_path / "models" / "mine" / "notes").mkdir()
    make_checkpoint(LocalModel(source="local", folder="mine"), 0, tmp_path / "models", tmp_path / "out")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "models" / "mine" / name).read_bytes()


def test_files_are_copied_where_they_cannot_be_linked(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "x.json").write_text("1")

    def no_links(*paths):
        raise OSError

    monkeypatch.setattr(checkpoints.os, "link", no_links)
    link_files(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "x.json").read_text() == "1"


def test_a_published_checkpoint_that_cannot_be_had_is_one_line(tmp_path, monkeypatch):
    asked = []

    def snapshot_download(repository, revision, local_dir, allow_patterns, ignore_patterns):
        asked.append((repository, revision))
        assert "*.safetensors" in allow_patterns and "*.bin" not in allow_patterns
        raise ConnectionError("no route\nto host")

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=snapshot_download))
    spec = HubModel(source="hub", repository="owner/name", revision="v1")
    with pytest.raises(StepladderError, match="owner/name@v1 cannot be fetched") as error:
        make_checkpoint(spec, 0, tmp_path, tmp_path / "out")
    assert asked == [("owner/name", "v1")] and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists() and list(tmp_path.iterdir()) == []
