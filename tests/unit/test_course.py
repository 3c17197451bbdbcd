"""The course of an on-policy training: what is said of its iterations, what they took, when they end."""

from types import SimpleNamespace

import pytest
from onpolicy_scene import episodes, ppo, prepared

import tiny
from stepladder.policies import course
from stepladder.policies.course import Phases, describe, generated_tokens, is_over, note, position, totals
from stepladder.policies.updates import update


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("start"))


def test_what_is_said_of_an_iteration(start):
    spec = ppo(whiten="none", rewards="r")
    found, _ = prepared(start, spec)
    for episode in found:
        episode.trajectory["logprobs"] = (episode.old_logprobs + 0.25).tolist()
    said = describe(found, spec)
    assert said["reward"] == said["shaped"] == pytest.approx(sum(e.reward.reward for e in found) / 8)
    assert said["accuracy"] == pytest.approx(sum(e.trajectory["correct"] for e in found) / 8)
    assert said["unparsable"] == pytest.approx(sum(e.trajectory["answer"] is None for e in found) / 8)
    assert said["tokens"] == pytest.approx(sum(len(e.trajectory["token_ids"]) for e in found) / 8)
    assert said["sequence_tokens"] == pytest.approx(sum(len(e.sequence.ids) for e in found) / 8)
    assert said["sampler_kl"] == pytest.approx(0.25, abs=1e-5)
    for episode in found:
        episode.values = episode.returns.clone()
    assert describe(found, spec)["explained_variance"] == pytest.approx(1.0)
    bare = describe(found, ppo(credit={"kind": "rollouts"}, temperature=0.6))
    assert not bare.keys() & {"shaped", "sampler_kl", "explained_variance"}
    assert "sampler_kl" not in describe(found, ppo(top_p=0.9))


def test_what_all_iterations_took():
    points = [{"tokens": 10.0, "sequence_tokens": 15.0, "generated_tokens": 60 * i} for i in (1, 2)]
    keys = {"iterations": 7, "questions_per_iteration": 3, "epochs": 2}
    assert totals(points, ppo(**keys)) == {
        "iterations": 2, "generated_tokens": 2 * 6 * 10, "trained_tokens": 2 * 2 * 6 * 15,
    }  # fmt: skip
    rolled = {"rollout_tokens": 100, "rollouts": 21, "states": 9, "distinct_states": 7}
    points = [point | rolled | {"generated_tokens": 160 * i} for i, point in enumerate(points, start=1)]
    assert totals(points, ppo(credit={"kind": "rollouts"}, **keys)) == {
        "iterations": 2, "generated_tokens": 2 * 6 * 10 + 200, "trained_tokens": 2 * 2 * 6 * 15,
        "rollout_tokens": 200, "rollouts": 42, "states": 18, "distinct_states": 14,
    }  # fmt: skip


def test_a_training_ends_with_its_last_iteration_or_with_the_one_that_spends_its_tokens():
    points = [{"generated_tokens": 100 * i} for i in (1, 2, 3)]
    plain, bounded = ppo(iterations=3), ppo(iterations=3, token_budget=200)
    assert [is_over(points[:i], plain) for i in range(4)] == [False, False, False, True]
    assert [is_over(points[:i], bounded) for i in range(4)] == [False, False, True, True]
    assert not is_over(points[:2], ppo(iterations=3, token_budget=201)), "an iteration more, which goes beyond"
    assert [position(points[:i], bounded) for i in range(4)] == [0, 100, 200, 200]
    assert [position(points[:i], plain) for i in range(4)] == [0, 1, 2, 3]


def test_tokens_of_episodes_and_rollouts_are_spent():
    found = episodes()
    own = sum(len(episode.trajectory["token_ids"]) for episode in found)
    assert generated_tokens([], found) == own
    assert generated_tokens([{"generated_tokens": 5}], found, {"rollout_tokens": 7}) == own + 12


def test_with_a_token_budget_the_learning_rate_follows_the_tokens(start):
    spec = ppo(
        iterations=1000, token_budget=400, optimisation={"batch_size": 4, "learning_rate": 1e-3, "decay": 1.0},
        credit={"kind": "leave_one_out"},
    )  # fmt: skip
    found, trainer = prepared(start, spec)
    rates = []
    for generated in (100, 200, 500):
        losses = update(found, spec, trainer, 0, seed=0, generated=generated)
        trainer.history.append({"generated_tokens": generated})
        rates.append(losses["learning_rate"])
    # Means of two updates each, at a quarter and at three quarters of the iteration's tokens; none beyond the end.
    shares = [(0.0625 + 0.1875) / 2, (0.3125 + 0.4375) / 2, (0.6875 + 1.0) / 2]
    assert rates == pytest.approx([1e-3 * (1 - share) for share in shares], rel=1e-2)


def test_the_bar_says_how_fast_an_iteration_sampled():
    point = {"reward": 0.5, "accuracy": 0.25, "kl": 0.01, "sampling_seconds": 2.0, "rollout_seconds": 3.0}
    points = [point | {"generated_tokens": 100}, point | {"generated_tokens": 600}]
    assert note(points[:1], ppo()).endswith("kl 0.0100 20 tokens/s")
    assert note(points, ppo()) == "reward 0.500 accuracy 0.250 kl 0.0100 100 tokens/s"
    bounded = ppo(token_budget=1000)
    assert note(points, bounded) == "iteration 2 reward 0.500 accuracy 0.250 kl 0.0100 100 tokens/s"


def test_phases_take_all_of_the_time_and_follow_each_other(monkeypatch):
    clock = iter([10.0, 11.0, 13.5])
    monkeypatch.setattr(course, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    phases = Phases()
    phases.end("swap")
    phases.end("update")
    assert phases.seconds == {"swap_seconds": 1.0, "update_seconds": 2.5}
