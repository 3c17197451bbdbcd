"""Training a process reward model: its targets, its first loss, its held-out questions, and that it learns."""

import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from stepladder.errors import StepladderError
from stepladder.evaluation.prm import judge_prm, judge_scores
from stepladder.records import Counts, read_json
from stepladder.rewards import losses
from stepladder.rewards.model import load_prm
from stepladder.rewards.tasks import make_task, step_loss, step_targets
from stepladder.rewards.training import course, is_held_out, labelled_trajectories, train_prm
from stepladder.study.specs.prms import PerStep


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("backbone"))


def prm_spec(**keys) -> dict:
    return {"head": "per_step", "labels": "l", "backbone": "b", "heldout": 0.25, **keys}


def prm_job(folder, backbone, **keys):
    return tiny.job(folder, "prms", prm_spec(**keys), {"backbone": backbone, "tokenizer": backbone})


def label(question_id, sample, step, soft, finished=False):
    return {
        "question_id": question_id, "sample": sample, "step": step, "soft": soft, "hard": soft > 0,
        "finished": finished, "rollouts": 4, "successes": round(4 * soft),
    }  # fmt: skip


def rows_with(rule, count=40, steps=3) -> list[dict]:
    """Trajectories whose step targets follow ``rule`` (of the last token of the step)."""
    rng = random.Random(3)
    rows = [tiny.trajectory(f"q{i}", 0, rng, steps=steps) for i in range(count)]
    for row in rows:
        row["soft"] = [float(rule(row["token_ids"][end - 1])) for end in row["step_ends"]]
        row["hard"] = [soft > 0 for soft in row["soft"]]
        row["finished"] = [False] * (steps - 1) + [True]
        row["rollouts"], row["successes"] = [4] * steps, [round(4 * soft) for soft in row["soft"]]
    return rows


def test_what_labels_say_in_the_order_of_steps():
    labels = [label("a", 0, 2, 1.0, True), label("a", 0, 0, 0.25), label("b", 0, 0, 0.0), label("a", 0, 1, 0.5)]
    trajectories = [
        {"question_id": "a", "sample": 0, "step_ends": [1, 2, 3]},
        {"question_id": "a", "sample": 1, "step_ends": [1]},
    ]
    counts = Counts(2)
    (row,) = labelled_trajectories(trajectories, labels, counts)
    assert row["soft"] == [0.25, 0.5, 1.0] and row["successes"] == [1, 2, 4] and row["hard"] == [True] * 3
    assert counts.dropped == {"trajectory without labels": 1}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"target": "soft"}, [0.75, 0.25, 1.0]),
        ({"target": "posterior"}, [4 / 6, 2 / 6, 1.0]),
        ({"target": "posterior", "loss": "mse", "recoveries": "monotone"}, [4 / 6, 2 / 6, 0]),
        ({"target": "hard"}, [1, 1, 1]),
        ({"target": "threshold"}, [1, 0, 1]),
        ({"target": "threshold", "recoveries": "monotone"}, [1, 0, 0]),
        ({"target": "soft", "recoveries": "monotone"}, [0.75, 0.25, 0]),
        ({"target": "threshold", "recoveries": "drop"}, [1, 0, -100]),
    ],
)
def test_targets(keys, expected):
    row = {"soft": [0.75, 0.25, 1.0], "hard": [True] * 3, "successes": [3, 1, 1], "rollouts": [4, 4, 1]}
    row |= {"finished": [False, False, True]}
    spec = PerStep.model_validate(prm_spec(**keys))
    assert step_targets(spec, row) == pytest.approx(expected)
    gap = {name: [values[0], -100 if name != "finished" else False, *values[1:]] for name, values in row.items()}
    assert step_targets(spec, gap) == pytest.approx([expected[0], -100, *expected[1:]])


