"""Episodes: questions drawn, answers graded and rewarded, and the order of several ranks."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

import tiny
from stepladder.errors import StepladderError
from stepladder.generation.requests import Completion
from stepladder.policies.episodes import Sampler, questions_of_iteration
from stepladder.policies.onpolicy import gather_episodes
from stepladder.reasoning.tokens import encode_answer, encode_prompt
from stepladder.rewards.shape import weibull
from stepladder.training import ranks as ranks_module


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("start"))


def test_every_pass_draws_every_question_once_in_an_order_of_its_own(tmp_path):
    questions = [{"question_id": f"q{i}"} for i in range(10)]
    job = tiny.ppo_job(tmp_path, {}, questions_per_iteration=4)
    draws = [draw for iteration in range(5) for draw in questions_of_iteration(job, questions, iteration)]
    assert [turn for turn, _ in draws] == [0] * 10 + [1] * 10
    passes = [[row["question_id"] for turn, row in draws if turn == wanted] for wanted in (0, 1)]
    assert all(Counter(one) == Counter(row["question_id"] for row in questions) for one in passes)
    assert passes[0] != passes[1]
    assert questions_of_iteration(job, questions, 3) == draws[12:16], "no earlier iteration is needed"
    assert questions_of_iteration(replace(job, seed=1), questions, 0) != draws[:4]


def test_a_small_split_is_passed_over_several_times_in_one_iteration(tmp_path):
    questions = [{"question_id": f"q{i}"} for i in range(3)]
    draws = questions_of_iteration(tiny.ppo_job(tmp_path, {}, questions_per_iteration=7), questions, 0)
    keys = [(turn, row["question_id"]) for turn, row in draws]
    assert len(set(keys)) == 7 and [turn for turn, _ in keys] == [0, 0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_together_have_the_episodes_of_one_in_its_order(monkeypatch, ranks):
    drawn = [f"q{i}" for i in (4, 1, 1, 0, 3)]
    shares = [[f"{q}.{sample}" for q in drawn[rank::ranks] for sample in range(2)] for rank in range(ranks)]

    def all_gather_object(target, own):
        assert own == shares[1 % ranks]
        target[:] = shares

    monkeypatch.setattr(ranks_module.torch.distributed, "all_gather_object", all_gather_object)
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


def test_without_a_prm_a_right_answer_is_worth_1_and_any_other_0(start, tmp_path):
    rows = list(tiny.questions()[:2])
    answers = {tuple(encode_prompt(tiny.tokenizer(), rows[0]["prompt"])): rows[0]["solution"]}
    answers[tuple(encode_prompt(tiny.tokenizer(), rows[1]["prompt"]))] = "so nothing\nfollows"
    job = tiny.ppo_job(tmp_path, {}, samples=2, rewards=None)
    found = Sampler(job, tiny.tokenizer(), ScriptedEngine(answers), None).sample([(0, row) for row in rows])
    assert [episode.reward.reward for episode in found] == [1.0, 1.0, 0.0, 0.0]
    assert [episode.reward.outcome for episode in found] == [1.0, 1.0, 0.0, 0.0]
    assert [episode.reward.steps for episode in found] == [len(e.trajectory["step_ends"]) for e in found]
    assert found[2].reward.steps == 2
