"""PPO's episodes: advantages by hand, first updates, questions, and the order of several ranks."""

import copy
import random
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

import tiny
from stepladder.errors import StepladderError
from stepladder.generation.requests import Completion
from stepladder.policies import onpolicy
from stepladder.policies.actor_critic import ActorCritic
from stepladder.policies.episodes import Episode, Sampler, questions_of_iteration
from stepladder.policies.language import load_reference
from stepladder.policies.onpolicy import describe, gather_episodes, prepare, update
from stepladder.reasoning.tokens import encode_answer, encode_prompt
from stepladder.rewards.reward import Reward
from stepladder.rewards.shape import weibull
from stepladder.study.specs.policies import Ppo
from stepladder.training.sequences import TokenSequence
from stepladder.training.trainer import Trainer


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("start"))


def ppo(**keys) -> Ppo:
    optimisation = {"batch_size": 8, "learning_rate": 1e-3, "warmup": 0.0, "decay": 0.0} | keys.pop("optimisation", {})
    spec = {
        "method": "ppo",
        "from": "s",
        "questions": "q",
        "split": "train",
        "rewards": "r",
        "optimisation": optimisation,
    }
    return Ppo.model_validate(spec | keys)


def episodes(count=8, seed=0) -> list[Episode]:
    rng = random.Random(seed)
    found = []
    for i in range(count):
        prompt, answer = ([rng.randrange(3, 400) for _ in range(rng.randint(1, 7))] for _ in range(2))
        row = {
            "question_id": f"q{i // 2}", "sample": i % 2, "token_ids": answer, "logprobs": [-1.0] * len(answer),
            "correct": rng.random() < 0.5, "answer": rng.choice([None, "1"]),
        }  # fmt: skip
        value = rng.random()
        found.append(Episode(row, Reward(3, value, value, 0.0, value), TokenSequence((*prompt, *answer), len(prompt))))
    return found


def trainer_for(start, spec: Ppo) -> tuple[Trainer, torch.nn.Module]:
    model = ActorCritic.load(start)
    torch.manual_seed(3)
    torch.nn.init.normal_(model.value_head.weight, std=0.2)
    parts = [(model.policy, spec.optimisation.learning_rate), (model.critic, spec.critic_learning_rate)]
    parts.append((model.value_head, spec.critic_learning_rate))
    return Trainer(model, parts, spec.optimisation, 100, 0), load_reference(start)


def prepared(start, spec: Ppo) -> tuple[list[Episode], Trainer]:
    trainer, reference = trainer_for(start, spec)
    found = episodes()
    prepare(found, spec, trainer, reference)
    return found, trainer


def test_the_reward_comes_with_the_last_token_and_advantages_follow_gae(start):
    found, _ = prepared(start, ppo(gamma=0.9, lam=0.8, whiten="none"))
    for episode in found:
        values = episode.values.tolist()
        count = len(values)
        assert count == episode.sequence.targets
        rewards = [0.0] * (count - 1) + [episode.reward.reward]
        errors = [rewards[t] + 0.9 * (values[t + 1] if t + 1 < count else 0.0) - values[t] for t in range(count)]
        expected = [sum((0.9 * 0.8) ** (k - t) * errors[k] for k in range(t, count)) for t in range(count)]
        assert episode.advantages.tolist() == pytest.approx(expected, abs=1e-5)
        assert episode.returns.tolist() == pytest.approx(
            [a + v for a, v in zip(expected, values, strict=True)], abs=1e-5
        )
        assert torch.allclose(episode.old_logprobs, episode.reference_logprobs, atol=1e-5)


@pytest.mark.parametrize("how", ["full", "scale"])
def test_advantages_are_normalised_over_all_tokens_of_all_episodes(start, how):
    bare = torch.cat([e.advantages for e in prepared(start, ppo(whiten="none"))[0]])
    found, _ = prepared(start, ppo(whiten=how))
    joined = torch.cat([e.advantages for e in found])
    expected = (bare - bare.mean()) / bare.std() if how == "full" else bare / bare.square().mean().sqrt()
    assert torch.allclose(joined, expected, atol=1e-5)
    assert [len(e.advantages) for e in found] == [e.sequence.targets for e in found]
    returns = torch.cat([e.returns for e in prepared(start, ppo(whiten="none"))[0]])
    assert torch.allclose(torch.cat([e.returns for e in found]), returns, atol=1e-6)


