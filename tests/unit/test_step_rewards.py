"""Rewards of single steps: where they stand, what a critic makes of them, which steps count, and the KL beside them."""

from dataclasses import replace

import pytest
import torch
from onpolicy_scene import ppo

import tiny
from stepladder.generation.requests import Completion
from stepladder.policies.actor_critic import ActorCritic, before_update
from stepladder.policies.clipped import clipped_policy_loss
from stepladder.policies.credit import assign_credit, credit_episodes
from stepladder.policies.episodes import Episode, Sampler
from stepladder.reasoning.tokens import encode_answer, encode_prompt
from stepladder.rewards.reward import Reward
from stepladder.training.sequences import TokenSequence


def episode(tokens: int, ends: list[int], scores: list[float], outcome: float = 0.0) -> Episode:
    """An answer of so many tokens, whose steps that count end at these places; its critic knows nothing."""
    row = {"prompt_ids": [1, 2], "token_ids": [7] * tokens, "step_ends": ends}
    sequence = TokenSequence((1, 2, *row["token_ids"]), 2)
    found = Episode(row, Reward(len(ends), 0.3, 0.3, outcome, 0.3), sequence, tuple(scores), tuple(ends))
    found.values = torch.zeros(tokens)
    return found


def critic(**keys):
    return ppo(credit={"kind": "critic", **keys}).credit


# The last step ends with the end-of-sequence token, the fifth and the fourth one.
TWO = ((5, [2, 5], [0.5, 0.25], 1.0), (4, [1, 2, 4], [0.75, 0.5, 1.0], 0.0))


def two() -> list[Episode]:
    return [episode(*each) for each in TWO]


@pytest.mark.parametrize(
    ("keys", "rewards"),
    [
        ({"step_reward": "scores"}, [[0, 0.5, 0, 0, 0.25], [0.75, 0.5, 0, 1.0]]),
        ({"step_reward": "scores", "outcome_weight": 2.0}, [[0, 0.5, 0, 0, 2.25], [0.75, 0.5, 0, 1.0]]),
        ({"step_reward": "differences"}, [[0, 0.5, 0, 0, -0.25], [0.75, -0.25, 0, 0.5]]),
        ({"step_reward": "differences", "outcome_weight": 1.0}, [[0, 0.5, 0, 0, 0.75], [0.75, -0.25, 0, 0.5]]),
        ({}, [[0, 0, 0, 0, 0.3], [0, 0, 0, 0.3]]),
    ],
)
def test_each_rows_rewards_stand_at_the_last_tokens_of_its_own_steps(keys, rewards):
    found = two()
    assign_credit(found, critic(gamma=1.0 if "differences" in str(keys) else 0.9, lam=0.0, **keys), 2, {})
    for each, expected in zip(found, rewards, strict=True):  # lambda 0 and values of 0 leave the rewards themselves
        assert each.advantages.tolist() == pytest.approx(expected)
        assert each.returns.tolist() == pytest.approx(expected)


def test_a_critic_learns_the_rewards_of_all_later_steps():
    """Worked by hand: gamma 0.5, lambda 1, so that the target of a value is the discounted return."""
    found = two()
    values = [0.1, 0.2, 0.3, 0.4, 0.5]
    found[0].values = torch.tensor(values)
    assign_credit(found, critic(gamma=0.5, lam=1.0, step_reward="scores", outcome_weight=1.0), 2, {})
    returns = [0.5 * 0.65625, 0.5 + 0.5 * 0.3125, 0.3125, 0.625, 1.25]
    assert found[0].returns.tolist() == pytest.approx(returns)
    assert found[0].advantages.tolist() == pytest.approx([r - v for r, v in zip(returns, values, strict=True)])
    assert found[1].returns.tolist() == pytest.approx([0.75 + 0.5 * 0.75, 0.5 + 0.25, 0.5, 1.0])


def test_penalties_are_taken_from_the_tokens_beside_the_steps_rewards():
    (found,) = [episode(3, [1, 3], [0.5, 0.25])]
    found.penalties = torch.tensor([0.1, 0.2, 0.4])
    assign_credit([found], critic(lam=0.0, step_reward="scores"), 1, {})
    assert found.advantages.tolist() == pytest.approx([0.4, -0.2, -0.15])


def test_differences_under_a_critic_add_up_to_the_last_score_whatever_the_steps():
    """A sum of scores pays for every further step; this does not."""
    short, long = episode(4, [2, 4], [0.5, 0.8]), episode(4, [1, 2, 3, 4], [0.5, 0.9, 0.7, 0.8])
    for kind, expected in (("differences", (0.8, 0.8)), ("scores", (1.3, 2.9))):
        assign_credit([short, long], critic(lam=1.0, step_reward=kind), 2, {})
        assert [each.returns[0].item() for each in (short, long)] == pytest.approx(expected)


def test_values_have_no_bound_as_returns_of_many_steps_have_none(tmp_path):
    model = ActorCritic.load(tiny.checkpoint(tmp_path))
    torch.nn.init.constant_(model.value_head.bias, 7.5)
    _, (values,) = before_update(model, [TokenSequence((5, 6, 7, 8), 1)], 1.0)
    assert values.tolist() == pytest.approx([7.5] * 3)


def process(**keys):
    return ppo(credit={"kind": "process", **keys}).credit


