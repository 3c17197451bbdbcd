"""Training a process reward model: its targets, its first loss, its held-out questions, and that it learns."""

import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from stepladder.errors import StepladderError
from stepladder.evaluation.prm import judge_prm
from stepladder.records import Counts, read_json
from stepladder.rewards.losses import rank_loss
from stepladder.rewards.model import collate_steps, load_prm, new_prm, score_steps
from stepladder.rewards.training import is_held_out, labelled_trajectories, pad_targets, step_loss, train_prm
from stepladder.study.specs.prms import PerStep


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("backbone"))


def prm_spec(**keys) -> dict:
    return {"labels": "l", "backbone": "b", "heldout": 0.25, **keys}


def label(question_id, sample, step, soft, finished=False):
    return {
        "question_id": question_id, "sample": sample, "step": step, "soft": soft, "hard": soft > 0,
        "finished": finished,
    }  # fmt: skip


def rows_with(rule, count=40, steps=3) -> list[dict]:
    """Trajectories whose step targets follow ``rule`` (of the last token of the step)."""
    rng = random.Random(3)
    rows = [tiny.trajectory(f"q{i}", 0, rng, steps=steps) for i in range(count)]
    for row in rows:
        row["targets"] = row["soft"] = [float(rule(row["token_ids"][end - 1])) for end in row["step_ends"]]
    return rows


@pytest.mark.parametrize(
    ("target", "expected"), [("soft", [0.25, 0.5, 1.0]), ("hard", [1.0, 1.0, 1.0]), ("threshold", [0.0, 1.0, 1.0])]
)
def test_targets_are_the_labels_in_the_order_of_steps(target, expected):
    labels = [label("a", 0, 2, 1.0, True), label("a", 0, 0, 0.25), label("b", 0, 0, 0.0), label("a", 0, 1, 0.5)]
    trajectories = [
        {"question_id": "a", "sample": 0, "step_ends": [1, 2, 3]},
        {"question_id": "a", "sample": 1, "step_ends": [1]},
    ]
    counts = Counts(2)
    (row,) = labelled_trajectories(trajectories, labels, target, counts)
    assert row["targets"] == expected and row["soft"] == [0.25, 0.5, 1.0]
    assert counts.dropped == {"trajectory without labels": 1}


@given(st.floats(0.05, 0.95))
def test_held_out_questions_are_a_share_decided_by_the_question_alone(share):
    ids = [f"question {i}" for i in range(400)]
    held = {name for name in ids if is_held_out(name, share)}
    assert held == {name for name in reversed(ids) if is_held_out(name, share)}
    assert abs(len(held) / 400 - share) < 5 * math.sqrt(share * (1 - share) / 400)
    assert all(is_held_out(name, min(share + 0.04, 1)) for name in held)


def test_the_first_loss_of_a_zero_head(backbone):
    model = new_prm(backbone, "line", "bce")
    rows = rows_with(lambda token: token % 2)
    ids, attention, ends = collate_steps(rows, torch.device("cpu"))
    scores, targets = model(ids, attention, ends), pad_targets(rows, ends.size(1))
    total, units = step_loss(PerStep.model_validate(prm_spec(loss="bce")), scores, targets)
    assert units == sum(len(row["targets"]) for row in rows)
    assert total.item() / units == pytest.approx(math.log(2), abs=1e-6)

    total, units = step_loss(PerStep.model_validate(prm_spec(loss="rank", target="hard", zeta=4.0)), scores, targets)
    expected = []
    for row in rows:
        wrong = sum(target == 0 for target in row["targets"])
        terms = [math.log(1 + wrong * math.exp(4))] if wrong else []
        right = 0
        for target in row["targets"]:
            if target == 1:
                right += 1
                terms.append(math.log(1 + right + wrong * math.exp(4)))
        expected.append(sum(terms) / len(terms))
    assert units == len(rows)
    assert total.item() / units == pytest.approx(sum(expected) / len(expected), rel=1e-5)


