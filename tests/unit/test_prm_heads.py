"""Pair and last-token heads: what they read, what they learn, what their score is; PRMs of other tokenizers."""

import math
import random
from itertools import pairwise

import pytest
import torch
from pydantic import TypeAdapter
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import tiny
from stepladder.errors import StepladderError
from stepladder.evaluation.prm import judge_prm
from stepladder.policies.checkpoints import join_pairs, new_encoder
from stepladder.questions.world.tokenizer import train_tokenizer
from stepladder.reasoning.tokens import encode_answer, encode_prompt, step_ends
from stepladder.rewards.class_losses import count_loss
from stepladder.rewards.heads.pair import classes_of
from stepladder.rewards.model import load_prm, open_prm
from stepladder.rewards.tasks import make_task
from stepladder.rewards.training import train_prm
from stepladder.study.specs.models import NewModel
from stepladder.study.specs.prms import LastToken, Pair, Prm

ANSWER = "1. 3 + 4 = 7\n2. 7 - 2 = 5\n3. 5 > 4\nthe answer is option 2. #### 2"
STEPS = ["1. 3 + 4 = 7", "2. 7 - 2 = 5", "3. 5 > 4", "the answer is option 2. #### 2"]
PAIR = {"head": "pair", "max_length": 48, "scoring_length": 60}
COUNTS = {"head": "last_token", "trials": 4, "good": [3, 4]}


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = train_tokenizer([row["prompt"] + row["demonstration"] for row in tiny.questions(40, ("train",))], 520)
    join_pairs(tokenizer)
    tokenizer.save_pretrained(folder)
    spec = NewModel(source="new", architecture="bert", hidden_size=32, layers=2, heads=2, max_length=64)
    torch.manual_seed(0)
    new_encoder(spec, len(tokenizer), tokenizer.pad_token_id).save_pretrained(folder)
    return folder


def answer_row(tokenizer, answer=ANSWER, question_id="q", sample=0) -> dict:
    ids = encode_answer(tokenizer, answer)
    return {"question_id": question_id, "sample": sample, "prompt_ids": encode_prompt(tokenizer, "What?\n"),
            "token_ids": ids, "step_ends": step_ends(tokenizer, ids, "line")[1]}  # fmt: skip


def learnable(tokenizer, count: int = 24) -> list[dict]:
    """Answers whose lines say what they are worth, with labels of four rollouts."""
    rng, worth = random.Random(0), {"good": 4, "right": 4, "wrong": 0, "bad": 0}
    rows = []
    for i in range(count):
        words = [rng.choice(list(worth)) for _ in range(rng.randint(1, 4))]
        row = answer_row(tokenizer, "\n".join(f"{k}. {word}" for k, word in enumerate(words)), f"q{i}")
        successes = [worth[word] for word in words]
        rows.append(row | {"successes": successes, "rollouts": [4] * len(words), "soft": [s / 4 for s in successes],
                           "hard": [s > 0 for s in successes], "finished": [False] * len(words)})  # fmt: skip
    return rows


def test_a_pair_is_joined_as_its_tokenizer_joins_texts(encoder, policy):
    model = tiny.prm(encoder, policy, **PAIR)
    ((first, second, *rest),) = model.read([answer_row(tiny.tokenizer())])
    begin, end = model.tokenizer.cls_token_id, model.tokenizer.sep_token_id
    alone = [model.tokenizer(step, add_special_tokens=False)["input_ids"] for step in STEPS]
    assert list(first.ids) == [begin, *alone[0], end] and not any(first.types)
    assert list(second.ids) == [begin, *alone[0], end, *alone[1], end]
    assert list(second.types) == [0] * (len(alone[0]) + 2) + [1] * (len(alone[1]) + 1)
    assert [reading.step_ends for reading in (first, second, *rest)] == [
        (len(reading.ids),) for reading in (first, second, *rest)
    ]
    assert model.read_texts([("What?\n", ANSWER)]) == model.read([answer_row(tiny.tokenizer())])


def test_answers_that_are_read_together_are_read_as_each_alone(encoder, policy):
    model = tiny.prm(encoder, policy, **PAIR)
    answers = [("", each) for each in (ANSWER, "", "1. 3 > 2", ANSWER.replace("7", "9"))]
    read = model.read_texts(answers)
    assert read == [model.read_texts([answer])[0] for answer in answers]
    assert [len(readings) for readings in read] == [4, 0, 1, 4]
    causal = tiny.prm(policy)
    assert causal.read_texts(answers) == [causal.read_texts([answer])[0] for answer in answers]
    assert model.read_texts([]) == causal.read_texts([]) == []