def test_the_first_update_is_at_the_old_policy(start):
    spec = ppo()
    found, trainer = prepared(start, spec)
    losses = update(found, spec, trainer, 0, seed=0)
    joined = torch.cat([e.advantages for e in found])
    errors = torch.cat([e.returns - e.values for e in found])
    assert losses["kl"] == pytest.approx(0, abs=1e-6) and losses["clipped"] == 0.0
    assert losses["policy_loss"] == pytest.approx(-joined.mean().item(), abs=1e-5)
    assert losses["value_loss"] == pytest.approx(0.5 * errors.square().mean().item(), rel=1e-4)
    assert losses["loss"] == pytest.approx(losses["policy_loss"] + losses["value_loss"], abs=1e-5)


def test_later_updates_feel_the_reference_and_the_clip(start):
    spec = ppo(epochs=6, optimisation={"learning_rate": 3e-2, "clip_norm": None}, kl_coefficient=0.5)
    found, trainer = prepared(start, spec)
    losses = update(found, spec, trainer, 0, seed=0)
    assert trainer.steps_done == 6
    assert losses["kl"] > 1e-3 and 0 < losses["clipped"] < 1
    expected = losses["policy_loss"] + 0.5 * losses["kl"] + losses["value_loss"]
    assert losses["loss"] == pytest.approx(expected, rel=1e-4)


def test_an_update_makes_good_answers_likelier_and_bad_ones_less(start):
    spec = ppo(whiten="scale", lam=1.0, kl_coefficient=0.0)
    trainer, reference = trainer_for(start, spec)
    torch.nn.init.zeros_(trainer.bare_model.value_head.weight)
    found = episodes(2)
    found[0].reward, found[1].reward = (Reward(3, value, value, 0.0, value) for value in (1.0, -1.0))
    prepare(found, spec, trainer, reference)
    before = [episode.old_logprobs.sum() for episode in found]
    update(found, spec, trainer, 0, seed=0)
    prepare(found, spec, trainer, reference)
    after = [episode.old_logprobs.sum() for episode in found]
    assert after[0] > before[0] and after[1] < before[1]


def test_while_the_critic_warms_up_the_policy_stays(start):
    spec = ppo(critic_warmup=1, epochs=2)
    found, trainer = prepared(start, spec)
    before = copy.deepcopy(trainer.bare_model.state_dict())
    update(found, spec, trainer, 0, seed=0)
    after = trainer.bare_model.state_dict()
    policy = [name for name in before if name.startswith("policy")]
    assert policy and all(torch.equal(before[name], after[name]) for name in policy)
    assert not any(torch.equal(before[name], after[name]) for name in ("value_head.weight", "value_head.bias"))
    update(found, spec, trainer, 1, seed=1)
    assert not any(torch.equal(before[name], trainer.bare_model.state_dict()[name]) for name in policy)


def test_micro_batches_change_no_update(start):
    weights = []
    for micro_batch in (None, 3):
        spec = ppo(optimisation={"micro_batch": micro_batch})
        found, trainer = prepared(start, spec)
        update(found, spec, trainer, 0, seed=0)
        weights.append(trainer.bare_model.state_dict())
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-5) for name in weights[0])


def test_what_is_said_of_an_iteration(start):
    found, _ = prepared(start, ppo(whiten="none"))
    for episode in found:
        episode.trajectory["logprobs"] = (episode.old_logprobs + 0.25).tolist()
    said = describe(found)
    assert said["reward"] == pytest.approx(sum(e.reward.reward for e in found) / 8)
    assert said["accuracy"] == pytest.approx(sum(e.trajectory["correct"] for e in found) / 8)
    assert said["unparsable"] == pytest.approx(sum(e.trajectory["answer"] is None for e in found) / 8)
    assert said["tokens"] == pytest.approx(sum(len(e.trajectory["token_ids"]) for e in found) / 8)
    assert said["sequence_tokens"] == pytest.approx(sum(len(e.sequence.ids) for e in found) / 8)
    assert said["sampler_kl"] == pytest.approx(0.25, abs=1e-5)
    for episode in found:
        episode.values = episode.returns.clone()
    assert describe(found)["explained_variance"] == pytest.approx(1.0)


def ppo_job(folder, **keys):
    spec = ppo(**keys).model_dump(by_alias=True)
    return tiny.job(folder, "policies", spec)


