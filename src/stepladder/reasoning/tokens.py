"""Between text and token ids. Text is encoded once, where it enters; afterwards only ids travel."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers.decoders import DecodeStream
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging

from stepladder.errors import StepladderError
from stepladder.pretrained import SAFELY, loading
from stepladder.reasoning.steps import split_steps

logging.disable_progress_bar()  # bars of loading and saving would stand between those of the work itself


def open_tokenizer(checkpoint: Path) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a checkpoint, which may be an encoder's."""
    # AutoTokenizer cuts text as the model's family does, even where the checkpoint's own tokenizer does otherwise.
    kind = PreTrainedTokenizerFast if (checkpoint / "tokenizer.json").is_file() else AutoTokenizer
    with loading(checkpoint):
        return kind.from_pretrained(checkpoint, **SAFELY)


def load_tokenizer(checkpoint: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a checkpoint, which must be a fast one with an end-of-sequence token."""
    tokenizer = open_tokenizer(checkpoint)
    if tokenizer.eos_token_id is None:
        raise StepladderError(f"{checkpoint}: its tokenizer has no end-of-sequence token; set eos_token in its config")
    return tokenizer


def encode_prompts(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]) -> list[list[int]]:
    """Ids of prompts, with the special tokens that the tokenizer puts in front."""
    encoded = tokenizer(list(prompts))["input_ids"] if prompts else []
    return [ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids for ids in encoded]


def encode_prompt(tokenizer: PreTrainedTokenizerFast, prompt: str) -> list[int]:
    """What :func:`encode_prompts` gives of one prompt."""
    return encode_prompts(tokenizer, [prompt])[0]


def encode_text(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Ids of a text alone, without special tokens."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def encode_answers(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[list[int]]:
    """Ids of answers that follow a prompt, with the end-of-sequence token."""
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    return [[*ids, tokenizer.eos_token_id] for ids in encoded]


def encode_answer(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """What :func:`encode_answers` gives of one answer."""
    return encode_answers(tokenizer, [text])[0]


def decode(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> str:
    """Text of an answer, without special tokens."""
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def decode_stepwise(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> tuple[str, list[int]]:
    """Text of an answer, and how many of its characters are there after each token."""
    text, reached = "", []
    stream = DecodeStream(skip_special_tokens=True)
    for token in ids:
        text += stream.step(tokenizer.backend_tokenizer, token) or ""
        reached.append(len(text))
    if ids:  # the stream waits for the rest of a character that never comes
        text = decode(tokenizer, ids)
        reached[-1] = len(text)
    return text, reached


def step_ends(tokenizer: PreTrainedTokenizerFast, ids: list[int], style: str) -> tuple[str, list[int]]:
    """An answer's text, and for each step the number of ids up to its last token.

    A step's last token is the first one after which the text reaches the step's end. The end-of-sequence token, where
    there is one, belongs to the last step, so that its state is the finished one.
    """
    text, reached = decode_stepwise(tokenizer, ids)
    ends: list[int] = []
    for span in split_steps(text, style):
        stop = span.start + len(text[span.start : span.end].rstrip()) if span.end == len(text) else span.end
        position = next(i for i, length in enumerate(reached) if length >= stop)
        ends.append(position + 1)
    if ends:
        ends[-1] = len(ids)
    return text, ends
