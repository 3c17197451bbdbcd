"""Values of states: each distinct state is rolled out once, with what is left to it, by whichever rank."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

import tiny
from stepladder.generation.requests import Completion, Sampling
from stepladder.policies import state_values, values
from stepladder.policies.credit import step_stops
from stepladder.policies.episodes import Sampler
from stepladder.policies.state_values import describe, states_by_question, value_states
from stepladder.policies.values import Rollout, estimate
from stepladder.reasoning.states import state_key
from stepladder.reasoning.tokens import encode_answer
from stepladder.study.specs.credit import Rollouts
from stepladder.training.sequences import nucleus


class DiceEngine:
    """Goes on from any prompt with some steps and an answer that a request's seed decides."""

    def __init__(self):
        self.requests = []

    def generate(self, requests, sampling, progress):
        self.requests += requests
        self.sampling = sampling
        return [[self.completion(request.seed + i) for i in range(request.samples)] for request in requests]

    def completion(self, seed: int) -> Completion:
        dice = random.Random(seed)
        text = "so\n" * dice.randint(0, 2) + f"#### {dice.randint(1, 2)}"
        ids = tuple(encode_answer(tiny.tokenizer(), text))
        return Completion(ids, tuple(-dice.random() for _ in ids), "stop")


@pytest.fixture
def scene(tmp_path):
    """A sampler of four questions with four samples each, and its episodes."""
    return make_scene(tmp_path)


def make_scene(folder, top_p=1.0, temperature=0.6, **credit):
    credit = {"kind": "rollouts", "rollouts": 5, **credit}
    job = tiny.ppo_job(folder, {}, samples=4, rewards=None, top_p=top_p, temperature=temperature, credit=credit)
    sampler = Sampler(job, tiny.tokenizer(), DiceEngine(), None)
    rows = list(tiny.questions()[:4])
    found = sampler.sample([(0, row) for row in rows])
    sampler.engine.requests = []
    return sampler, found, {row["question_id"]: row for row in rows}


def alone(rank=0, ranks=1, policy=None):
    accelerator = SimpleNamespace(autocast=nullcontext)
    return SimpleNamespace(rank=rank, ranks=ranks, bare_model=SimpleNamespace(policy=policy), accelerator=accelerator)


def values_by_key(sampler, found, questions) -> dict[str, float]:
    return {key: state.value for key, state in value_states(sampler, found, questions, 0, alone())[0].items()}


def prefixes(episode) -> list[tuple[int, ...]]:
    row = episode.trajectory
    return [tuple(row["token_ids"][:end]) for end in (0, *step_stops(row)[:-1])]


def test_every_distinct_unfinished_state_is_rolled_out_once_with_the_tokens_left_to_it(scene):
    sampler, found, questions = scene
    rolled, states = value_states(sampler, found, questions, 3, alone())
    visited = [(tuple(e.trajectory["prompt_ids"]), prefix) for e in found for prefix in prefixes(e)]
    distinct = set(visited)
    assert len(distinct) < len(visited), "the scene has equal states"
    asked = {request.prompt_ids: request for request in sampler.engine.requests}
    assert len(asked) == len(sampler.engine.requests) == len(distinct) == len(rolled)
    assert states == len(visited)
    for prompt, prefix in distinct:
        request = asked[prompt + prefix]
        assert request.samples == 5 and request.max_tokens == 40 - len(prefix)
        assert request.seed == sampler.job.derive_seed("rollouts", 3, state_key(prompt, prefix))
    assert sampler.engine.sampling.max_tokens == 40 and not sampler.engine.sampling.logprobs
    assert set(rolled) == {state_key(*state) for state in distinct}


def test_a_value_is_the_share_of_right_rollouts_and_tokens_are_counted(scene):
    sampler, found, questions = scene
    rolled, states = value_states(sampler, found, questions, 0, alone())
    tokens, rows = 0, [episode.trajectory for episode in found]
    for request in sampler.engine.requests:
        completions = [sampler.engine.completion(request.seed + i) for i in range(5)]
        tokens += sum(len(each.token_ids) for each in completions)
        row = next(row for row in rows if tuple(row["prompt_ids"]) == request.prompt_ids[: len(row["prompt_ids"])])
        gold = questions[row["question_id"]]["answer"]
        right = [tiny.tokenizer().decode(each.token_ids).count(f"#### {gold}") > 0 for each in completions]
        prompt = len(row["prompt_ids"])
        key = state_key(request.prompt_ids[:prompt], request.prompt_ids[prompt:])
        assert rolled[key].rollouts == 5 and rolled[key].value == pytest.approx(sum(right) / 5)
    plain = [state.value for state in rolled.values()]
    assert set(plain) - {0.0, 1.0}, "the scene has uncertain states"
    said = describe(rolled, states)
    assert said["rollout_tokens"] == tokens and said["rollouts"] == 5 * len(rolled)
    assert said["states"] == states and said["distinct_states"] == len(rolled)
    assert said["value"] == pytest.approx(sum(plain) / len(plain))