def test_every_pass_draws_every_question_once_in_an_order_of_its_own(tmp_path):
    questions = [{"question_id": f"q{i}"} for i in range(10)]
    job = ppo_job(tmp_path, questions_per_iteration=4)
    draws = [draw for iteration in range(5) for draw in questions_of_iteration(job, questions, iteration)]
    assert [turn for turn, _ in draws] == [0] * 10 + [1] * 10
    passes = [[row["question_id"] for turn, row in draws if turn == wanted] for wanted in (0, 1)]
    assert all(Counter(one) == Counter(row["question_id"] for row in questions) for one in passes)
    assert passes[0] != passes[1]
    assert questions_of_iteration(job, questions, 3) == draws[12:16], "no earlier iteration is needed"
    other = tiny.job(tmp_path, "policies", job.data["spec"], seed=1)
    assert questions_of_iteration(other, questions, 0) != draws[:4]


def test_a_small_split_is_passed_over_several_times_in_one_iteration(tmp_path):
    questions = [{"question_id": f"q{i}"} for i in range(3)]
    draws = questions_of_iteration(ppo_job(tmp_path, questions_per_iteration=7), questions, 0)
    keys = [(turn, row["question_id"]) for turn, row in draws]
    assert len(set(keys)) == 7 and [turn for turn, _ in keys] == [0, 0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_together_have_the_episodes_of_one_in_its_order(monkeypatch, ranks):
    drawn = [f"q{i}" for i in (4, 1, 1, 0, 3)]
    shares = [[f"{q}.{sample}" for q in drawn[rank::ranks] for sample in range(2)] for rank in range(ranks)]

    def all_gather_object(target, own):
        assert own == shares[1 % ranks]
        target[:] = shares

    monkeypatch.setattr(onpolicy.torch.distributed, "all_gather_object", all_gather_object)
    found = gather_episodes(shares[1 % ranks], 2, SimpleNamespace(ranks=ranks))
    assert found == [f"{q}.{sample}" for q in drawn for sample in range(2)]


class ScriptedEngine:
    """Answers every request with the right chain of its question, or with nothing."""

    def __init__(self, answers: dict[tuple[int, ...], str]):
        self.answers, self.requests = answers, []

    def generate(self, requests, sampling, progress):
        self.requests += requests
        found = []
        for request in requests:
            text = self.answers.get(request.prompt_ids)
            ids = tuple(encode_answer(tiny.tokenizer(), text)) if text else ()
            found.append([Completion(ids, (-1.0,) * len(ids), "stop")] * request.samples)
        return found


@pytest.fixture
def sampler(start, tmp_path):
    job = tiny.ppo_job(tmp_path, {}, samples=2)
    prompts = {tuple(encode_prompt(tiny.tokenizer(), r["prompt"])): r["solution"] for r in tiny.questions()}
    return Sampler(job, tiny.tokenizer(), ScriptedEngine(prompts), tiny.prm(start))


def test_episodes_are_graded_scored_and_rewarded(sampler):
    rows = list(tiny.questions()[:3])
    found = sampler.sample([(0, row) for row in rows])
    assert [(e.trajectory["question_id"], e.trajectory["sample"]) for e in found] == [
        (row["question_id"], sample) for row in rows for sample in (0, 1)
    ]
    for episode in found:
        steps = len(episode.trajectory["step_ends"])
        # A zero head scores every step one half, and the answer is right.
        assert episode.reward.accumulated == pytest.approx(0.5) and episode.reward.outcome == 1.0
        assert episode.reward.reward == pytest.approx(0.5 * weibull(steps) + 1.0)
        assert list(episode.sequence.ids) == episode.trajectory["prompt_ids"] + episode.trajectory["token_ids"]


def test_a_question_gets_new_answers_in_every_pass_and_the_same_in_every_run(sampler):
    row = tiny.questions()[0]
    sampler.sample([(0, row), (1, row)])
    sampler.sample([(1, row)])
    seeds = [request.seed for request in sampler.engine.requests]
    assert seeds[0] != seeds[1] == seeds[2]


def test_a_prompt_that_leaves_no_room_is_one_line(sampler):
    row = dict(tiny.questions()[0], prompt="a prompt without an answer")
    with pytest.raises(StepladderError, match="leaves no room to answer") as error:
        sampler.sample([(0, row)])
    assert "\n" not in str(error.value) and row["question_id"] in str(error.value)
