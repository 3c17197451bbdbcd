"""Sequences in one row: everything is as of the padded batch, and what cannot be read so is refused."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onpolicy_scene import ppo, prepared
from transformers import LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

import tiny
from stepladder.errors import StepladderError
from stepladder.policies.updates import update
from stepladder.training.packing import packed, places_in_row, read_packed, reads_packed
from stepladder.training.sequences import TokenSequence, answer_logprobs, collate, hidden_states, token_logprobs

CPU = torch.device("cpu")
QWEN = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}


def qwen(**keys) -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    return Qwen2ForCausalLM(Qwen2Config(vocab_size=600, num_hidden_layers=2, initializer_range=0.1, **QWEN, **keys))


def both(kind: str) -> tuple[LlamaForCausalLM | Qwen2ForCausalLM, ...]:
    """The same weights twice: a model that reads padded batches, and one that reads packed ones."""
    plain, row = ((tiny.model(layers=2) if kind == "llama" else qwen()).eval() for _ in range(2))
    read_packed(row)
    return plain, row


def drawn(lengths: list[int], seed: int = 0) -> list[TokenSequence]:
    rng = random.Random(seed)
    answers = [tuple(rng.randrange(3, 500) for _ in range(length)) for length in lengths]
    return [TokenSequence(ids, rng.randrange(1, len(ids))) for ids in answers]


def test_a_batch_becomes_one_row_in_which_positions_start_anew():
    ids, attention, _ = collate([TokenSequence((5, 6, 7), 1), TokenSequence((8,), 1), TokenSequence((9, 3), 1)], CPU)
    row = packed(ids, attention)
    assert row["input_ids"].tolist() == [[5, 6, 7, 8, 9, 3]]
    assert row["position_ids"].tolist() == [[0, 1, 2, 0, 0, 1]]
    assert row["lengths"] == [3, 1, 2]
    assert places_in_row(attention)[attention.bool()].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("kind", ["llama", "qwen"])
@given(lengths=st.lists(st.integers(2, 24), min_size=1, max_size=6), seed=st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_log_probs_and_their_gradients_are_those_of_a_padded_batch(kind, lengths, seed):
    sequences, found = drawn(lengths, seed), []
    for model in both(kind):
        logprobs, mask = answer_logprobs(model, sequences, CPU, temperature=0.7)
        (logprobs * torch.arange(1, mask.size(1) + 1)).sum().backward()
        found.append((logprobs, [parameter.grad for parameter in model.parameters()]))
    (padded, gradients), (row, others) = found
    assert torch.allclose(padded, row, atol=1e-4)
    largest = max(each.abs().max().item() for each in gradients)
    for one, other in zip(gradients, others, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5 * largest)


@torch.no_grad()
def test_of_a_cut_distribution_too():
    ids, attention, targets = collate(drawn([9, 4, 13]), CPU)
    padded, row = (token_logprobs(model, ids, attention, 1, 0.2, 0.9)[targets[:, 1:]] for model in both("llama"))
    assert torch.allclose(padded, row, atol=1e-4)


@torch.no_grad()
def test_hidden_states_are_those_of_a_padded_batch():
    ids, attention, _ = collate(drawn([9, 4, 13]), CPU)
    padded, row = (hidden_states(model.model, ids, attention)[attention.bool()] for model in both("qwen"))
    assert torch.allclose(padded, row, atol=1e-5)


@torch.no_grad()
def test_no_token_goes_into_another_sequence():
    sequences = drawn([6, 7, 5])
    _, model = both("llama")
    alone = answer_logprobs(model, sequences[1:2], CPU)[0].sum()
    changed = [drawn([6], seed=5)[0], sequences[1], drawn([5], seed=6)[0]]
    assert answer_logprobs(model, sequences, CPU)[0][1].sum() == pytest.approx(alone.item(), abs=1e-5)
    assert answer_logprobs(model, changed, CPU)[0][1].sum() == pytest.approx(alone.item(), abs=1e-5)


def test_only_real_tokens_are_read_and_logits_made_from_the_first_target_on():
    _, model = both("llama")
    read, made = [], []
    model.model.register_forward_hook(lambda module, inputs, output: read.append(output.last_hidden_state.size(1)))
    model.register_forward_hook(lambda module, inputs, output: made.append(output.logits.size(1)))
    sequences = [TokenSequence(tuple(range(3, 13)), 6), TokenSequence((3, 4, 5, 6), 3)]
    answer_logprobs(model, sequences, CPU)
    assert read == [14] and made == [7 + 1]  # of ten tokens those from the fourth on, of four the last


def test_a_checkpoint_does_not_say_how_its_model_was_read(tmp_path):
    for folder, model in zip("ab", both("llama"), strict=True):
        model.save_pretrained(tmp_path / folder)
    assert (tmp_path / "a/config.json").read_text() == (tmp_path / "b/config.json").read_text()
    assert not reads_packed(LlamaForCausalLM.from_pretrained(tmp_path / "b"))


def test_what_cannot_be_read_so_is_one_line():
    windowed = qwen(use_sliding_window=True, sliding_window=8, max_window_layers=0)
    read_packed(windowed)
    answer_logprobs(windowed, drawn([8, 5]), CPU)
    with pytest.raises(StepladderError, match=r"take optimisation\.packed out of the node"):
        answer_logprobs(windowed, drawn([9, 5]), CPU)
    with pytest.raises(StepladderError, match="Qwen2Attention cannot be had of sequences in one row"):
        windowed(torch.tensor([[5, 6, 7]]))


def test_an_update_with_a_critic_is_that_of_padded_batches(tmp_path):
    start, made = tiny.checkpoint(tmp_path), []
    for keys in ({}, {"packed": True}, {"packed": True, "micro_batch": 3, "gradient_checkpointing": True}):
        spec = ppo(credit={"kind": "critic"}, optimisation={"learning_rate": 5e-4} | keys)
        episodes, trainer = prepared(start, spec)
        assert reads_packed(trainer.model) == bool(keys)
        made.append((update(episodes, spec, trainer, 0, seed=0), trainer.bare_model.state_dict()))
    (said, weights), *others = made
    for also_said, other_weights in others:
        assert also_said == pytest.approx(said, rel=1e-3, abs=1e-5)
        assert tiny.furthest(weights, other_weights) < 1e-5