def test_a_group_is_standardised_over_the_places_where_it_is_rewarded():
    """Mean and deviation of the five scores alone: tokens between them, which earn 0, do not count."""
    found = two()
    assign_credit(found, process(), 2, {})
    scores = torch.tensor([0.5, 0.25, 0.75, 0.5, 1.0])
    first, second, *others = ((scores - scores.mean()) / scores.std()).tolist()
    assert found[0].advantages.tolist() == pytest.approx([first + second] * 2 + [second] * 3, abs=1e-6)
    sums = [sum(others), sum(others[1:]), others[2], others[2]]
    assert found[1].advantages.tolist() == pytest.approx(sums, abs=1e-6)


def test_steps_that_do_not_count_earn_nothing_and_lend_their_tokens_to_the_next_that_does():
    """Steps end at 2, 4 and 6, and those at 2 and 6 do not count; without an outcome the last tokens earn nothing."""
    (found,) = [episode(6, [2, 4, 6], [0.5], 1.0)]
    found.scored_ends = (4,)
    assign_credit([found], process(normalise=False), 1, {})
    assert found.advantages.tolist() == pytest.approx([0.5] * 4 + [0.0] * 2)
    assign_credit([found], process(normalise=False, outcome_weight=2.0), 1, {})
    assert found.advantages.tolist() == pytest.approx([2.5] * 4 + [2.0] * 2)
    assign_credit([found], critic(lam=0.0, step_reward="scores", outcome_weight=2.0), 1, {})
    assert found.advantages.tolist() == pytest.approx([0, 0, 0, 0.5, 0, 2.0])
    other = episode(3, [3], [1.0])
    assign_credit([found, other], process(), 2, {})  # two scores, whose places alone are compared
    assert found.advantages.tolist() == pytest.approx([-(0.5**0.5)] * 4 + [0.0] * 2)
    assert other.advantages.tolist() == pytest.approx([0.5**0.5] * 3)


CREDITS = [
    {"kind": "critic", "step_reward": "scores", "outcome_weight": 1.0, "lam": 1.0},
    {"kind": "critic", "step_reward": "differences", "lam": 1.0},
    {"kind": "process"},
    {"kind": "process", "normalise": False, "step_reward": "differences", "outcome_weight": 1.0},
]


@pytest.mark.parametrize("credit", CREDITS, ids=str)
def test_the_kl_in_the_reward_pulls_to_the_reference(credit):
    """All answers of one token, weighed by the policy: where all earn the same, the gradient is that of the KL."""
    reference = torch.tensor([0.2, 0.3, 0.5]).log()
    logits = torch.tensor([0.7, -0.2, 0.1], requires_grad=True)
    logprobs = logits.log_softmax(0)
    found = [episode(1, [1], [0.5], 1.0) for _ in range(3)]
    for place, each in enumerate(found):
        each.old_logprobs = logprobs[place : place + 1].detach()
        each.reference_logprobs = reference[place : place + 1]
    keys = {"kl_in": "reward", "kl_coefficient": 0.25, "kl_estimator": "k1", "whiten": "none"}
    credit_episodes(found, ppo(credit=credit, samples=3, **keys), {})
    ones = torch.ones(1)
    rows = [
        clipped_policy_loss(logprobs[i : i + 1], each.old_logprobs, each.advantages, ones, 0.2)
        for i, each in enumerate(found)
    ]
    (moved,) = torch.autograd.grad((logprobs.detach().exp() * torch.stack(rows)).sum(), logits, retain_graph=True)
    (pull,) = torch.autograd.grad((logprobs.exp() * (logprobs - reference)).sum(), logits)
    assert torch.allclose(moved, 0.25 * pull, atol=1e-6)


ANSWER = "Thought 1: a\nAction 1: b\nObservation 1: c\nAction 2: Finish[The answer is A.]"


class Told:
    """An engine that always says the same."""

    def generate(self, requests, sampling, progress):
        ids = tuple(encode_answer(tiny.tokenizer(), ANSWER))
        return [[Completion(ids, (-1.0,) * len(ids), "stop")] * request.samples for request in requests]


def test_rewards_of_some_kinds_see_these_steps_alone(tmp_path):
    start = tiny.checkpoint(tmp_path / "start")
    prm = tiny.prm(start)
    torch.manual_seed(0)
    torch.nn.init.normal_(prm.head.weight)
    question = tiny.questions()[0]
    assert encode_prompt(tiny.tokenizer(), question["prompt"])
    found = {}
    for kinds in ([], ["Thought", "Observation"]):
        rewards = {"scores": "s", "accumulate": "sum", "shape": {"kind": "none"}, "kinds": kinds}
        job = tiny.ppo_job(tmp_path / "job", {}, samples=2)
        job = replace(job, step_style="react", data=job.data | {"rewards": rewards})
        found[bool(kinds)] = Sampler(job, tiny.tokenizer(), Told(), prm).sample([(0, question)])[0]
    every, some = found[False], found[True]
    ends = every.trajectory["step_ends"]
    assert len(ends) == 4 and every.scored_ends == tuple(ends) and some.scored_ends == (ends[0], ends[2])
    assert some.step_scores == (every.step_scores[0], every.step_scores[2])
    assert every.reward.reward == pytest.approx(sum(every.step_scores))
    assert some.reward.reward == pytest.approx(sum(some.step_scores)) and some.reward.steps == 2
