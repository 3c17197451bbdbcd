"""Which answers and which steps may stand against each other, on hand-made answers."""

import random
from collections import Counter

import pytest
from pydantic import ValidationError

from stepladder.policies.contrasts import contrasts
from stepladder.policies.pairs import build_pairs
from stepladder.records import Counts
from stepladder.study.specs.rewards import Pairs


def spec(kind, **keys) -> Pairs:
    return Pairs.model_validate({"kind": kind, "rewards": "r", "reference": "p", "per_question": 99, **keys})


def answer(sample, correct, reward, ids=None, ends=None):
    ids = ids or [10 + sample]
    return {
        "question_id": "a", "sample": sample, "dataset": "qqa", "correct": correct, "reward": reward,
        "prompt_ids": [1], "token_ids": ids, "step_ends": ends or [len(ids)],
    }  # fmt: skip


def found(rows, kind, rng=None, scores=None, **keys):
    made = contrasts(rows, spec(kind, **keys), rng or random.Random(0), scores or {})
    return {(each.chosen["sample"], each.rejected["sample"]) for each in made}


SIX = [answer(0, True, 0.9), answer(1, True, 0.5), answer(2, True, 0.1)]
SIX += [answer(3, False, 0.8), answer(4, False, 0.4), answer(5, False, 0.2)]


def test_best_chooses_among_the_right_answers_of_highest_reward():
    assert found(SIX, "outcome", best=1) == {(0, 3), (0, 4), (0, 5)}
    assert found(SIX, "process", best=2) == {(0, 1), (0, 2), (1, 2)}
    assert found(SIX, "process", best=1) == {(0, 1), (0, 2)}


def test_hardest_rejects_the_wrong_answers_of_highest_reward():
    assert found(SIX, "outcome", hardest=2, best=1) == {(0, 3), (0, 4)}


def test_ties_go_to_the_earlier_sample():
    rows = [answer(3, True, 0.5), answer(1, True, 0.5), answer(2, False, 0.5)]
    assert found(rows, "outcome", best=1) == {(1, 2)}


def test_a_threshold_divides_the_right_answers_and_the_margin_holds_too():
    assert found(SIX, "process", by="threshold", threshold=0.4) == {(0, 2), (1, 2)}
    assert found(SIX, "process", by="threshold", threshold=0.4, margin=0.5) == {(0, 2)}
    assert found(SIX, "process", by="threshold", threshold=0.9) == set()


def test_rejection_sampling_accepts_by_reward():
    # The answer of highest reward is always accepted; one that is ln 2 temperatures below in half of the draws.
    rows = [answer(0, True, 1.0), answer(1, True, 1.0 - 0.1 * 0.6931471805599453), answer(2, True, -9.0)]
    drawn = Counter()
    for seed in range(2000):
        drawn.update(found(rows, "process", random.Random(seed), by="rejection", temperature=0.1))
    assert drawn[0, 2] == 2000
    assert abs(drawn[0, 1] - 1000) < 5 * 500**0.5
    assert drawn[1, 2] == 2000 - drawn[0, 1]


def test_sides_of_like_length():
    rows = [answer(0, True, 0.9, [1, 2]), answer(1, True, 0.5, [1, 2, 3]), answer(2, True, 0.1, [1, 2, 3, 4])]
    assert found(rows, "process", length_ratio=1.5) == {(0, 1), (1, 2)}
    assert found(rows, "process", length_ratio=1) == set()