@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_episodes_and_rollouts_are_drawn_from_one_distribution(tmp_path, top_p):
    """Or gains in value would not be those of the policy whose answers they are given to."""
    sampler, found, questions = make_scene(tmp_path, top_p)
    of_episodes = sampler.engine.sampling
    value_states(sampler, found, questions, 0, alone())
    for sampling in (of_episodes, sampler.engine.sampling):
        assert (sampling.temperature, sampling.top_p) == (0.6, top_p)
    assert of_episodes is not sampler.engine.sampling


def test_another_iteration_draws_anew_and_the_same_one_draws_the_same(scene):
    sampler, found, questions = scene
    first, again, later = (value_states(sampler, found, questions, i, alone())[0] for i in (0, 0, 1))
    assert first == again and first != later and first.keys() == later.keys()


def test_with_the_first_value_from_episodes_the_bare_question_is_not_rolled_out(tmp_path):
    sampler, found, questions = make_scene(tmp_path, first_value="episodes")
    value_states(sampler, found, questions, 0, alone())
    prompts = {tuple(e.trajectory["prompt_ids"]) for e in found}
    asked = {request.prompt_ids for request in sampler.engine.requests}
    assert asked and not asked & prompts


@pytest.mark.parametrize(
    "credit", [{}, {"estimator": "shrinkage"}, {"adaptive": {"first": 2, "further": 2, "most": 12}}]
)
@pytest.mark.parametrize("ranks", [2, 7])
def test_the_shares_of_several_ranks_are_together_what_one_rank_finds(tmp_path, monkeypatch, credit, ranks):
    sampler, found, questions = make_scene(tmp_path, **credit)
    whole = value_states(sampler, found, questions, 0, alone())
    samplers = [make_scene(tmp_path, **credit)[0] for _ in range(ranks)]
    meeting, held, here = threading.Barrier(ranks), [None] * ranks, threading.local()

    def gather(own, count):
        held[here.rank] = own
        meeting.wait(60)
        everything = list(held)
        meeting.wait(60)
        return everything

    def on_rank(rank):
        here.rank = rank
        return value_states(samplers[rank], found, questions, 0, alone(rank, ranks))

    monkeypatch.setattr(state_values, "gather", gather)
    with ThreadPoolExecutor(ranks) as pool:
        assert all(each == whole for each in pool.map(on_rank, range(ranks)))
    shares = [{request.prompt_ids for request in each.engine.requests} for each in samplers]
    assert sum(map(len, shares)) == len(set().union(*shares)) == len(whole[0]), "no state is rolled out on two ranks"


def test_in_rounds_doubtful_states_get_more_and_draw_as_if_all_were_asked_for_at_once(tmp_path):
    sampler, found, questions = make_scene(tmp_path, adaptive={"first": 2, "further": 2, "most": 12, "enough": 0.17})
    rolled, _ = value_states(sampler, found, questions, 0, alone())
    spent = [state.rollouts for state in rolled.values()]
    assert sum(spent) <= 5 * len(rolled) and len(set(spent)) > 1
    drawn: dict[tuple[int, ...], list[int]] = {}
    for request in sampler.engine.requests:
        seeds = drawn.setdefault(request.prompt_ids, [])
        seeds += range(request.seed, request.seed + request.samples)
    assert sorted(map(len, drawn.values())) == sorted(spent)
    assert all(seeds == list(range(seeds[0], seeds[0] + len(seeds))) for seeds in drawn.values())
    certain = [state for state in rolled.values() if state.rollouts == 2]
    assert all(state.value in (0.0, 1.0) or sum(spent) > 5 * len(rolled) - 2 for state in certain)


def test_states_of_a_question_stay_together(scene):
    _, found, _ = scene
    groups, count = states_by_question(found, first=True)
    assert [len({state.question_id for state in group}) for group in groups] == [1] * 4
    assert count == sum(len(prefixes(episode)) for episode in found)


def test_each_estimator_gets_what_it_asks_for():
    rollouts = [
        Rollout(1.0, "a good text", 4, -2.0, -3.0),
        Rollout(0.0, "a bad text", 9, -8.0, -4.0),
        Rollout(0.0, "bad", 2, -1.0, -1.0),
    ]
    rewards, logprobs, sampled, lengths = [1.0, 0.0, 0.0], [-2.0, -8.0, -1.0], [-3.0, -4.0, -1.0], [4, 9, 2]
    expected = {
        "mean": values.mean(rewards),
        "shrinkage": values.shrinkage(rewards, 0.7, 3.0),
        "probability_weighted": values.probability_weighted(rewards, sampled, lengths, 0.5, 4.0),
        "sequence_probability": values.probability_weighted(rewards, sampled, lengths, 0.0, 1.0),
        "importance_weighted": values.importance_weighted(rewards, logprobs, sampled),
        "similarity": values.similarity(rewards, ["a good text", "a bad text", "bad"]),
    }
    for estimator, value in expected.items():
        credit = Rollouts(kind="rollouts", estimator=estimator, prior_strength=3.0, alpha=0.5, divisor=4.0)
        assert estimate(rollouts, credit, 0.7) == pytest.approx(value), estimator
    assert len({round(value, 6) for value in expected.values()}) == len(expected), "no two agree by chance"


