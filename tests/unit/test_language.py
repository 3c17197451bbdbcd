"""Next-token training: what is a target, what a step minimises, what is written."""

import random

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import tiny
from stepladder.errors import StepladderError
from stepladder.policies.actor_critic import frozen_logprobs
from stepladder.policies.language import (
    demonstration_sequences,
    drill_sequences,
    load_policy,
    right_answer_sequences,
    train_language,
)
from stepladder.questions.world import DRILLS_PER_ROW, MIRRORS, drills
from stepladder.reasoning.tokens import decode, encode_prompt
from stepladder.records import Counts, read_json

PRETRAIN = {"method": "pretrain", "model": "m"}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("start"))


def text_of_targets(row) -> str:
    places = [i for i in range(row.first_target, len(row.ids)) if i not in row.context]
    return decode(tiny.tokenizer(), [row.ids[i] for i in places])


def test_the_whole_demonstration_is_a_target_and_the_prompt_is_not():
    questions = tiny.questions()
    rows = demonstration_sequences(tiny.tokenizer(), questions, "chain", 500, Counts())
    for question, row in zip(questions, rows, strict=True):
        assert decode(tiny.tokenizer(), list(row.ids[: row.first_target])) == question["prompt"]
        assert text_of_targets(row) == question["demonstration"]
        assert row.ids[-1] == tiny.tokenizer().eos_token_id


def test_answer_only_masks_the_reasoning():
    questions = tiny.questions()
    rows = demonstration_sequences(tiny.tokenizer(), questions, "answer", 500, Counts())
    for question, row in zip(questions, rows, strict=True):
        *reasoning, answer = question["demonstration"].split("\n")
        assert reasoning and text_of_targets(row) == answer and "####" in answer
        context = decode(tiny.tokenizer(), list(row.ids[: row.first_target]))
        assert context == question["prompt"] + "\n".join(reasoning) + "\n"


def test_a_demonstration_of_one_line_is_its_own_answer():
    question = {"prompt": "p", "demonstration": "the answer is option 1. #### 1"}
    chain, answer = (
        demonstration_sequences(tiny.tokenizer(), [question], loss_on, 500, Counts()) for loss_on in ("chain", "answer")
    )
    assert chain == answer and text_of_targets(chain[0]) == question["demonstration"]


def test_rows_longer_than_the_context_are_dropped_and_counted():
    questions = tiny.questions()
    all_rows = demonstration_sequences(tiny.tokenizer(), questions, "chain", 500, Counts())
    longest = sorted(len(row.ids) for row in all_rows)[len(all_rows) // 2]
    counts = Counts()
    kept = demonstration_sequences(tiny.tokenizer(), questions, "chain", longest, counts)
    assert kept == [row for row in all_rows if len(row.ids) <= longest] != all_rows
    assert counts.dropped == {"longer than the model's context": len(all_rows) - len(kept)}


def test_only_the_results_of_drills_are_targets():
    rows = drill_sequences(tiny.tokenizer(), 5, 7, MIRRORS)
    expected = list(drills(random.Random(7), 5 * DRILLS_PER_ROW))
    assert rows == drill_sequences(tiny.tokenizer(), 5, 7, MIRRORS) != drill_sequences(tiny.tokenizer(), 5, 8, MIRRORS)
    for number, row in enumerate(rows):
        lines = expected[number * DRILLS_PER_ROW : (number + 1) * DRILLS_PER_ROW]
        assert decode(tiny.tokenizer(), list(row.ids)) == "".join(prompt + result + "\n" for prompt, result in lines)
        assert text_of_targets(row) == "".join(result for _, result in lines)


def language_job(folder, start, **optimisation):
    spec = PRETRAIN | {"optimisation": {"batch_size": 4, "learning_rate": 1e-2, **optimisation}}
    return tiny.job(folder, "policies", spec, {"start": start})


def test_no_steps_leave_every_weight_as_it_is(start, tmp_path):
    rows = drill_sequences(tiny.tokenizer(), 3, 0, MIRRORS)
    train_language(language_job(tmp_path, start, steps=0), rows, Counts(3))
    before, after = (load_file(folder / "model.safetensors") for folder in (start, tmp_path / "checkpoint"))
    assert before.keys() == after.keys()
    assert all(before[name].numpy().tobytes() == after[name].numpy().tobytes() for name in before)
    assert AutoTokenizer.from_pretrained(tmp_path / "checkpoint").get_vocab() == tiny.tokenizer().get_vocab()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoint")
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert read_json(tmp_path / "metrics.json")["metrics"] == {"steps": 0}
    assert (tmp_path / "history.jsonl").read_text() == ""


def test_one_step_is_a_step_of_adamw_on_the_mean_cross_entropy_of_the_targets(start, tmp_path):
    rows = demonstration_sequences(tiny.tokenizer(), tiny.questions()[:4], "answer", 500, Counts())
    job = language_job(tmp_path, start, steps=1, warmup=0.0, decay=0.0, clip_norm=None)
    train_language(job, rows, Counts(4))
    model = load_policy(start)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    losses = []
    for row in rows:
        labels = torch.tensor([[-100] * row.first_target + list(row.ids[row.first_target :])])
        losses.append(model(torch.tensor([row.ids]), labels=labels).loss * row.targets)
    loss = sum(losses) / sum(row.targets for row in rows)
    loss.backward()
    optimizer.step()
    metrics = read_json(tmp_path / "metrics.json")["metrics"]
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-6)
    trained = load_policy(tmp_path / "checkpoint")
    moved = 0.0
    for name, value in model.state_dict().items():
        difference = (trained.state_dict()[name] - value).abs()
        start_value = tiny.model().state_dict()[name]
        moved = max(moved, (value - start_value).abs().max().item())
        assert difference.mean() < 1e-5, name
    assert moved > 5e-3


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_training_learns_and_is_the_same_again(start, tmp_path, optimizer):
    rows = demonstration_sequences(tiny.tokenizer(), tiny.questions()[:8], "chain", 500, Counts())
    losses = []
    for name in ("a", "b"):
        job = language_job(tmp_path / name, start, steps=25, optimizer=optimizer)
        train_language(job, rows, Counts(8))
        losses.append([line for line in (tmp_path / name / "history.jsonl").read_text().splitlines()])
    assert losses[0] == losses[1] and len(losses[0]) == 25
    first, last = (eval_loss(folder, rows) for folder in (start, tmp_path / "a" / "checkpoint"))
    assert last < 0.5 * first
    assert (tmp_path / "a/checkpoint/model.safetensors").read_bytes() == (
        tmp_path / "b/checkpoint/model.safetensors"
    ).read_bytes()