def test_means_without_counts_have_no_posterior(backbone):
    rows = rows_with(lambda token: 1.0, count=1)
    rows[0]["rollouts"] = [0] * 3
    spec = PerStep.model_validate(prm_spec(target="posterior"))
    with pytest.raises(StepladderError, match="question q0, sample 0: hold means without counts; target: posterior"):
        make_task(spec, tiny.prm(backbone), rows)


@given(st.floats(0.05, 0.95))
def test_held_out_questions_are_a_share_decided_by_the_question_alone(share):
    ids = [f"question {i}" for i in range(400)]
    held = {name for name in ids if is_held_out(name, share)}
    assert held == {name for name in reversed(ids) if is_held_out(name, share)}
    assert abs(len(held) / 400 - share) < 5 * math.sqrt(share * (1 - share) / 400)
    assert all(is_held_out(name, min(share + 0.04, 1)) for name in held)


def total_of(backbone, rows, chosen=None, **keys) -> tuple[float, float]:
    """The first loss of a new model on some of the rows, as a sum, and the units that it is over."""
    model = tiny.prm(backbone, **keys)
    task = make_task(PerStep.model_validate(prm_spec(**keys)), model, rows)
    chosen = range(len(rows)) if chosen is None else chosen
    total = task.loss(model([task.readings[i] for i in chosen]), chosen)
    return total.item(), sum(task.weights[i] for i in chosen)


def test_the_first_loss_of_a_zero_head(backbone):
    rows = rows_with(lambda token: token % 2)
    total, units = total_of(backbone, rows, loss="bce")
    assert units == sum(len(row["soft"]) for row in rows)
    assert total / units == pytest.approx(math.log(2), abs=1e-6)

    total, units = total_of(backbone, rows, loss="rank", target="hard", zeta=4.0)
    expected = []
    for row in rows:
        wrong = sum(target == 0 for target in row["soft"])
        terms = [math.log(1 + wrong * math.exp(4))] if wrong else []
        right = 0
        for target in row["soft"]:
            if target == 1:
                right += 1
                terms.append(math.log(1 + right + wrong * math.exp(4)))
        expected.append(sum(terms) / len(terms))
    assert units == len(rows)
    assert total / units == pytest.approx(sum(expected) / len(expected), rel=1e-5)