@pytest.mark.parametrize("loss", ["bce", "rank", "mse", "orm"])
def test_parts_of_a_batch_add_up_to_its_loss(loss):
    """What gradient accumulation and several ranks rest on."""
    torch.manual_seed(0)
    scores = torch.randn(9, 4)
    targets = torch.randint(0, 2, (9, 4)).float()
    targets[2, 2:] = targets[5, 1:] = -100.0
    spec = PerStep.model_validate(prm_spec(loss=loss, target="hard", zeta=2.0))
    whole, units = step_loss(spec, scores, targets)
    parts = [step_loss(spec, scores[place], targets[place]) for place in (slice(0, 4), slice(4, 5), slice(5, 9))]
    assert whole.item() == pytest.approx(sum(part.item() for part, _ in parts), rel=1e-5)
    assert units == sum(count for _, count in parts)
    if loss == "rank":
        assert whole.item() == pytest.approx(9 * rank_loss(scores, targets, 2.0).item(), rel=1e-5)


def test_padding_of_targets():
    assert pad_targets([{"targets": [0.5]}, {"targets": [1.0, 0.0]}], 3).tolist() == [[0.5, -100, -100], [1, 0, -100]]


@pytest.mark.parametrize("loss", ["bce", "rank"])
def test_a_model_learns_forty_rows_by_heart(backbone, tmp_path, loss):
    rows = rows_with(lambda token: token % 2)
    optimisation = {"learning_rate": 1e-2, "batch_size": 16, "steps": 60, "decay": 0.3}
    job = tiny.job(
        tmp_path, "prms", prm_spec(loss=loss, target="hard", optimisation=optimisation), {"backbone": backbone}
    )
    before = judge_prm(new_prm(backbone, "line", loss).eval(), rows, "")
    assert before["step_auc"] == 0.5
    trainer, tokens = train_prm(job, rows)
    assert tokens == 20 * sum(len(row["prompt_ids"]) + len(row["token_ids"]) for row in rows)  # 3 batches an epoch
    trainer.finish(job, {"step_auc": 1.0}, Counts(40))
    learnt = judge_prm(load_prm(tmp_path / "checkpoint", "line"), rows, "")
    assert learnt["step_auc"] > 0.99 and learnt["order_accuracy"] > 0.97
    assert learnt == judge_prm(trainer.bare_model.eval(), rows, "")
    history = [point["loss"] for point in trainer.history]
    assert len(history) == 60 and history[-1] < 0.1 * history[0]
    if loss == "bce":
        assert history[0] == pytest.approx(math.log(2), abs=1e-5)
    assert read_json(tmp_path / "metrics.json")["metrics"] == {"step_auc": 1.0}
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 60
    assert not job.checkpoint.exists()


def test_nothing_to_train_on_is_one_line(backbone, tmp_path):
    job = tiny.job(tmp_path, "prms", prm_spec(), {"backbone": backbone})
    with pytest.raises(StepladderError, match="no labelled trajectory"):
        train_prm(job, [])


def test_judging_leaves_outcomes_out_where_it_says_so(backbone):
    model = new_prm(backbone, "line", "bce").eval()
    torch.manual_seed(0)
    torch.nn.init.normal_(model.head.weight)
    rows = rows_with(lambda token: token % 3 == 0)
    scores = score_steps(model, rows, label="")
    for row, values in zip(rows, scores, strict=True):  # estimates agree with the scores, outcomes contradict them
        row["soft"] = [*(float(value > 0) for value in values[:-1]), float(values[-1] <= 0)]
    judged = judge_prm(model, rows, "")
    assert judged["unfinished_step_auc"] == 1.0 and judged["step_auc"] < 1.0
    assert 0 < judged["share_right_above_zero"] < 1 and 0 < judged["share_wrong_below_zero"] < 1
    assert sum(bin_["count"] for bin_ in judged["calibration"]) == judged["steps"] == 120


def test_numbers_that_do_not_exist_are_null(backbone):
    judged = judge_prm(new_prm(backbone, "line", "bce").eval(), rows_with(lambda token: 1.0, count=3, steps=1), "")
    assert judged["step_auc"] is None and judged["order_accuracy"] is None and judged["share_wrong_below_zero"] is None