def test_likely_rollouts_weigh_more_where_they_are_asked_to(tmp_path):
    sampler, found, questions = make_scene(tmp_path, temperature=1.0, estimator="probability_weighted")
    weighed = values_by_key(sampler, found, questions)
    assert sampler.engine.sampling.logprobs
    groups, _ = states_by_question(found, first=True)
    for state, request in zip([state for group in groups for state in group], sampler.engine.requests, strict=True):
        completions = [sampler.engine.completion(request.seed + i) for i in range(5)]
        gold = f"#### {questions[state.question_id]['answer']}"
        rewards = [float(gold in tiny.tokenizer().decode(each.token_ids)) for each in completions]
        logprobs, lengths = zip(*((sum(each.logprobs), len(each.token_ids)) for each in completions), strict=True)
        assert weighed[state.key] == pytest.approx(values.probability_weighted(rewards, logprobs, lengths))


def test_importance_weights_say_how_many_rollouts_count_and_where_too_few_do(tmp_path, monkeypatch):
    sampler, found, questions = make_scene(tmp_path, estimator="importance_weighted")
    lean = iter([[0.0] * 5, [0.0, 0.0, 0.0, 0.0, -9.0], [0.0, -9.0, -9.0, -9.0, -9.0]] * 99)  # 5, 4 and 1 of 5 count

    def told(estimator, trainer, requests, completed, sampling):
        return [next(lean) for _ in completed], [[0.0] * 5 for _ in completed]

    monkeypatch.setattr(state_values, "_logprobs", told)
    rolled, states = value_states(sampler, found, questions, 0, alone())
    shares = [state.effective for state in rolled.values()]
    expected = [(1.0, 0.8, 0.2)[place % 3] for place in range(len(shares))]
    assert shares == pytest.approx(expected, abs=1e-3)
    said = describe(rolled, states)
    assert said["effective"] == pytest.approx(sum(expected) / len(expected), abs=1e-3)
    assert said["fallbacks"] == pytest.approx(expected.count(0.2) / len(expected))
    plain, states = value_states(*make_scene(tmp_path / "plain"), 0, alone())
    assert not {"effective", "fallbacks"} & describe(plain, states).keys()


def test_shrinkage_leans_to_the_mean_of_all_rollouts_of_the_question(tmp_path):
    sampler, found, questions = make_scene(tmp_path, estimator="shrinkage", prior_strength=2.0)
    shrunk = values_by_key(sampler, found, questions)
    sampler, found, questions = make_scene(tmp_path)
    plain = values_by_key(sampler, found, questions)
    for group in states_by_question(found, first=True)[0]:
        prior = sum(plain[state.key] for state in group) / len(group)
        for state in group:
            assert shrunk[state.key] == pytest.approx((5 * plain[state.key] + 2 * prior) / 7)


def read(model, request, completion, temperature, top_p=1.0) -> float:
    """Log-prob of a rollout, token by token."""
    ids = torch.tensor([[*request.prompt_ids, *completion.token_ids]])
    with torch.no_grad():
        logprobs = (model(ids).logits[0, :-1] / temperature).log_softmax(-1)
    own = logprobs.gather(1, ids[0, 1:, None])[:, 0] - nucleus(logprobs, top_p).log()
    return own[len(request.prompt_ids) - 1 :].sum().item()


PLAIN, UNCUT, SAMPLED = "the engine's", (0.5, 1.0), (0.5, 0.9)


@pytest.mark.parametrize(
    ("estimator", "temperature", "top_p", "whole", "cut"),
    [
        ("mean", 0.5, 0.9, PLAIN, PLAIN),
        ("probability_weighted", 1.0, 1.0, PLAIN, PLAIN),
        ("probability_weighted", 0.5, 0.9, PLAIN, SAMPLED),
        ("sequence_probability", 0.5, 1.0, PLAIN, UNCUT),
        ("importance_weighted", 1.0, 1.0, PLAIN, (1.0, 1.0)),
        ("importance_weighted", 0.5, 0.9, UNCUT, SAMPLED),
        ("importance_weighted", 0.5, 1.0, UNCUT, UNCUT),
    ],
)
def test_rollouts_are_weighed_by_log_probs_at_their_own_temperature(
    tmp_path, estimator, temperature, top_p, whole, cut
):
    """As they were sampled, and for importance weights under the policy that learns, which is at that temperature."""
    model = tiny.model()
    sampler, found, questions = make_scene(tmp_path)
    value_states(sampler, found, questions, 0, alone())
    requests = sampler.engine.requests[:3]
    completed = [[sampler.engine.completion(request.seed + i) for i in range(2)] for request in requests]
    sampling = Sampling(temperature, top_p, 40)
    told = state_values._logprobs(estimator, alone(policy=model), requests, completed, sampling)
    for of_rollouts, expected in zip(told, (whole, cut), strict=True):
        for request, completions, sums in zip(requests, completed, of_rollouts, strict=True):
            for each, total in zip(completions, sums, strict=True):
                own = sum(each.logprobs) if expected == PLAIN else read(model, request, each, *expected)
                assert total == pytest.approx(own, abs=1e-3)