@pytest.mark.parametrize("pairs", [True, False])
def test_what_is_read_twice_is_scored_once(encoder, policy, pairs, monkeypatch):
    model = tiny.prm(encoder, policy, **PAIR) if pairs else tiny.prm(policy, initial_head="random")
    answers = [("", each) for each in (ANSWER, "1. 3 > 2", ANSWER, ANSWER.replace("5 > 4", "5 > 1"), "")]
    alone, passes, forward = [model.score_texts([answer])[0] for answer in answers], [], model.forward
    monkeypatch.setattr(model, "forward", lambda readings: passes.extend(readings) or forward(readings))
    together = model.score_texts(answers)
    assert len(passes) == len(set(passes)) == (4 + 1 + 2 if pairs else 4)
    assert together[0] == together[2] and [len(each) for each in together] == [4, 1, 4, 4, 0]
    assert [score for each in together for score in each] == pytest.approx(
        [s for each in alone for s in each], abs=1e-5
    )


def test_long_pairs_are_cut_to_the_length_of_their_use_and_counted(encoder, policy):
    model = tiny.prm(encoder, policy, **PAIR)
    words = " ".join(["7"] * 20)  # 39 tokens
    long = answer_row(tiny.tokenizer(), f"1. {words}\n2. {words}\n3. 8 9 8")
    (read,) = model.read([long])
    assert [reading.cut for reading in read] == [False, True, False]
    assert len(read[1].ids) == 60 > len(read[2].ids) > 48
    assert model.cut([long]) == 1
    task = make_task(Pair(labels="l", backbone="b", **PAIR), model, [long | {"soft": [0, 0, 0]}])
    assert [reading.cut for reading in task.readings] == [False, True, True]
    assert len(task.readings[1].ids) == len(task.readings[2].ids) == 48


def test_a_pairs_score_is_the_chance_of_correct(encoder, policy):
    model = tiny.prm(encoder, policy, **PAIR)
    (logits,) = model.score([answer_row(tiny.tokenizer())])
    for logit, texts in zip(logits, [STEPS[:1], *pairwise(STEPS)], strict=True):
        inputs = model.tokenizer(*texts, return_tensors="pt", return_token_type_ids=True)
        chances = model.classifier(**inputs).logits[0].softmax(-1)
        assert 1 / (1 + math.exp(-logit)) == pytest.approx(chances[2].item(), abs=1e-5)
    assert model.score_texts([("anything", ANSWER)])[0] == pytest.approx(logits, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"scoring_length": 65}, "reads 64 tokens at most"), ({"max_length": 100}, "now up to 100")],
)
def test_pairs_longer_than_the_encoder_reads_are_refused(encoder, policy, change, said):
    with pytest.raises(StepladderError, match=said):
        tiny.prm(encoder, policy, **PAIR | change)


def test_a_policy_is_no_encoder_of_pairs(policy):
    with pytest.raises(StepladderError, match="puts nothing between two texts"):
        tiny.prm(policy, **PAIR)


def test_soft_labels_become_classes():
    assert classes_of([0, 0.2, 0.25, 0.5, 0.7, 0.75, 1]).tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_the_loss_of_counts_is_over_prefixes(policy):
    rows = learnable(tiny.tokenizer())
    model = tiny.prm(policy, **COUNTS)
    task = make_task(LastToken(labels="l", backbone="b", **COUNTS), model, rows)
    chosen = [3, 0, 7, 11]
    outputs = model([task.readings[i] for i in chosen])
    flat = torch.cat([outputs[place, : len(rows[i]["soft"])] for place, i in enumerate(chosen)])
    successes = torch.tensor([s for i in chosen for s in rows[i]["successes"]])
    steps = sum(task.weights[i] for i in chosen)
    assert steps == len(successes)
    expected = steps * count_loss(flat, successes, torch.full_like(successes, 4))
    assert task.loss(outputs, chosen).item() == pytest.approx(expected.item(), rel=1e-5)


