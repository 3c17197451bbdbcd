"""Checkpoint folders: made from a config, taken from disk, fetched from the hub; always whole or absent."""

import os
import random
import shutil
from pathlib import Path

import torch
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from stepladder.errors import StepladderError
from stepladder.files import whole_folder
from stepladder.pretrained import FILES
from stepladder.questions.prompts import build_prompt
from stepladder.questions.world import drills, generate_questions
from stepladder.questions.world.tokenizer import train_tokenizer
from stepladder.study.specs.models import HubModel, LocalModel, Model, NewModel
from stepladder.weights import check_checkpoint

# The tokenizer's own text: enough that the scaffold and the words of the world become single tokens.
_CORPUS_QUESTIONS = 500
_CORPUS_SEED = 1


def make_checkpoint(spec: Model, seed: int, models_dir: Path, target: Path) -> None:
    """Writes the checkpoint that a model node names.

    Raises:
        StepladderError: when a published or local checkpoint cannot be had.
    """
    with whole_folder(target) as folder:
        match spec:
            case NewModel():
                _new(spec, seed, folder)
            case LocalModel():
                link_files(models_dir / spec.folder, folder)
                check_checkpoint(folder)
            case HubModel():
                _fetch(spec, folder)
                check_checkpoint(folder)


def link_files(source: Path, target: Path) -> None:
    """A checkpoint's files in another folder: hard links where the file system can, copies elsewhere."""
    for path in source.iterdir():
        if path.is_file() and any(path.match(pattern) for pattern in FILES):
            try:
                os.link(path, target / path.name)
            except OSError:
                shutil.copy2(path, target / path.name)


def _fetch(spec: HubModel, folder: Path) -> None:
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(
            spec.repository,
            revision=spec.revision,
            local_dir=folder,
            allow_patterns=list(FILES),
            ignore_patterns="*/*",
        )
    except Exception as error:  # the hub client raises many kinds; all mean the same to the user
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StepladderError(
            f"{spec.repository}@{spec.revision} cannot be fetched ({said}); check the name and the network, "
            "or put the checkpoint into models_dir and name it with source: local"
        ) from error


def _new(spec: NewModel, seed: int, folder: Path) -> None:
    texts = [result for prompt, line in drills(random.Random(_CORPUS_SEED), 2000) for result in (prompt + line,)]
    for dataset in spec.sets:
        for question in generate_questions(dataset, _CORPUS_QUESTIONS, _CORPUS_SEED):
            texts.append(build_prompt(question, instruction=False) + question.demonstration)
            texts.append(question.solution)
    tokenizer = train_tokenizer(texts, spec.vocab_size)
    if spec.architecture == "bert":
        join_pairs(tokenizer)
    tokenizer.model_max_length = spec.max_length
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed % 2**63)
    if spec.architecture == "bert":
        model = new_encoder(spec, len(tokenizer), tokenizer.pad_token_id)
    else:
        model = new_model(spec, len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    model.save_pretrained(folder)


def join_pairs(tokenizer: PreTrainedTokenizerFast) -> None:
    """Makes a tokenizer an encoder's: its first token opens a text, its last one ends each of two, as in BERT."""
    opens, ends = tokenizer.bos_token, tokenizer.eos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{opens} $A {ends}",
        pair=f"{opens} $A {ends} $B:1 {ends}:1",
        special_tokens=[(opens, tokenizer.bos_token_id), (ends, tokenizer.eos_token_id)],
    )
    tokenizer.cls_token, tokenizer.sep_token, tokenizer.padding_side = opens, ends, "right"


def new_encoder(spec: NewModel, vocabulary: int, pad: int) -> PreTrainedModel:
    """An untrained BERT of the spec's sizes, its weights drawn from torch's seed.

    Raises:
        StepladderError: when its width is no multiple of its heads.
    """
    if spec.hidden_size % spec.heads:
        raise StepladderError(f"bert: hidden_size {spec.hidden_size} must be a multiple of its {spec.heads} heads")
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=spec.hidden_size,
        intermediate_size=spec.intermediate_size,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        max_position_embeddings=spec.max_length,
        initializer_range=spec.init_std,
        pad_token_id=pad,
    )
    return BertModel(config)


def new_model(spec: NewModel, vocabulary: int, bos: int, eos: int, pad: int) -> PreTrainedModel:
    """An untrained causal language model of the spec's sizes, its weights drawn from torch's seed."""
    shape = {
        "vocab_size": vocabulary,
        "hidden_size": spec.hidden_size,
        "intermediate_size": spec.intermediate_size,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads,
        "num_key_value_heads": spec.kv_heads,
        "head_dim": spec.head_size,
        "max_position_embeddings": spec.max_length,
        "initializer_range": spec.init_std,
        "tie_word_embeddings": True,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": pad,
    }
    if spec.architecture == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**shape))
    return LlamaForCausalLM(LlamaConfig(**shape))
