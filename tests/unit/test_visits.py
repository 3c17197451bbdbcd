"""Which states get many rollouts, and what is kept of each; an engine that plays dice stands in for vLLM."""

import math
import random

import pytest
import torch

import tiny
from stepladder.generation.requests import Completion
from stepladder.generation.shards import gather_metrics, gather_tables
from stepladder.generation.trajectories import prompts_of, trajectory_rows
from stepladder.policies.actor_critic import ActorCritic, critic_values
from stepladder.policies.hindsight import with_critic, with_sampler_logprobs
from stepladder.reasoning.states import state_key
from stepladder.reasoning.tokens import decode, encode_answer, step_ends
from stepladder.records import ROLLOUTS, Counts, write_records
from stepladder.supervision.monte_carlo import State
from stepladder.supervision.rollouts import keep_rollouts
from stepladder.supervision.visits import Visit, alternatives, drawn, visits

SPEC = {"trajectories": "t", "policy": "p", "states": 3, "alternatives": 2, "rollouts": 6, "max_tokens": 60}


def row(sample, ids, ends, question="q"):
    return {"question_id": question, "sample": sample, "prompt_ids": [1], "token_ids": ids, "step_ends": ends}


class DiceEngine:
    """Goes on from any prompt with some steps and an answer that a request's seed decides."""

    def __init__(self):
        self.requests, self.sampling = [], None

    def generate(self, requests, sampling, progress):
        self.requests += requests
        self.sampling = sampling
        return [[completion(request.seed + i) for i in range(request.samples)] for request in requests]


class Policy:
    tokenizer = tiny.tokenizer()

    def __init__(self):
        self.engine = DiceEngine()


def completion(seed: int) -> Completion:
    dice = random.Random(seed)
    text = "".join(f"{dice.choice(['so', 'then'])}\n" for _ in range(dice.randint(0, 2))) + f"#### {dice.randint(1, 2)}"
    ids = tuple(encode_answer(tiny.tokenizer(), text))
    return Completion(ids, tuple(-dice.random() for _ in ids), "stop")


@pytest.fixture(scope="module")
def sampled():
    """Four questions by id, and trajectories of three answers to each."""
    questions = {each["question_id"]: each for each in tiny.questions()[:4]}
    prompts = prompts_of(tiny.tokenizer(), questions.values())
    rows = [
        made
        for place, (key, question) in enumerate(questions.items())
        for made in trajectory_rows(
            question, prompts[key], [completion(10 * place + i) for i in range(3)], tiny.tokenizer(), "line"
        )
    ]
    return questions, rows


def keep(folder, sampled, part=(1, 1), policy=None, **keys):
    questions, rows = sampled
    job = tiny.job(folder, "rollouts", SPEC | keys, chunk=12)
    return keep_rollouts(job, rows, questions, policy or Policy(), part)


def test_the_first_trajectory_to_reach_a_state_gives_its_place_and_the_bare_question_has_no_step():
    found = visits([row(1, [5, 6, 9, 8], [2, 3, 4]), row(0, [5, 6, 7], [2, 3]), row(0, [], [], "r")], 9)
    assert [(each.state.question_id, each.state.prefix_ids, each.sample, each.step) for each in found] == [
        ("q", (), 0, 0), ("q", (5, 6), 0, 1), ("q", (5, 6, 9), 1, 2),
    ]  # fmt: skip
    assert found == visits([row(0, [5, 6, 7], [2, 3]), row(1, [5, 6, 9, 8], [2, 3, 4]), row(0, [], [], "r")], 9)
    found = visits([row(0, [], [], "r") | {"prompt_ids": [2]}, row(0, [5], [1])], 9)
    assert [each.state.prefix_ids for each in found] == [(), ()], "an answer without a step begins somewhere, too"
    short = visits([row(0, [5, 6, 7, 8], [2, 3, 4])], 3)
    assert [each.state.prefix_ids for each in short] == [(), (5, 6)], "no token is left after the second step"


