"""RestEM's rounds: the loss as published, and the round that a split of its own chooses."""

import json
import random

import pytest
from study_files import edited, put, study_from

import tiny
from stepladder.policies.actor_critic import frozen_logprobs
from stepladder.policies.choice import accuracy, chosen
from stepladder.policies.language import load_policy, right_answer_sequences, train_language
from stepladder.records import Counts
from stepladder.study.faults import StudyFaults

ROUND = {"method": "restem", "from": "sft", "trajectories": "samples"}


def dev(policy, **keys):
    return {"method": "sampled", "policy": policy, "questions": "six", "split": "rl", "samples": 2, **keys}


def with_rounds(*edits):
    """The small study with two rounds, the second from samples of the first, and a choice between them."""
    return edited(
        put("policies.one", {**ROUND}),
        put("trajectories.again", {"method": "sampled", "policy": "one", "questions": "six", "split": "rl"}),
        put("policies.two", ROUND | {"trajectories": "again"}),
        put("evaluations.dev_one", dev("one")),
        put("evaluations.dev_two", dev("two")),
        put("policies.best", {"method": "select", "among": ["dev_one", "dev_two"]}),
        put("evaluations.best", dev("best", split="test")),
        *edits,
    )


def answer(dataset, question, correct, decoding="sampled"):
    return {"dataset": dataset, "question_id": question, "decoding": decoding, "correct": correct}


def test_accuracy_is_the_mean_of_data_sets_of_questions_of_answers():
    rows = [answer("a", "1", True), answer("a", "1", False), answer("a", "2", False), answer("b", "3", True)]
    greedy = [answer("a", "1", True, "greedy"), answer("a", "2", True, "greedy"), answer("b", "3", False, "greedy")]
    assert accuracy([*rows, *greedy], "mean_sample") == pytest.approx((0.25 + 1) / 2)
    assert accuracy([*rows, *greedy], "greedy") == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("accuracies", "best", "first_fall"),
    [([0.4, 0.5, 0.5, 0.45, 0.6], 4, 2), ([0.5, 0.4, 0.5], 0, 0), ([0.1, 0.2], 1, 1), ([0.3, 0.3], 0, 1)],
)
def test_the_round_that_is_kept(accuracies, best, first_fall):
    assert chosen(accuracies, "best") == best
    assert chosen(accuracies, "first_fall") == first_fall


def test_rounds_start_from_one_policy_and_the_choice_reads_their_evaluations():
    study = study_from(with_rounds())
    first, second = (study.inputs("policies", name, 0) for name in ("one", "two"))
    assert first["start"] == second["start"] and "policies/sft/" in first["start"]
    assert "trajectories/again/" in second["trajectories"]
    choice = study.inputs("policies", "best", 1)
    assert [path.split("/")[-3:-1] for path in choice["policies"]] == [["one", "seed1"], ["two", "seed1"]]
    assert [path.split("/")[-3:-1] for path in choice["answers"]] == [["dev_one", "seed1"], ["dev_two", "seed1"]]
    assert study.request("light", "policies", "best", 1) == study.request("light", "rewards", "wrs", 1)


@pytest.mark.parametrize(
    ("edit", "location", "words"),
    [
        (put("evaluations.best.split", "rl"), "evaluations.best.split", "accuracy there is no result"),
        (put("evaluations.dev_two.split", "test"), "policies.best.among", "answer different questions"),
        (put("evaluations.dev_two.samples", 0), "policies.best.among.1", "has no samples"),
        (put("policies.best.among", ["dev_one"]), "policies.best.among", "at least 2"),
        (put("policies.best.among", ["dev_one", "sft_"]), "policies.best.among.1", "no node 'sft_'"),
        (
            put("evaluations.dev_two", {"method": "given", "trajectories": "samples"}),
            "policies.best.among.1",
            "of no policy",
        ),
    ],
)
def test_a_choice_that_would_not_be_honest_is_one_line(edit, location, words):
    with pytest.raises(StudyFaults) as caught:
        study_from(with_rounds(edit))
    (line,) = caught.value.lines
    assert line.startswith(f"--config: {location}: ") and words in line


@pytest.mark.parametrize(("mean_over", "temperature"), [("tokens", 1.0), ("answers", 1.0), ("answers", 0.6)])
def test_the_loss_is_a_mean_over_tokens_or_over_answers_at_a_temperature(mean_over, temperature, tmp_path):
    start = tiny.checkpoint(tmp_path / "start")
    rng = random.Random(0)
    sampled = [{**tiny.trajectory(f"q{i}", 0, rng), "finish_reason": "stop", "correct": True} for i in range(6)]
    rows = right_answer_sequences(sampled, 4, tiny.CONTEXT, Counts())
    assert len({row.targets for row in rows}) > 1
    optimisation = {"batch_size": len(rows), "micro_batch": 2, "steps": 1}
    spec = {"method": "restem", "from": "p", "trajectories": "t", "mean_over": mean_over, "optimisation": optimisation}
    spec["temperature"] = temperature
    job = tiny.job(tmp_path / "out", "policies", spec, {"start": start})
    train_language(job, rows, Counts(), job.spec.mean_over, job.spec.temperature)
    logprobs = frozen_logprobs(load_policy(start), rows, temperature)
    by_answer = sum(each.mean().item() for each in logprobs) / len(rows)
    by_token = sum(each.sum().item() for each in logprobs) / sum(row.targets for row in rows)
    point = json.loads((tmp_path / "out" / "history.jsonl").read_text())
    assert abs(by_answer - by_token) > 1e-4
    assert point["loss"] == pytest.approx(-(by_answer if mean_over == "answers" else by_token), rel=1e-5)