def test_published_classes_count_every_rollout_and_outcomes_as_all_or_none(policy):
    (row,) = learnable(tiny.tokenizer(), 1)
    row |= {"successes": [3] * len(row["soft"]), "rollouts": [4] * len(row["soft"])}
    row["successes"][-1], row["rollouts"][-1], row["finished"][-1] = 1, 1, True
    model = tiny.prm(policy, **COUNTS)
    task = make_task(LastToken(labels="l", backbone="b", loss="classes", **COUNTS), model, [row])
    logits = torch.full((1, len(row["soft"]), 5), -30.0)
    logits[0, :, 3], logits[0, -1] = 30.0, torch.tensor([-30.0, -30, -30, -30, 30])
    assert task.loss(logits, [0]).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("right", "target"), [(1, 4), (0, 0)])
def test_counts_know_what_a_finished_trajectory_is_worth(policy, right, target):
    """A prior speaks of states whose value is in doubt; of one trial from a uniform prior it would make 1/15 to 1/3."""
    (row,) = learnable(tiny.tokenizer(), 1)
    row |= {name: row[name][:1] for name in ("soft", "hard", "finished", "step_ends")} | {"finished": [True]}
    row |= {"successes": [right], "rollouts": [1]}
    task = make_task(LastToken(labels="l", backbone="b", **COUNTS), tiny.prm(policy, **COUNTS), [row])
    logits = torch.arange(5.0).reshape(1, 1, 5)
    expected = -logits[0, 0].log_softmax(-1)[target]
    assert task.loss(logits, [0]).item() == pytest.approx(expected.item(), rel=1e-6)
    row |= {"successes": [1], "rollouts": [2]}  # a person called the last step neutral
    even = -(logits[0, 0].log_softmax(-1) * torch.tensor([5.0, 8.0, 9.0, 8.0, 5.0]) / 35).sum()
    assert task.loss(logits, [0]).item() == pytest.approx(even.item(), rel=1e-5)
    row |= {"successes": [right], "rollouts": [1], "finished": [False]}
    shares = [math.comb(1 + k, 1) if right else math.comb(5 - k, 1) for k in range(5)]
    expected = -(logits[0, 0].log_softmax(-1) * torch.tensor(shares) / 15).sum()
    assert task.loss(logits, [0]).item() == pytest.approx(expected.item(), rel=1e-5)


GAPPY = {"soft": [-100, 0.25, -100, 1.0], "hard": [-100, True, -100, True], "rollouts": [-100, 4, -100, 1],
         "successes": [-100, 1, -100, 1], "finished": [False, False, False, True]}  # fmt: skip


@pytest.mark.parametrize("head", ["per_step", "counts", "classes", "pair"])
def test_steps_that_nobody_labelled_teach_nothing(encoder, policy, head):
    """Whatever stands there in the outputs; and the others teach what they teach alone."""
    keys = {"per_step": {"head": "per_step"}, "pair": PAIR}.get(head, COUNTS | {"loss": head})
    model = tiny.prm(encoder if head == "pair" else policy, policy, **keys)
    row = answer_row(tiny.tokenizer()) | GAPPY
    spec = TypeAdapter(Prm).validate_python({"labels": "l", "backbone": "b", **keys})
    task = make_task(spec, model, [row])
    if head == "pair":
        every = model.pairs([STEPS], PAIR["max_length"])[0]
        assert task.readings == [every[1], every[3]] and task.weights == [1, 1]
        logits = torch.tensor([[[0.0, 9.0, 0.0]], [[0.0, 0.0, 9.0]]])  # a quarter is neutral, and the end is right
        assert task.loss(logits, [0, 1]).item() < 0.001
        return
    assert task.weights == [2] and len(task.readings) == 1
    outputs = torch.randn(1, 4, 1 if head == "per_step" else 5, requires_grad=True)
    task.loss(outputs, [0]).backward()
    assert (outputs.grad[0].abs().sum(-1) > 0).tolist() == [False, True, False, True]
    alone = {name: [values[step] for step in (1, 3)] for name, values in GAPPY.items()}
    read = row | alone | {"step_ends": [row["step_ends"][step] for step in (1, 3)]}
    expected = make_task(spec, model, [read]).loss(outputs[:, [1, 3]], [0])
    assert task.loss(outputs, [0]).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(
    ("keys", "change", "said"),
    [
        ({}, {"rollouts": [0], "successes": [0]}, "means without counts"),
        ({"loss": "classes", "trials": 3, "good": [3]}, {"rollouts": [4], "successes": [1]}, "are none of 3"),
    ],
)
def test_labels_that_the_last_token_head_cannot_learn_are_one_line(policy, keys, change, said):
    spec = LastToken.model_validate({"labels": "l", "backbone": "b", **COUNTS, **keys})
    row = answer_row(tiny.tokenizer(), "1. one", "q7") | {"soft": [0.25]} | change
    with pytest.raises(StepladderError, match=said) as error:
        make_task(spec, tiny.prm(policy, **COUNTS), [row])
    assert "question q7, sample 0" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("head", ["pair", "counts", "classes"])
