"""Sequences as batches, and the log-probs of their targets against a plain softmax."""

import math
import random

import pytest
import torch

import tiny
from stepladder.training.sequences import TokenSequence, answer_logprobs, collate, first_target, token_logprobs

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model():
    return tiny.model().eval()


@pytest.fixture(scope="module")
def sequences():
    rng = random.Random(0)
    rows = []
    for _ in range(12):
        length = rng.randrange(4, 30)
        rows.append(TokenSequence(tuple(rng.randrange(3, 500) for _ in range(length)), rng.randrange(1, length)))
    return rows


def reference(model, sequence, temperature=1.0) -> torch.Tensor:
    logits = model(torch.tensor([sequence.ids])).logits[0, :-1].double() / temperature
    chosen = logits.log_softmax(-1).gather(1, torch.tensor(sequence.ids[1:])[:, None])[:, 0]
    return chosen[sequence.first_target - 1 :]


def test_collate_pads_on_the_right_and_marks_targets():
    ids, attention, targets = collate([TokenSequence((5, 6, 7), 1), TokenSequence((8, 9), 1)], CPU)
    assert ids.tolist() == [[5, 6, 7], [8, 9, 0]]
    assert attention.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert targets.tolist() == [[False, True, True], [False, True, False]]


def test_positions_of_context_are_no_targets(model):
    sequence = TokenSequence((5, 6, 7, 8, 9), 1, frozenset({2, 4}))
    plain = TokenSequence((5, 6, 7, 8, 9), 1)
    assert sequence.targets == 2
    assert collate([sequence, TokenSequence((5, 6, 7), 2)], CPU)[2].tolist() == [
        [False, True, False, True, False],
        [False, False, True, False, False],
    ]
    with torch.no_grad():
        masked, all_of_it = (answer_logprobs(model, [each], CPU)[0][0] for each in (sequence, plain))
    assert masked.tolist() == [all_of_it[0].item(), 0.0, all_of_it[2].item(), 0.0]


def test_answer_logprobs_are_those_of_a_softmax_whatever_the_company(model, sequences):
    with torch.no_grad():
        logprobs, mask = answer_logprobs(model, sequences, CPU)
        assert logprobs.dtype == torch.float32 and mask.sum() == sum(sequence.targets for sequence in sequences)
        assert not logprobs[~mask].any()
        for row, real, sequence in zip(logprobs, mask, sequences, strict=True):
            assert torch.allclose(row[real].double(), reference(model, sequence), atol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_token_logprobs_follow_the_temperature(model, sequences, temperature):
    ids, attention, targets = collate(sequences, CPU)
    first = first_target(sequences)
    with torch.no_grad():
        found = token_logprobs(model, ids, attention, first, temperature)
        assert found.shape == (len(sequences), ids.size(1) - first)
        for row, real, sequence in zip(found, targets[:, first:], sequences, strict=True):
            assert torch.allclose(row[real].double(), reference(model, sequence, temperature), atol=1e-5)


@pytest.mark.parametrize("top_p", [0.3, 0.9])
def test_a_cut_distribution_has_all_probability_on_its_nucleus(model, top_p):
    """Summed over every next token of one prefix: those inside have 1 together, each in proportion to the whole."""
    prefix = (7, 8, 9)
    with torch.no_grad():
        rows = torch.tensor([[*prefix, token] for token in range(model.config.vocab_size)])
        cut, whole = (
            token_logprobs(model, rows, torch.ones_like(rows), 3, 0.2, p)[:, 0].double().exp() for p in (top_p, 1.0)
        )
    inside, kept = [], 0.0
    for token in sorted(range(len(whole)), key=lambda token: -whole[token].item()):
        if kept >= top_p:
            break
        inside, kept = [*inside, token], kept + whole[token].item()
    assert 1 < len(inside) < len(whole)
    assert cut[inside].sum().item() == pytest.approx(1.0, abs=1e-5)
    assert torch.allclose(cut[inside] / whole[inside], torch.full((len(inside),), 1 / kept, dtype=torch.double))


def test_logits_before_the_first_target_are_never_made(model, sequences):
    made = []
    watched = model.register_forward_hook(lambda module, inputs, output: made.append(output.logits.size(1)))
    ids, attention, _ = collate(sequences, CPU)
    token_logprobs(model, ids, attention, first=4)
    watched.remove()
    assert made == [ids.size(1) - 3]


def test_gradients_are_those_of_the_mean_cross_entropy_of_the_targets(model, sequences):
    model.zero_grad()
    logprobs, mask = answer_logprobs(model, sequences, CPU)
    (-logprobs.sum() / mask.sum()).backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    targets = sum(sequence.targets for sequence in sequences)
    for sequence in sequences:
        labels = torch.tensor([[-100] * sequence.first_target + list(sequence.ids[sequence.first_target :])])
        loss = model(torch.tensor([sequence.ids]), labels=labels).loss
        (loss * sequence.targets / targets).backward()
    for name, parameter in model.named_parameters():
        assert torch.allclose(found[name], parameter.grad, atol=1e-6), name
    model.zero_grad()


def test_the_id_of_padding_is_a_token_like_others_where_an_answer_has_it(model):
    rows = [TokenSequence((5, 0, 6, 0), 2), TokenSequence((0, 5, 6, 7, 8, 9, 0), 1), TokenSequence((5, 0), 1)]
    with torch.no_grad():
        logprobs, mask = answer_logprobs(model, rows, CPU)
        for row, real, sequence in zip(logprobs, mask, rows, strict=True):
            assert torch.allclose(row[real].double(), reference(model, sequence), atol=1e-5)


@pytest.mark.parametrize("garbage", [math.nan, math.inf])
def test_logits_of_padding_may_be_anything(model, sequences, garbage):
    def garble(module, inputs, keys, output):
        kept = keys["attention_mask"][:, -output.logits.size(1) :]
        output.logits = output.logits.masked_fill(kept[..., None] == 0, garbage)

    with torch.no_grad():
        expected = answer_logprobs(model, sequences, CPU)[0]
        garbling = model.register_forward_hook(garble, with_kwargs=True)
        found = answer_logprobs(model, sequences, CPU)[0]
        garbling.remove()
    assert torch.equal(found, expected)
