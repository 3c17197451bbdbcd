"""Preference pairs: who beats whom, how many, and never across questions."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.policies.pairs import build_pairs, pair_statistics
from stepladder.records import PAIRS, Counts, read_records, write_records
from stepladder.study.specs.rewards import Pairs


def spec(kind, **keys) -> Pairs:
    return Pairs.model_validate({"kind": kind, "rewards": "r", "reference": "p", **keys})


def answer(question_id, sample, correct, reward, ids=None):
    return {
        "question_id": question_id, "sample": sample, "dataset": "qqa", "correct": correct, "reward": reward,
        "prompt_ids": [1, len(question_id)], "token_ids": ids or [10 + sample], "step_ends": [len(ids or [0])],
    }  # fmt: skip


def build(rows, kind, seed=0, **keys):
    counts = Counts()
    return build_pairs(rows, spec(kind, **keys), seed, counts), counts


def samples(pairs) -> set[tuple[int, int]]:
    return {(pair["chosen_sample"], pair["rejected_sample"]) for pair in pairs}


FOUR = [answer("a", 0, True, 0.9), answer("a", 1, True, 0.5), answer("a", 2, False, 0.7), answer("a", 3, False, 0.1)]


def test_outcome_pairs_are_right_over_wrong():
    pairs, counts = build(FOUR, "outcome", per_question=99)
    assert samples(pairs) == {(0, 2), (0, 3), (1, 2), (1, 3)}
    assert counts.as_data() == {"rows_in": 4, "rows_out": 4, "dropped": {}}


def test_process_pairs_are_higher_over_lower_reward_among_right_answers_or_equal_ones():
    assert samples(build(FOUR, "process", per_question=99)[0]) == {(0, 1)}
    assert samples(build(FOUR, "process", per_question=99, among="any")[0]) == {(0, 1), (2, 3)}


def test_shares_of_the_questions_lie_in_each_other_whatever_the_seed():
    rows = [each | {"question_id": f"q{number}"} for number in range(400) for each in FOUR]
    asked = [
        {pair["question_id"] for pair in build(rows, "outcome", seed, question_share=share)[0]}
        for seed, share in ((0, 0.4), (1, 0.6), (2, 1.0))
    ]
    assert asked[0] < asked[1] < asked[2] and len(asked[2]) == 400
    assert 120 < len(asked[0]) < 200 < len(asked[1]) < 280
    dropped = build(rows, "outcome", question_share=0.4)[1].dropped
    assert dropped == {"question outside of the share": 4 * (400 - len(asked[0]))}


def test_pairs_of_a_question_go_from_the_highest_rewards_to_the_lowest():
    pairs, _ = build(FOUR, "outcome", per_question=99)
    assert [(pair["chosen_sample"], pair["rejected_sample"]) for pair in pairs] == [(0, 2), (0, 3), (1, 2), (1, 3)]


def test_the_margin_is_strict():
    rows = [answer("a", 0, True, 0.75), answer("a", 1, True, 0.5), answer("a", 2, True, 0.5)]
    assert samples(build(rows, "process", per_question=99)[0]) == {(0, 1), (0, 2)}
    assert samples(build(rows, "process", per_question=99, margin=0.2)[0]) == {(0, 1), (0, 2)}
    pairs, counts = build(rows, "process", per_question=99, margin=0.25)
    assert pairs == [] and counts.dropped == {"question without a pair": 1}


def test_equal_answers_are_one_answer():
    rows = [answer("a", 0, True, 0.9, [5, 6]), answer("a", 1, True, 0.9, [5, 6]), answer("a", 2, False, 0.1, [7])]
    rows += [answer("b", 0, True, 0.9, [5, 6]), answer("b", 1, False, 0.1, [7])]
    pairs, counts = build(rows, "outcome", per_question=99)
    assert [(pair["question_id"], pair["chosen_sample"], pair["rejected_sample"]) for pair in pairs] == [
        ("a", 0, 2),
        ("b", 0, 1),
    ]
    assert counts.dropped == {"the same answer again": 1}


def test_a_pair_holds_both_answers_whole(tmp_path):
    (pair,), _ = build([FOUR[0], FOUR[3]], "outcome")
    assert pair == {
        "pair_id": pair["pair_id"], "question_id": "a", "dataset": "qqa", "kind": "outcome", "chosen_sample": 0,
        "rejected_sample": 3, "prompt_ids": [1, 1], "chosen_ids": [10], "rejected_ids": [13], "chosen_reward": 0.9,
        "rejected_reward": 0.1, "copies": 1,
    }  # fmt: skip
    write_records([pair], PAIRS, tmp_path / "t")
    assert read_records(tmp_path / "t", PAIRS)[0]["pair_id"] == pair["pair_id"]


def test_a_pair_is_known_by_its_tokens():
    turned = [{**FOUR[0], "correct": False}, {**FOUR[3], "correct": True}]
    moved = [{**FOUR[0], "sample": 6}, FOUR[3]]
    ids = [build(rows, "outcome")[0][0]["pair_id"] for rows in ([FOUR[0], FOUR[3]], turned, moved)]
    assert ids[0] != ids[1] and ids[0] == ids[2]


def test_answers_are_used_again_only_when_all_are_used():
    rows = [answer("a", sample, sample < 4, 0.5) for sample in range(8)]
    for seed in range(20):
        pairs, _ = build(rows, "outcome", seed, per_question=4)
        assert len({pair["chosen_sample"] for pair in pairs}) == len({pair["rejected_sample"] for pair in pairs}) == 4


def test_the_control_flips_about_half_of_the_outcome_pairs():
    rows = [answer(f"q{i}", sample, sample % 2 == 0, 0.5) for i in range(300) for sample in range(4)]
    pairs, _ = build(rows, "random", per_question=2)
    flipped = sum(pair["chosen_sample"] % 2 for pair in pairs)
    assert all((pair["chosen_sample"] + pair["rejected_sample"]) % 2 for pair in pairs)
    assert abs(flipped - 300) < 5 * 150**0.5
    assert {pair["kind"] for pair in pairs} == {"random"}


@st.composite
def answers(draw):
    return [
        answer(question, sample, draw(st.booleans()), draw(st.sampled_from([0.0, 0.25, 0.5, 1.0])),
               draw(st.lists(st.integers(5, 7), min_size=1, max_size=2)))
        for question in ("a", "bb", "ccc")
        for sample in range(draw(st.integers(0, 5)))
    ]  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(answers(), st.sampled_from(["outcome", "process", "random"]), st.integers(1, 4), st.integers(0, 3), st.randoms())
def test_any_pairs_are_sound(rows, kind, most, seed, rng):
    pairs, counts = build(rows, kind, seed, per_question=most)
    by_key = {(row["question_id"], row["sample"]): row for row in rows}
    assert max(Counter(pair["question_id"] for pair in pairs).values(), default=0) <= most
    assert len({pair["pair_id"] for pair in pairs}) == len(pairs) == counts.rows_out
    assert counts.rows_in == len(rows)
    for pair in pairs:
        chosen, rejected = (by_key[pair["question_id"], pair[f"{side}_sample"]] for side in ("chosen", "rejected"))
        assert (pair["chosen_ids"], pair["rejected_ids"]) == (chosen["token_ids"], rejected["token_ids"])
        assert pair["prompt_ids"] == chosen["prompt_ids"] == rejected["prompt_ids"]
        assert pair["chosen_ids"] != pair["rejected_ids"]
        if kind == "outcome":
            assert chosen["correct"] and not rejected["correct"]
        elif kind == "process":
            assert chosen["correct"] and rejected["correct"] and chosen["reward"] > rejected["reward"]
        else:
            assert chosen["correct"] != rejected["correct"]
    questions = rng.sample(sorted({row["question_id"] for row in rows}), len({row["question_id"] for row in rows}))
    regrouped = [row for question in questions for row in rows if row["question_id"] == question]
    assert build(regrouped, kind, seed, per_question=most)[0] == pairs


def test_questions_do_not_disturb_each_other():
    one = [answer("a", sample, sample < 3, random.Random(sample).random()) for sample in range(6)]
    other = [answer("b", sample, sample < 2, 0.5) for sample in range(6)]
    alone, _ = build(one, "outcome", per_question=3)
    together, _ = build(other + one, "outcome", per_question=3)
    assert [pair for pair in together if pair["question_id"] == "a"] == alone


@settings(deadline=None, max_examples=100)
@given(
    answers(), st.sampled_from(["correct", "any"]), st.sampled_from([0.0, 0.3]), st.integers(1, 4), st.integers(0, 3)
)
def test_the_control_has_as_many_pairs_of_every_question_as_process(rows, among, margin, most, seed):
    keys = {"among": among, "margin": margin, "per_question": most}
    process, control = (build(rows, kind, seed, **keys)[0] for kind in ("process", "random_process"))
    assert Counter(p["question_id"] for p in control) == Counter(p["question_id"] for p in process)
    assert len({frozenset((p["question_id"], *sorted(ends(p)))) for p in control}) == len(control)


def ends(pair) -> tuple[int, int]:
    return pair["chosen_sample"], pair["rejected_sample"]


def test_statistics():
    rows = [
        answer("a", 0, True, 0.9, [1, 2, 3]), answer("a", 1, False, 0.4, [1]),
        answer("b", 0, True, 0.5, [1]), answer("b", 1, False, 0.4, [1, 2]), answer("b", 2, False, 0.2, [2, 2]),
    ]  # fmt: skip
    told = pair_statistics(build(rows, "outcome")[0])
    quantiles = told.pop("quantiles")
    assert told.pop("questions_by_pairs") == {"1": 1, "2": 1}
    assert told == pytest.approx({
        "pairs": 3, "questions": 2, "chosen_tokens": 5 / 3, "rejected_tokens": 5 / 3, "chosen_longer": 1 / 3,
        "reward_gap": 0.3,
    })  # fmt: skip
    assert quantiles["chosen_tokens"] == {"p10": 1, "p50": 1, "p90": 3}
    assert quantiles["rejected_tokens"] == {"p10": 1, "p50": 2, "p90": 2}
    assert quantiles["reward_gap"] == pytest.approx({"p10": 0.1, "p50": 0.3, "p90": 0.5})
    assert pair_statistics([]) == {"pairs": 0, "questions": 0}


def test_quantiles_are_values_that_a_share_of_the_pairs_does_not_exceed():
    rows = [
        answer(f"q{i:02}", sample, sample == 0, 0.5, [7 + sample] * (i + 1)) for i in range(10) for sample in (0, 1)
    ]
    told = pair_statistics(build(rows, "outcome", per_question=1)[0])
    assert told["quantiles"]["chosen_tokens"] == {"p10": 1, "p50": 5, "p90": 9}