LOSSES = {
    "bce": lambda scores, targets: losses.bce_loss(scores, targets),
    "bce_as_published": lambda scores, targets: losses.bce_loss_in_bf16(scores, targets),
    "mse": lambda scores, targets: losses.mse_loss(scores, targets),
    "orm": lambda scores, targets: losses.orm_loss(scores, targets, "no_error"),
    "rank": lambda scores, targets: losses.rank_loss(scores, targets, 2.0, True),
    "theory_rank": lambda scores, targets: losses.theory_rank_loss(scores, targets, 2.0, True),
    "ablated_rank": lambda scores, targets: losses.ablated_rank_loss(scores, targets, True),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_parts_of_a_batch_add_up_to_its_loss(loss):
    """What gradient accumulation and several ranks rest on; a row without a real step has no part in it."""
    torch.manual_seed(0)
    scores = torch.randn(9, 4) * 3
    targets = torch.randint(0, 2, (9, 4)).float()
    targets[2, 2:] = targets[5, 1:] = targets[7] = -100.0
    keys = prm_spec(loss=loss, target="hard", zeta=2.0, double_count=True, orm_target="no_error")
    spec = PerStep.model_validate(keys)
    whole = step_loss(spec, scores, targets)
    parts = [step_loss(spec, scores[place], targets[place]) for place in (slice(0, 4), slice(4, 7), slice(7, 9))]
    assert whole.item() == pytest.approx(sum(part.item() for part in parts), rel=1e-5)
    units = (targets != -100).sum().item() if loss in ("bce", "bce_as_published", "mse") else 8
    assert whole.item() == pytest.approx(units * LOSSES[loss](scores, targets).item(), rel=1e-5)


def test_every_key_of_a_loss_reaches_it(backbone):
    rows = rows_with(lambda token: token % 2, steps=4)
    base = {"loss": "rank", "target": "hard", "initial_head": "random"}
    totals = {
        name: total_of(backbone, rows, **base | keys)[0]
        for name, keys in {
            "rank": {}, "zeta": {"zeta": 2.0}, "double": {"double_count": True}, "theory": {"loss": "theory_rank"},
            "ablated": {"loss": "ablated_rank"}, "orm": {"loss": "orm"}, "no error": {"loss": "orm", "orm_target":
            "no_error"}, "monotone": {"recoveries": "monotone"}, "drop": {"recoveries": "drop"}, "bce": {"loss": "bce"},
        }.items()
    }  # fmt: skip
    assert len({round(total, 3) for total in totals.values()}) == len(totals)


@pytest.mark.parametrize("loss", ["bce", "rank"])
def test_a_model_learns_forty_rows_by_heart(backbone, tmp_path, loss):
    rows = rows_with(lambda token: token % 2)
    optimisation = {"learning_rate": 1e-2, "batch_size": 16, "steps": 60, "decay": 0.3}
    job = prm_job(tmp_path, backbone, loss=loss, target="hard", optimisation=optimisation)
    assert judge_prm(tiny.prm(backbone), rows, "")["step_auc"] == 0.5
    trainer, metrics = train_prm(job, rows)
    tokens = sum(len(row["prompt_ids"]) + len(row["token_ids"]) for row in rows)
    assert metrics["trained_tokens"] == 20 * tokens  # 3 batches an epoch
    assert metrics["initial_loss"] == metrics["initial_closed_form_loss"]
    assert metrics["mean_loss"] < metrics["closed_form_loss"] and metrics["loss_above_start"] is False
    trainer.finish(job, {"step_auc": 1.0}, Counts(40))
    learnt = judge_prm(load_prm(tmp_path / "checkpoint", "line", backbone), rows, "")
    assert learnt["step_auc"] > 0.99 and learnt["order_accuracy"] > 0.97
    assert learnt == judge_prm(trainer.bare_model, rows, "")
    history = [point["loss"] for point in trainer.history]
    assert len(history) == 60 and history[-1] < 0.1 * history[0]
    if loss == "bce":
        assert history[0] == pytest.approx(math.log(2), abs=1e-5)
    assert read_json(tmp_path / "metrics.json")["metrics"] == {"step_auc": 1.0}
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 60
    assert not job.checkpoint.exists()


def test_a_head_has_a_learning_rate_of_its_own(backbone, tmp_path):
    rows = rows_with(lambda token: token % 2, count=8)
    optimisation = {"learning_rate": 1e-30, "steps": 1, "warmup": 0.0, "decay": 0.0}
    trainer, _ = train_prm(prm_job(tmp_path, backbone, head_learning_rate=0.5, optimisation=optimisation), rows)
    assert trainer.bare_model.head.weight.abs().max().item() == pytest.approx(0.5, rel=1e-3)
    assert torch.equal(trainer.bare_model.backbone.embed_tokens.weight, tiny.model().model.embed_tokens.weight)


def test_a_loss_that_stays_above_its_start_is_told_once(backbone, tmp_path, capsys):
    rows = rows_with(lambda token: random.Random(token).random() < 0.5)
    optimisation = {"learning_rate": 3.0, "batch_size": 16, "steps": 6, "decay": 0.0, "clip_norm": None}
    _, metrics = train_prm(prm_job(tmp_path, backbone, optimisation=optimisation), rows)
    assert metrics["loss_above_start"] is True
    assert metrics["closed_form_loss"] == pytest.approx(math.log(2), abs=1e-5)
    told = [line for line in capsys.readouterr().err.splitlines() if "a model that knows nothing" in line]
    assert len(told) == 1 and f"{metrics['mean_loss']:.4f}" in told[0] and "0.6931" in told[0]


@pytest.mark.parametrize(
    ("keys", "lines"),
    [({"loss": "rank", "zeta": 0}, 1), ({"loss": "rank", "zeta": 0.5}, 0), ({"loss": "ablated_rank", "zeta": 0}, 0)],
)
def test_a_rank_loss_without_a_margin_is_told_once(backbone, tmp_path, capsys, keys, lines):
    rows = rows_with(lambda token: token % 2, count=8)
    train_prm(prm_job(tmp_path, backbone, target="hard", optimisation={"steps": 1}, **keys), rows)
    assert capsys.readouterr().err.count("zeta is 0: no margin lies between right and wrong steps") == lines


def test_the_warm_up_is_left_out_of_the_alarm():
    points = [{"step": i + 1, "loss": loss, "closed_form_loss": 1.0} for i, loss in enumerate([1.0, 9.0, 0.9, 0.7])]
    assert course(points, 2) == {
        "initial_loss": 1.0, "initial_closed_form_loss": 1.0, "mean_loss": pytest.approx(0.8), "closed_form_loss": 1.0,
        "loss_above_start": False,
    }  # fmt: skip
    assert course(points, 1)["loss_above_start"] is True
    assert course(points[:2], 2)["mean_loss"] == 9.0
    assert course([], 0) == {}


def test_nothing_to_train_on_is_one_line(backbone, tmp_path):
    job = prm_job(tmp_path, backbone)
    with pytest.raises(StepladderError, match="no labelled trajectory"):
        train_prm(job, [])


def test_judging_leaves_outcomes_out_where_it_says_so(backbone):
    model = tiny.prm(backbone)
    torch.manual_seed(0)
    torch.nn.init.normal_(model.head.weight)
    rows = rows_with(lambda token: token % 3 == 0)
    scores = model.score(rows)
    for row, values in zip(rows, scores, strict=True):  # estimates agree with the scores, outcomes contradict them
        row["soft"] = [*(float(value > 0) for value in values[:-1]), float(values[-1] <= 0)]
    judged = judge_prm(model, rows, "")
    assert judged["unfinished_step_auc"] == 1.0 and judged["step_auc"] < 1.0
    assert 0 < judged["share_right_above_zero"] < 1 and 0 < judged["share_wrong_below_zero"] < 1
    assert sum(bin_["count"] for bin_ in judged["calibration"]) == judged["steps"] == 120


def test_judging_passes_over_steps_that_nobody_labelled():
    """They count for nothing, whatever their score; the others keep their place and the length of their trajectory."""
    rng = random.Random(0)
    scores = [[rng.gauss(0, 2) for _ in range(4)] for _ in range(30)]
    rows = [{"question_id": f"q{i}", "soft": [float(rng.random() < 0.6) for _ in range(4)]} for i in range(30)]
    gaps = [row | {"soft": [row["soft"][0], -100, -100, row["soft"][3]]} for row in rows]
    judged = judge_scores(scores, gaps)
    assert judged == judge_scores([[steps[0], 99.0, -99.0, steps[3]] for steps in scores], gaps)
    without = judge_scores(
        [[steps[0], steps[3]] for steps in scores],
        [row | {"soft": [row["soft"][0], row["soft"][3]]} for row in rows],
    )
    same = ("steps", "step_auc", "unfinished_step_auc", "order_accuracy", "calibration_error", "first_error")
    assert {name: judged[name] for name in same} == {name: without[name] for name in same}
    assert judged["first_error"] is not None and judged["steps"] == 60
    assert [group["value"] for group in judged["by_position"]] == [0, 3]
    assert [group["value"] for group in judged["by_length"]] == [4]


def test_numbers_that_do_not_exist_are_null(backbone):
    judged = judge_prm(tiny.prm(backbone), rows_with(lambda token: 1.0, count=3, steps=1), "")
    assert judged["step_auc"] is None and judged["order_accuracy"] is None and judged["share_wrong_below_zero"] is None
