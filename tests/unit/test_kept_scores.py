"""Scores and reference log-probs piece by piece: the numbers of one pass to the last bit, and nothing made twice."""

import random

import pytest
import torch
from torch import nn

import tiny
from stepladder.errors import StepladderError
from stepladder.policies import dpo
from stepladder.policies.dpo import reference_logprobs, reference_rows
from stepladder.rewards import scoring
from stepladder.rewards.scores import score_rows, sigmoid
from stepladder.rewards.scoring import score_trajectories, step_probabilities
from stepladder.training import batches as batches_module
from stepladder.training.batches import batches_by_tokens, pieces_by_tokens

SCORES = {"prm": "p", "trajectories": "t"}


@pytest.fixture
def small_pieces(monkeypatch):
    """Few tokens a batch and two batches a piece, so that a few rows are several pieces of several batches."""
    batch = lambda lengths, tokens=60: batches_by_tokens(lengths, tokens)  # noqa: E731
    monkeypatch.setattr(batches_module, "batches_by_tokens", batch)
    monkeypatch.setattr(dpo, "batches_by_tokens", batch)
    monkeypatch.setattr("stepladder.rewards.heads.base.batches_by_tokens", batch)
    for module in (scoring, dpo):
        monkeypatch.setattr(module, "pieces_by_tokens", lambda lengths: pieces_by_tokens(lengths, 2))


@pytest.fixture(scope="module")
def prm(tmp_path_factory):
    model = tiny.prm(tiny.checkpoint(tmp_path_factory.mktemp("start")))
    torch.manual_seed(3)
    nn.init.normal_(model.head.weight)
    return model


def _trajectories() -> list[dict]:
    rng = random.Random(5)
    rows = [tiny.trajectory(f"q{i}", s, rng, steps=rng.randint(1, 5), prompt=4 + i) for i in range(8) for s in (0, 1)]
    return [*rows, tiny.trajectory("empty", 0, rng, steps=0)]


def _pairs() -> list[dict]:
    rng = random.Random(7)
    pairs = []
    for number in range(14):
        one, other = (tiny.trajectory(f"q{number}", s, rng, steps=rng.randint(1, 6)) for s in (0, 1))
        pairs.append(
            {
                "pair_id": f"{number * 37 % 14:02}",
                "prompt_ids": one["prompt_ids"],
                "chosen_ids": one["token_ids"],
                "rejected_ids": other["token_ids"],
            }
        )
    return pairs


def test_pieces_hold_whole_batches_of_the_plan_and_every_row_once():
    rng = random.Random(1)
    for _ in range(50):
        lengths = [rng.randint(1, 60) for _ in range(rng.randint(0, 80))]
        pieces = pieces_by_tokens(lengths, 3)
        again = [
            [piece[i] for i in batch]
            for piece in pieces
            for batch in batches_by_tokens([lengths[row] for row in piece])
        ]
        assert again == batches_by_tokens(lengths)


def test_scores_are_those_of_one_pass_in_the_order_of_the_trajectories(tmp_path, prm, small_pieces):
    trajectories = _trajectories()
    job = tiny.job(tmp_path, "scores", SCORES)
    rows = score_trajectories(job, prm, trajectories, job.checkpoint / "scores")
    logits = prm.score(trajectories)
    expected = score_rows(trajectories, logits)
    assert [{**row, "score": None} for row in rows] == [{**row, "score": None} for row in expected]
    assert [row["score"] for row in rows] == pytest.approx([row["score"] for row in expected], rel=1e-6)
    probabilities = step_probabilities(job, prm, trajectories, job.checkpoint / "scores")
    assert probabilities == [[sigmoid(logit) for logit in steps] for steps in logits]
    assert len(list((job.checkpoint / "scores").glob("chunk-*.parquet"))) > 2


def test_reference_logprobs_are_those_of_one_pass(tmp_path, small_pieces):
    pairs, model = _pairs(), tiny.model().eval()
    job = tiny.job(tmp_path, "pairs", {"kind": "outcome", "rewards": "r", "reference": "s"})
    rows = reference_rows(job, model, pairs)
    assert rows == reference_logprobs(model, pairs, "")
    assert [row["pair_id"] for row in rows] == sorted(pair["pair_id"] for pair in pairs)
    assert len(list((job.checkpoint / "reference").glob("chunk-*.parquet"))) > 2


@pytest.mark.parametrize("what", ["scores", "reference"])
def test_a_stopped_pass_keeps_its_pieces_and_goes_on(tmp_path, prm, small_pieces, monkeypatch, what):
    trajectories, pairs, policy = _trajectories(), _pairs(), tiny.model().eval()
    module, name = (type(prm), "score") if what == "scores" else (dpo, "reference_logprobs")

    def rows(folder):
        job = tiny.job(folder, "scores", SCORES)
        if what == "scores":
            return score_trajectories(job, prm, trajectories, job.checkpoint / what)
        return reference_rows(job, policy, pairs)

    whole, passes = getattr(module, name), []

    def stopped_once(model, chosen, label):
        passes.append(label)
        if len(passes) == 3:
            raise StepladderError("stopped")
        return whole(model, chosen, label)

    monkeypatch.setattr(module, name, stopped_once)
    with pytest.raises(StepladderError, match="stopped"):
        rows(tmp_path)
    stopped = rows(tmp_path)
    assert [label.split()[4].partition("/")[0] for label in passes[:4]] == ["1", "2", "3", "3"]
    assert stopped == rows(tmp_path / "undisturbed")
