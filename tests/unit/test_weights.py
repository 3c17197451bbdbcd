"""A checkpoint that is cut short is refused in one line, before a model is built from it."""

import json
import shutil

import pytest

import tiny
from stepladder.errors import StepladderError
from stepladder.weights import check_checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("whole") / "checkpoint")


@pytest.fixture
def checkpoint(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "checkpoint")


def test_a_whole_checkpoint_passes(whole):
    check_checkpoint(whole)


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
def test_weights_that_are_cut_short(checkpoint, kept):
    path = checkpoint / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    refused(checkpoint, path)


def test_weights_that_are_something_else(checkpoint):
    path = checkpoint / "model.safetensors"
    path.write_bytes(b"\xff" * path.stat().st_size)
    refused(checkpoint, path)


def test_weights_that_are_missing(checkpoint):
    (checkpoint / "model.safetensors").unlink()
    refused(checkpoint, checkpoint, "no weights in safetensors")


def test_a_part_of_the_weights_that_is_missing(checkpoint):
    (checkpoint / "model.safetensors").rename(checkpoint / "model-1.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(checkpoint, checkpoint / "model-2.safetensors", "no such file")
    shutil.copy(checkpoint / "model-1.safetensors", checkpoint / "model-2.safetensors")
    check_checkpoint(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_configuration_that_is_cut_short(checkpoint, name):
    path = checkpoint / name
    path.write_text(path.read_text()[:20])
    refused(checkpoint, path)


def test_no_checkpoint_at_all(tmp_path):
    refused(tmp_path / "none", tmp_path / "none", "has not run")


def refused(checkpoint, path, said=""):
    with pytest.raises(StepladderError) as error:
        check_checkpoint(checkpoint)
    line = str(error.value)
    assert str(path) in line and said in line and "\n" not in line
