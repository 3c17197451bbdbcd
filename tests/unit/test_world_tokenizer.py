"""The embedded tokenizer: exact round trips, whole numbers, isolated line breaks, stable cuts."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.errors import StepladderError
from stepladder.questions.world import MIRRORS, drills, generate_questions

transformers = pytest.importorskip("transformers")
CUE = "### Response: Let's think step by step.\n"


def _texts(datasets: tuple[str, ...] = (*MIRRORS, "sums")) -> list[str]:
    questions = [question for dataset in datasets for question in generate_questions(dataset, 200, 1)]
    texts = []
    for question in questions:
        fields = "".join(f"### {name}: {text}\n" for name, text in question.fields.items())
        options = "".join(f"### option{index + 1}: {text}\n" for index, text in enumerate(question.options))
        texts += [fields + options + CUE + question.solution, fields + options + CUE + question.demonstration]
    return texts


@pytest.fixture(scope="module")
def tokenizer():
    from stepladder.questions.world.tokenizer import train_tokenizer

    return train_tokenizer(_texts(MIRRORS), 1024)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_any_text_comes_back_unchanged(tokenizer, text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    for special in tokenizer.all_special_tokens:
        text = text.replace(special, "")
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_numbers_are_single_tokens_wherever_they_stand(tokenizer) -> None:
    for number in range(200):
        (token,) = tokenizer(str(number)).input_ids
        for text in (f"over {number} men", f"### option1: {number} days", f"{number} + 1", f": \n{number}\n"):
            assert token in tokenizer(text).input_ids
    assert len({tokenizer(str(number)).input_ids[0] for number in range(200)}) == 200


def test_line_breaks_are_tokens_of_their_own(tokenizer) -> None:
    (line_break,) = tokenizer("\n").input_ids
    assert tokenizer("a\n\n b\n").input_ids.count(line_break) == 3
    for text in _texts()[:200]:
        tokens = tokenizer(text).input_ids
        assert tokens.count(line_break) == text.count("\n")
        assert all("\n" not in tokenizer.decode([token]) for token in tokens if token != line_break)


def test_prompt_and_chain_are_cut_where_they_meet(tokenizer) -> None:
    for text in _texts()[:300]:
        prompt, chain = text.split(CUE)
        assert tokenizer(prompt + CUE).input_ids + tokenizer(chain).input_ids == tokenizer(text).input_ids
        steps = chain.split("\n")
        whole = tokenizer("\n".join(steps[:-1]) + "\n").input_ids + tokenizer(steps[-1]).input_ids
        assert whole == tokenizer(chain).input_ids


def test_drills_are_cut_where_their_result_begins(tokenizer) -> None:
    for prompt, result in drills(random.Random(0), 500):
        assert tokenizer(prompt).input_ids + tokenizer(result).input_ids == tokenizer(prompt + result).input_ids


def test_texts_are_short(tokenizer) -> None:
    texts = _texts()
    assert sum(len(tokenizer(text).input_ids) for text in texts) / len(texts) < 56


def test_it_loads_with_auto_tokenizer(tokenizer, tmp_path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in (*_texts()[:50], "Sam had 9.0 dimes  and 7,596 « pièces » .", " a  b "):
        assert loaded(text).input_ids == tokenizer(text).input_ids
        assert loaded.decode(loaded(text).input_ids) == text
    assert len({loaded.bos_token_id, loaded.eos_token_id, loaded.pad_token_id}) == 3
    assert 512 < len(loaded) <= 1024


def test_a_vocabulary_that_breaks_numbers_is_refused() -> None:
    from stepladder.questions.world.tokenizer import train_tokenizer

    with pytest.raises(StepladderError, match="numbers"):
        train_tokenizer(_texts()[:50], 300)