def test_any_state_may_be_drawn_and_all_are_without_a_limit():
    found = visits([row(0, list(range(5, 15)), list(range(1, 11)))], 99)
    counts = dict.fromkeys(found, 0)
    for seed in range(300):
        chosen = drawn(found, 3, lambda key, seed=seed: random.Random(f"{seed} {key}").random())
        assert len(chosen) == 3 and chosen == [each for each in found if each in chosen]
        for each in chosen:
            counts[each] += 1
    assert min(counts.values()) > 55 and max(counts.values()) < 125, "90 of 300 each"
    assert drawn(found, None, hash) == drawn(found, 99, hash) == found


def test_alternatives_are_the_first_distinct_next_steps_that_end_nothing():
    state = State("k", "q", (1,), (5, 6))

    def ends(ids):  # a step is what ends in 9; the last one ends with the answer
        return [*(place + 1 for place, each in enumerate(ids[:-1]) if each == 9), len(ids)]

    rollouts = [(7, 9, 3), (8, 8), (7, 9, 4, 9, 3), (9, 3), (8, 9), (4, 9, 3), (3, 9, 3)]
    found = alternatives(Visit(state, 4, 2), rollouts, ends, 3)
    assert [each.state.prefix_ids for each in found] == [(5, 6, 7, 9), (5, 6, 9), (5, 6, 4, 9)]
    assert {(each.sample, each.step, each.parent) for each in found} == {(4, 3, "k")}
    assert found[0].state.key == state_key((1,), (5, 6, 7, 9)) and found[0].state.prompt_ids == (1,)
    assert alternatives(Visit(state, 4, 2), rollouts, ends, 0) == []


def test_each_state_has_all_of_its_rollouts_graded_with_what_the_estimators_ask_for(tmp_path, sampled):
    questions, _ = sampled
    policy = Policy()
    rows = keep(tmp_path, sampled, policy=policy)
    assert policy.engine.sampling.logprobs and policy.engine.sampling.top_p == 1
    asked = {state_key(each.prompt_ids, ()): each for each in policy.engine.requests}
    assert len(asked) == len(policy.engine.requests) == len({each["state"] for each in rows})
    prompts = prompts_of(tiny.tokenizer(), questions.values())
    for each in rows:
        request = asked[each["state"]]
        prefix = request.prompt_ids[len(prompts[each["question_id"]]) :]
        own = [completion(request.seed + i) for i in range(6)]
        texts = [decode(tiny.tokenizer(), [*prefix, *one.token_ids]) for one in own]
        assert request.samples == 6 and request.max_tokens == 60 - len(prefix)
        assert tuple(each["state_ids"]) == request.prompt_ids and each["critic"] is each["sampler_logprobs"] is None
        assert each["rollout_ids"] == [list(one.token_ids) for one in own]
        assert each["texts"] == texts and each["tokens"] == [len(one.token_ids) for one in own]
        assert each["correct"] == [f"#### {questions[each['question_id']]['answer']}" in text for text in texts]
        assert each["logprobs"] == pytest.approx([sum(one.logprobs) for one in own])
        steps = step_ends(tiny.tokenizer(), [*prefix, *encode_answer(tiny.tokenizer(), "#### 1")], "line")[1]
        assert each["step"] == len(steps) - 1
    picked = [each for each in rows if each["parent"] is None]
    assert {each["question_id"] for each in picked} == set(questions)
    for key in questions:
        assert 1 <= sum(each["question_id"] == key for each in picked) <= 3


def test_alternatives_go_on_from_drawn_states_and_are_no_less_known(tmp_path, sampled):
    rows = keep(tmp_path, sampled)
    drawn_ones = {each["state"]: each for each in rows if each["parent"] is None}
    others = [each for each in rows if each["parent"] is not None]
    assert others
    for each in others:
        parent = drawn_ones[each["parent"]]
        assert each["step"] == parent["step"] + 1 and each["sample"] == parent["sample"]
        assert len(each["correct"]) == 6 and each["texts"] != parent["texts"]
    for parent in drawn_ones:
        assert sum(each["parent"] == parent for each in others) <= 2
    assert keep(tmp_path / "none", sampled, alternatives=0) == list(drawn_ones.values())


def test_a_limit_draws_questions_and_changes_nothing_of_those(tmp_path, sampled):
    whole, some = keep(tmp_path / "whole", sampled), keep(tmp_path / "some", sampled, limit=2)
    chosen = {each["question_id"] for each in some}
    assert len(chosen) == 2 < len({each["question_id"] for each in whole})
    assert sorted(some, key=str) == sorted((each for each in whole if each["question_id"] in chosen), key=str)