def test_steps_stand_against_each_other_after_the_same_tokens_only():
    rows = [
        answer(0, True, 1.0, [7, 8, 9, 5], [2, 4]),  # step (7 8), then (9 5)
        answer(1, False, 0.0, [7, 8, 6], [2, 3]),  # the same first step, another second one
        answer(2, False, 0.0, [4, 6], [1, 2]),  # another first step
    ]
    scores = {("a", 0): [0.8, 0.9], ("a", 1): [0.8, 0.3], ("a", 2): [0.1, 0.0]}
    assert found(rows, "step", scores=scores) == {(0, 1), (0, 2)}
    assert found(rows, "step", scores=scores, margin=0.65) == {(0, 2)}
    pairs = build_pairs(rows, spec("step"), 0, Counts(), scores)
    by_start = {tuple(pair["prompt_ids"]): pair for pair in pairs}
    assert by_start[1, 7, 8]["chosen_ids"] == [9, 5] and by_start[1, 7, 8]["rejected_ids"] == [6]
    assert by_start[1,]["chosen_ids"] == [7, 8] and by_start[1,]["rejected_ids"] == [4]
    assert by_start[1, 7, 8]["chosen_reward"] == 0.9 and by_start[1, 7, 8]["rejected_reward"] == 0.3


def test_the_control_of_process_pairs_is_as_many_of_any_two_right_answers_in_any_order():
    pairs = {(a, b) for a in range(3) for b in range(3) if a != b}
    drawn = Counter()
    for seed in range(600):
        (pair,) = found(SIX, "random_process", random.Random(seed), margin=0.5)  # (0, 2) alone is that far apart
        drawn[pair] += 1
    assert drawn.keys() == pairs
    assert all(abs(drawn[pair] - 100) < 5 * 84**0.5 for pair in pairs)
    assert found(SIX, "random_process", margin=0.9) == set()
    alike = [answer(0, True, 0.5), answer(1, True, 0.5)]
    assert found(alike, "random_process") == set()  # rewards that are equal give no process pair either


def test_the_control_of_process_pairs_keeps_to_equal_outcomes_and_like_lengths():
    for seed in range(50):
        both = found(SIX, "random_process", random.Random(seed), among="any")
        assert len(both) == 6 and all((a < 3) == (b < 3) for a, b in both)
    rows = [answer(0, True, 0.9, [1, 2]), answer(1, True, 0.5, [1, 2, 3]), answer(2, True, 0.1, [1, 2, 3, 4])]
    for seed in range(50):
        made = found(rows, "random_process", random.Random(seed), length_ratio=1.5)
        assert {frozenset(pair) for pair in made} == {frozenset({0, 1}), frozenset({1, 2})}


def test_best_holds_for_right_answers_alone_where_wrong_ones_make_pairs_too():
    assert found(SIX, "process", best=1, among="any") == {(0, 1), (0, 2), (3, 4), (3, 5), (4, 5)}


def test_hardest_leaves_the_right_answers_alone():
    assert found(SIX, "outcome", hardest=1) == {(0, 3), (1, 3), (2, 3)}
    assert found(SIX, "process", hardest=1) == found(SIX, "process")


def test_like_length_is_of_the_steps_where_steps_are_compared():
    rows = [answer(0, True, 1.0, [7, 8, 9, 9, 9], [2, 5]), answer(1, True, 0.0, [7, 8, 6], [2, 3])]
    scores = {("a", 0): [0.8, 0.9], ("a", 1): [0.8, 0.3]}  # whole answers: 5 to 3 tokens; second steps: 3 to 1
    assert found(rows, "step", scores=scores, length_ratio=3) == {(0, 1)}
    assert found(rows, "step", scores=scores, length_ratio=2.9) == set()


def test_questions_that_a_prm_has_seen_give_no_pairs():
    counts = Counts()
    assert build_pairs(SIX, spec("outcome"), 0, counts, left_out={"a"}) == []
    assert counts.as_data() == {"rows_in": 6, "rows_out": 0, "dropped": {"question left out": 6}}


def test_copies_go_with_every_pair():
    assert {pair["copies"] for pair in build_pairs(SIX, spec("outcome", copies=3), 0, Counts())} == {3}


@pytest.mark.parametrize(("keys"), [{"by": "threshold"}, {"threshold": 0.5}, {"by": "gap", "threshold": 0.5}])
def test_a_threshold_goes_with_its_rule(keys):
    with pytest.raises(ValidationError, match="give it with by: threshold"):
        spec("process", **keys)