def test_each_head_learns_what_lines_are_worth(encoder, policy, tmp_path, head):
    keys = PAIR if head == "pair" else COUNTS | {"loss": head}
    optimisation = {"learning_rate": 3e-3, "batch_size": 8, "steps": 80}
    spec = {"labels": "l", "backbone": "b", "optimisation": optimisation, **keys}
    inputs = {"backbone": encoder if head == "pair" else policy, "tokenizer": policy}
    rows = learnable(tiny.tokenizer())
    trainer, metrics = train_prm(tiny.job(tmp_path, "prms", spec, inputs), rows)
    assert metrics["initial_closed_form_loss"] == pytest.approx(math.log(3 if head == "pair" else 5), abs=1e-5)
    assert metrics["loss_above_start"] is False and metrics["truncated"] == 0
    loaded = load_prm(tmp_path / "checkpoint", "line", policy)
    judged = judge_prm(loaded, rows, "")
    assert judged["step_auc"] > 0.95 and judged["order_accuracy"] > 0.95
    assert judged == judge_prm(trainer.bare_model, rows, "")


@pytest.mark.parametrize("loss", ["counts", "classes"])
def test_micro_batches_change_no_result(policy, tmp_path, loss):
    weights = []
    for size in (8, 3):
        optimisation = {"learning_rate": 3e-3, "batch_size": 8, "steps": 4, "micro_batch": size}
        spec = {"labels": "l", "backbone": "b", "optimisation": optimisation, **COUNTS, "loss": loss}
        job = tiny.job(tmp_path / str(size), "prms", spec, {"backbone": policy, "tokenizer": policy})
        weights.append(train_prm(job, learnable(tiny.tokenizer()))[0].bare_model.state_dict())
    assert tiny.furthest(*weights) < 1e-4


def character_tokenizer() -> PreTrainedTokenizerFast:
    """One token a character: what another backbone may have."""
    letters = ["<e>", "<u>", *map(chr, range(10)), *map(chr, range(11, 127)), "\n"]
    tokenizer = Tokenizer(models.WordLevel({letter: i for i, letter in enumerate(letters)}, unk_token="<u>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<e>", unk_token="<u>")


def test_a_model_with_another_tokenizer_reads_the_same_texts(policy, tmp_path):
    tiny.model().save_pretrained(tmp_path)
    character_tokenizer().save_pretrained(tmp_path)
    row = answer_row(tiny.tokenizer())
    for model in (tiny.prm(tmp_path, policy, initial_head="random"), tiny.prm(tmp_path, policy, **COUNTS)):
        ((reading,),) = model.read([row])
        lengths = [len(step) + 1 for step in STEPS]
        ends = [len("What?\n") + sum(lengths[: k + 1]) for k in range(len(lengths))]
        assert list(reading.step_ends) == ends and len(reading.ids) == ends[-1]
        assert reading.ids[-1] == model.tokenizer.eos_token_id
        assert model.read_texts([("What?\n", ANSWER)]) == [[reading]]
        ((alone,),) = tiny.prm(tmp_path, tmp_path, initial_head="random").read([answer_row(model.tokenizer)])
        assert alone == reading


def test_scores_of_a_saved_model_with_another_tokenizer(encoder, policy, tmp_path):
    model = tiny.prm(encoder, policy, **PAIR)
    model.save(tmp_path)
    rows = [answer_row(tiny.tokenizer()), answer_row(tiny.tokenizer(), "1. 2\n2. 3")]
    assert load_prm(tmp_path, "line", policy).score(rows) == model.score(rows)
    own = open_prm(tmp_path, policy)
    assert own.score(rows) == model.score(rows) and own.format.scoring_length == 60
