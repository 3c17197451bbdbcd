"""Trajectories in the ids of another tokenizer: the same texts, the same steps."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import tiny
from stepladder.reasoning.reencoding import reencoded, same_ids, step_texts
from stepladder.reasoning.tokens import decode, encode_answer, encode_prompt, load_tokenizer, step_ends

examples = settings(deadline=None, max_examples=100)
PIECES = ["a", "b c", " 12 ", "é", "数", "😀", "\n", "\n\n", ".\n", " \n", "1. ", "2. ", "#### 2"]
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, so that every place in a text is a token's edge."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={each: i for i, each in enumerate(["<end>", *alphabet])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


BYTES = byte_tokenizer()


def row_of(tokenizer, text: str, ended: bool, style: str = "line") -> dict:
    ids = encode_answer(tokenizer, text)[: None if ended else -1]
    prompt = encode_prompt(tokenizer, "What is 3?\n")
    return {"prompt_ids": prompt, "token_ids": ids, "step_ends": step_ends(tokenizer, ids, style)[1], "sample": 4}


@pytest.mark.parametrize("style", ["line", "numbered"])
@examples
@given(text=texts, ended=st.booleans())
def test_both_ways_give_what_encoding_the_text_gives(style, text, ended):
    for reader, own in ((tiny.tokenizer(), BYTES), (BYTES, tiny.tokenizer())):
        found = reencoded(row_of(reader, text, ended, style), reader, own)
        assert found["prompt_ids"] == encode_prompt(own, "What is 3?\n") and found["sample"] == 4
        assert found["token_ids"] == encode_answer(own, text)[: None if ended else -1]
        assert len(found["step_ends"]) == len(row_of(reader, text, ended, style)["step_ends"])
        for step, end in zip(step_texts(reader, row_of(reader, text, ended, style)), found["step_ends"], strict=True):
            assert decode(own, found["token_ids"][:end]).rstrip().endswith(step)


@examples
@given(text=texts)
def test_steps_of_a_tokenizer_whose_tokens_end_with_them_stay(text):
    row = row_of(BYTES, text, True)
    assert reencoded(row, BYTES, BYTES) == row


def test_texts_of_steps():
    row = row_of(tiny.tokenizer(), "1. 3 + 4 = 7\n\n2. é\n#### 2", True)
    assert step_texts(tiny.tokenizer(), row) == ["1. 3 + 4 = 7", "2. é", "#### 2"]
    assert step_texts(tiny.tokenizer(), row | {"token_ids": [], "step_ends": []}) == []


def test_a_step_ends_behind_all_bytes_of_its_last_character():
    row = {"prompt_ids": [], "token_ids": encode_answer(tiny.tokenizer(), "é\nb"), "step_ends": [1]}
    row["step_ends"] = [1] if decode(tiny.tokenizer(), row["token_ids"][:1]) == "é" else [2]
    assert reencoded(row, tiny.tokenizer(), BYTES)["step_ends"] == [len("é".encode())]


def test_a_tokenizer_is_known_again_after_saving(tmp_path):
    tiny.tokenizer().save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    again("one two", truncation=True, max_length=1, padding="max_length")
    assert same_ids(again, tiny.tokenizer())
    assert not same_ids(BYTES, tiny.tokenizer())
