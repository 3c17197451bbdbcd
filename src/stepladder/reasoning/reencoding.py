"""Trajectories for a model that has another tokenizer than the policy: by way of their texts, step by step."""

import json
from bisect import bisect_left
from typing import Any

from transformers import PreTrainedTokenizerFast

from stepladder.reasoning.tokens import decode, decode_stepwise, encode_prompt


def same_ids(one: PreTrainedTokenizerFast, other: PreTrainedTokenizerFast) -> bool:
    """Whether two tokenizers give every text the same ids, and ids the same text."""
    return _rules(one) == _rules(other)


def step_texts(tokenizer: PreTrainedTokenizerFast, trajectory: dict[str, Any]) -> list[str]:
    """The text of every step, without the blanks around it; a step begins where the one before it ends.

    Args:
        trajectory: token_ids and step_ends, as the tokenizer has them.
    """
    text, stops = _stops(tokenizer, trajectory)
    return [text[start:stop].strip() for start, stop in zip([0, *stops], stops, strict=False)]


def reencoded(
    trajectory: dict[str, Any], reader: PreTrainedTokenizerFast, tokenizer: PreTrainedTokenizerFast
) -> dict[str, Any]:
    """A trajectory in the ids of another tokenizer, with the same steps.

    A step ends with the last token that begins inside it; a token may reach into the next step, as in the ids of the
    reader. An answer that ends with the reader's end-of-sequence token ends with that of the tokenizer.

    Args:
        trajectory: prompt_ids, token_ids and step_ends, as the reader has them.
    """
    text, stops = _stops(reader, trajectory)
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = list(encoding["input_ids"])
    starts = [start for start, _ in encoding["offset_mapping"]]
    ends = [bisect_left(starts, stop) for stop in stops]
    if trajectory["token_ids"][-1:] == [reader.eos_token_id]:
        ids.append(tokenizer.eos_token_id)
    if ends and trajectory["step_ends"][-1] == len(trajectory["token_ids"]):
        ends[-1] = len(ids)
    prompt = encode_prompt(tokenizer, decode(reader, trajectory["prompt_ids"]))
    return trajectory | {"prompt_ids": prompt, "token_ids": ids, "step_ends": ends}


def _stops(tokenizer: PreTrainedTokenizerFast, trajectory: dict[str, Any]) -> tuple[str, list[int]]:
    """An answer's text, and where in it every step ends."""
    text, reached = decode_stepwise(tokenizer, trajectory["token_ids"])
    return text, [reached[end - 1] for end in trajectory["step_ends"]]


def _rules(tokenizer: PreTrainedTokenizerFast) -> tuple[dict[str, Any], int | None]:
    """Everything that decides ids; how a batch is padded and cut does not."""
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    return rules | {"padding": None, "truncation": None}, tokenizer.eos_token_id
