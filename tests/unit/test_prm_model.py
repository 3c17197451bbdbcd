"""Heads that are read at step ends: one pass scores all steps, company and padding change nothing, what is saved."""

import copy
import json
import random

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

import tiny
from stepladder.errors import StepladderError
from stepladder.rewards.heads.base import Reading, log_odds
from stepladder.rewards.model import load_prm, open_prm
from stepladder.training.packing import read_packed

KEYS = {"per_step": {}, "last_token": {"head": "last_token", "trials": 4, "good": [3, 4]}}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("backbone"))


def drawn(model):
    torch.manual_seed(1)
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


@pytest.fixture(scope="module", params=KEYS)
def prm(request, backbone):
    return drawn(tiny.prm(backbone, **KEYS[request.param]))


@pytest.fixture(scope="module")
def rows():
    rng = random.Random(0)
    return [tiny.trajectory(f"q{i}", 0, rng, steps=rng.randrange(0, 6), prompt=rng.randrange(1, 12)) for i in range(24)]


def readings(prm, rows) -> list[Reading]:
    return [reading for readings in prm.read(rows) for reading in readings]


def of_prefix(prm, ids) -> float:
    """The logit of a prefix read alone, by hand."""
    outputs = prm.head(prm.backbone(input_ids=torch.tensor([ids])).last_hidden_state[0, -1])
    if prm.format.head == "per_step":
        return outputs.item()
    good = outputs.softmax(-1)[list(prm.format.good)].sum()
    return (good.log() - (1 - good).log()).item()


def test_packed_batches_give_the_same_scores(prm, rows):
    row = copy.deepcopy(prm)
    read_packed(row)
    for scores, others in zip(prm.score(rows), row.score(rows), strict=True):
        assert scores == pytest.approx(others, abs=1e-5)


def test_one_pass_scores_every_step_as_its_prefix_alone_would(prm, rows):
    for row, scores in zip(rows, prm.score(rows), strict=True):
        assert len(scores) == len(row["step_ends"])
        for end, score in zip(row["step_ends"], scores, strict=True):
            assert score == pytest.approx(of_prefix(prm, [*row["prompt_ids"], *row["token_ids"][:end]]), abs=1e-5)


def test_scores_differ_between_steps(prm, rows):
    scores = [score for row in prm.score(rows) for score in row]
    assert len({round(score, 3) for score in scores}) > len(scores) / 2


def test_order_and_company_change_no_score(prm, rows):
    together = prm.score(rows)
    turned = prm.score(rows[::-1])[::-1]
    alone = [prm.score([row])[0] for row in rows]
    for a, b, c in zip(together, turned, alone, strict=True):
        assert a == pytest.approx(b, abs=1e-5) and a == pytest.approx(c, abs=1e-5)


def with_mask_and_noise(prm, rows) -> torch.Tensor:
    """The scores of a padded batch as a mask would have them, with other tokens in the padding."""
    read = readings(prm, rows)
    longest = max(len(reading.ids) for reading in read)
    noise = torch.randint(3, 50, (len(read), longest))
    ids, attention = noise.clone(), torch.zeros_like(noise)
    for row, reading in enumerate(read):
        ids[row, : len(reading.ids)] = torch.tensor(reading.ids)
        attention[row, : len(reading.ids)] = 1
    hidden = prm.backbone(input_ids=ids, attention_mask=attention).last_hidden_state
    ends = [hidden[row, end - 1] for row, reading in enumerate(read) for end in reading.step_ends]
    return prm.step_logits(prm.head(torch.stack(ends)))


def test_padding_needs_no_mask(prm, rows, tmp_path):
    flat = torch.tensor([score for scores in prm.score(rows) for score in scores])
    assert torch.allclose(flat, with_mask_and_noise(prm, rows), atol=1e-5)
    config = Qwen2Config(vocab_size=len(tiny.tokenizer()), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                         num_attention_heads=2, num_key_value_heads=1, initializer_range=0.1)  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    other = drawn(tiny.prm(tmp_path, **KEYS[prm.format.head]))
    flat = torch.tensor([score for scores in other.score(rows) for score in scores])
    assert torch.allclose(flat, with_mask_and_noise(other, rows), atol=1e-5)


def test_a_reading_is_prompt_and_answer_with_its_ends_counted_from_the_prompts_start(prm):
    row = {"prompt_ids": [7, 8], "token_ids": [9, 10, 11], "step_ends": [1, 3]}
    assert prm.read([row]) == [[Reading((7, 8, 9, 10, 11), (3, 5))]]


def test_new_heads(backbone):
    fresh = tiny.prm(backbone, loss="rank", target="hard")
    assert fresh.head.weight.dtype == torch.float32 and fresh.head.out_features == 1
    assert not fresh.head.weight.any() and not fresh.head.bias.any()
    assert torch.equal(fresh.backbone.embed_tokens.weight, tiny.model().model.embed_tokens.weight)
    one, other = (tiny.prm(backbone, initial_head="random") for _ in range(2))
    assert one.head.weight.std() > 0.01 and torch.equal(one.head.weight, other.head.weight)
    classes = tiny.prm(backbone, **KEYS["last_token"])
    assert classes.head.out_features == 5 and classes.head.bias is None and classes.head.weight.any()


def test_a_saved_model_gives_the_same_scores_and_knows_its_steps(prm, backbone, rows, tmp_path):
    prm.save(tmp_path)
    section = json.loads((tmp_path / "config.json").read_text())["prm"]
    assert (section["head"], section["step_style"], section["prompts"]) == (prm.format.head, "line", 1)
    assert section["good"] == ([3, 4] if prm.format.head == "last_token" else [])
    assert (tmp_path / "tokenizer.json").is_file() and list(tmp_path.glob("*.safetensors"))
    for loaded in (load_prm(tmp_path, "line", backbone), open_prm(tmp_path)):
        assert not loaded.training and loaded.format == prm.format
        assert loaded.reader is loaded.tokenizer
        assert loaded.score(rows) == prm.score(rows)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"step_style": "numbered"}, "steps of style 'numbered', the study cuts 'line'"),
        ({"prompts": 99}, "prompts of version 99, this code makes version 1"),
        ({"head": "seventh"}, r"prm\.head: Input should be"),
        ({"colour": 1}, r"prm\.colour: Extra inputs"),
    ],
)
def test_a_model_of_another_format_is_refused_in_one_line(prm, backbone, tmp_path, change, said):
    prm.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["prm"] |= change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(StepladderError, match=said) as error:
        load_prm(tmp_path, "line", backbone)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_a_policy_is_no_process_reward_model(backbone):
    with pytest.raises(StepladderError, match="not a process reward model"):
        open_prm(backbone)


def test_half_precision_weights_of_a_launcher_still_score_in_full_precision(prm, rows):
    """DeepSpeed's bf16 turns every weight to bf16, the head's included."""
    chosen = [row for row in rows if row["step_ends"]]
    half = copy.deepcopy(prm).bfloat16()
    scores = half(readings(half, chosen)).detach()
    assert scores.dtype == torch.float32
    for ours, theirs in zip(half.score(chosen), prm.score(chosen), strict=True):
        assert ours == pytest.approx(theirs, abs=0.3)


def test_log_odds_by_hand_and_far_out():
    chances = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    assert log_odds(chances.log(), (2, 3)).item() == pytest.approx(torch.tensor(0.7 / 0.3).log().item(), rel=1e-5)
    assert log_odds(torch.tensor([500.0, -500.0, 0.0]), (1,)).item() == pytest.approx(-1000.0)