@torch.no_grad()
def eval_loss(folder, rows) -> float:
    model = load_policy(folder)
    losses = [
        model(
            torch.tensor([r.ids]), labels=torch.tensor([[-100] * r.first_target + list(r.ids[r.first_target :])])
        ).loss
        for r in rows
    ]
    return float(sum(losses) / len(losses))


def test_nothing_to_train_on_is_one_line(start, tmp_path):
    with pytest.raises(StepladderError, match="no row to train on"):
        train_language(language_job(tmp_path, start, steps=5), [], Counts())


def test_recomputing_activations_changes_nothing(start, tmp_path):
    rows = demonstration_sequences(tiny.tokenizer(), tiny.questions()[:4], "chain", 500, Counts())
    for name, keep in (("a", False), ("b", True)):
        job = language_job(tmp_path / name, start, steps=2, gradient_checkpointing=keep)
        train_language(job, rows, Counts(4))
    a, b = (load_file(tmp_path / name / "checkpoint" / "model.safetensors") for name in "ab")
    assert all(torch.allclose(a[name], b[name], atol=1e-6) for name in a)


def test_prompts_are_encoded_as_they_are_for_sampling():
    question = tiny.questions()[0]
    (row,) = demonstration_sequences(tiny.tokenizer(), [question], "chain", 500, Counts())
    assert list(row.ids[: row.first_target]) == encode_prompt(tiny.tokenizer(), question["prompt"])


def sampled(question: str, tokens: tuple[int, ...], correct: bool = True, finish: str = "stop") -> dict:
    return {
        "question_id": question, "prompt_ids": [3, 4], "token_ids": list(tokens), "correct": correct,
        "finish_reason": finish,
    }  # fmt: skip


def test_right_answers_are_learnt_as_they_were_sampled_and_all_others_counted():
    rows = [
        sampled("a", (5, 6)), sampled("a", (5, 7), correct=False), sampled("a", (5, 6)), sampled("a", (8,)),
        sampled("a", (9,)), sampled("b", (5, 6)), sampled("b", (7,), finish="length"), sampled("b", (5,) * 9),
    ]  # fmt: skip
    counts = Counts(len(rows))
    found = right_answer_sequences(rows, per_question=2, longest=10, counts=counts)
    assert [row.ids for row in found] == [(3, 4, 5, 6), (3, 4, 8), (3, 4, 5, 6)]
    assert all(row.first_target == 2 and row.targets == len(row.ids) - 2 for row in found)
    assert counts.dropped == {
        "wrong answer": 1, "equal to another answer": 1, "more than per_question": 1, "cut off before its end": 1,
        "longer than the model's context": 1,
    }  # fmt: skip


def test_learning_from_its_own_right_answers_makes_them_likelier(tmp_path):
    start = tiny.checkpoint(tmp_path / "start")
    rng = random.Random(0)
    rows = [{**tiny.trajectory(f"q{i}", 0, rng), "finish_reason": "stop"} for i in range(12)]
    right = right_answer_sequences(rows, 4, tiny.CONTEXT, Counts())
    assert 0 < len(right) == sum(row["correct"] for row in rows)
    optimisation = {"batch_size": 4, "learning_rate": 3e-3, "epochs": 3}
    spec = {"method": "restem", "from": "p", "trajectories": "t", "optimisation": optimisation}
    train_language(tiny.job(tmp_path / "out", "policies", spec, {"start": start}), right, Counts())
    before, after = (
        sum(each.sum().item() for each in frozen_logprobs(load_policy(folder), right, 1.0))
        for folder in (start, tmp_path / "out" / "checkpoint")
    )
    assert after > before + len(right)