def test_shards_together_and_a_second_run_give_the_same_rows(tmp_path, sampled):
    whole = keep(tmp_path / "whole", sampled)
    files = []
    for number in (1, 2, 3):
        rows = keep(tmp_path / "parts", sampled, (number, 3))
        assert keep(tmp_path / "parts", sampled, (number, 3), policy=None) == rows
        files.append(tmp_path / f"{number}.parquet")
        write_records(rows, ROLLOUTS, files[-1])
        counts = Counts(len(rows))
        job = tiny.job(tmp_path, "rollouts", SPEC)
        job.write_metrics({}, counts, files[-1].with_suffix(".json"))
    table = gather_tables(files[::-1], ROLLOUTS, tmp_path / "all.parquet")
    order = sorted(whole, key=lambda each: (each["question_id"], each["sample"], each["step"]))
    assert table.to_pylist() == [{name: each[name] for name in ROLLOUTS.names} for each in order]
    _, metrics = gather_metrics([file.with_suffix(".json") for file in files], table)
    tokens = {each["state"]: sum(each["tokens"]) for each in whole}
    assert metrics["generated_tokens"] == sum(tokens.values())


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_log_probs_at_the_temperature_of_sampling_are_those_of_scaled_logits(tmp_path, sampled, temperature):
    policy = tiny.checkpoint(tmp_path / "policy")
    rows = keep(tmp_path, sampled, temperature=temperature)[:3]
    found = with_sampler_logprobs(rows, policy, temperature)
    model = tiny.model()
    for row, made in zip(rows, found, strict=True):
        if temperature == 1:
            assert made["logprobs"] == made["sampler_logprobs"] == row["logprobs"], "as the engine has told them"
            continue
        assert made["logprobs"] == made["sampler_logprobs"], "nothing is cut"
        for ids, logprob in zip(row["rollout_ids"], made["sampler_logprobs"], strict=True):
            whole = torch.tensor([[*row["state_ids"], *ids]])
            with torch.no_grad():
                logprobs = (model(whole).logits[0, :-1] / temperature).log_softmax(-1)
            own = logprobs.gather(1, whole[0, 1:, None])[len(row["state_ids"]) - 1 :, 0]
            assert logprob == pytest.approx(own.sum().item(), abs=1e-3)


def test_log_probs_of_a_nucleus_are_greater_by_at_most_what_was_cut(tmp_path, sampled):
    policy = tiny.checkpoint(tmp_path / "policy")
    rows = keep(tmp_path, sampled, temperature=0.5)[:3]
    whole, cut = (with_sampler_logprobs(rows, policy, 0.5, top_p) for top_p in (1.0, 0.9))
    for one, other, row in zip(whole, cut, rows, strict=True):
        assert other["logprobs"] == one["logprobs"], "the policy's own, at the temperature of sampling"
        for before, after, tokens in zip(
            one["sampler_logprobs"], other["sampler_logprobs"], row["tokens"], strict=True
        ):
            assert 0 < after - before < tokens * -math.log(0.9)


def test_a_critic_is_asked_for_every_state(tmp_path, sampled):
    model = ActorCritic.load(tiny.checkpoint(tmp_path / "start"))
    torch.nn.init.normal_(model.value_head.weight)
    model.save_pretrained(tmp_path / "policy")
    rows = keep(tmp_path, sampled)
    found = with_critic(rows, tmp_path / "policy")
    assert [row["critic"] for row in found] == critic_values(tmp_path / "policy", [row["state_ids"] for row in rows])
    assert [row["state"] for row in found] == [row["state"] for row in rows]


def test_nodes_of_other_policies_and_temperatures_roll_out_the_same_states(tmp_path, sampled):
    one, other = keep(tmp_path / "one", sampled), keep(tmp_path / "other", sampled, policy=Policy(), temperature=0.6)
    keys = [[each["state"] for each in rows if each["parent"] is None] for rows in (one, other)]
    assert keys[0] == keys[1]
    assert [each["correct"] for each in one] == [each["correct"] for each in other], "the name seeds the draws"
