"""Expected majority votes against enumeration of all subsets; weights of votes."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.errors import StepladderError
from stepladder.evaluation.best_of_n import best_of_n, vote_accuracy
from stepladder.evaluation.votes import expected_majority, log_odds, vote_weights

examples = settings(deadline=None, max_examples=80)
ballots = st.lists(st.sampled_from(["right", "a", "b", "c", None]), min_size=1, max_size=8)
logits = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=8)


def by_enumeration(answers, correct, n) -> float:
    subsets = list(combinations(range(len(answers)), n))
    return sum(vote_accuracy([answers[i] for i in s], [correct[i] for i in s]) for s in subsets) / len(subsets)


@examples
@given(ballots)
def test_the_expected_vote_is_the_mean_over_all_subsets(answers):
    correct = [float(answer == "right") for answer in answers]
    curve = expected_majority(answers, correct)
    expected = [by_enumeration(answers, correct, n) for n in range(1, len(answers) + 1)]
    assert curve == pytest.approx(expected, abs=1e-12)
    assert curve[0] == pytest.approx(np.mean(correct))
    assert curve[-1] == pytest.approx(vote_accuracy(answers, correct))


@examples
@given(ballots, st.randoms())
def test_neither_order_nor_names_of_answers_matter(answers, random):
    curve = expected_majority(answers, [float(answer == "right") for answer in answers])
    random.shuffle(answers)
    renamed = [None if answer is None else (answer, 1) for answer in answers]
    assert expected_majority(renamed, [answer == "right" for answer in answers]) == pytest.approx(curve, abs=1e-12)


@examples
@given(ballots)
def test_the_chances_to_win_add_up_to_one(answers):
    chances = [expected_majority(answers, [answer == each for answer in answers]) for each in set(answers)]
    assert np.sum(chances, axis=0) == pytest.approx(np.ones(len(answers)), abs=1e-12)


def test_an_expected_vote_by_hand():
    # Of the three pairs RR, RW, RW the first is right and the others are ties.
    assert expected_majority(["R", "R", "W"], [1, 1, 0]) == pytest.approx([2 / 3, 2 / 3, 1])
    # An answer that cannot be read never outvotes one that can.
    assert expected_majority(["R", None, None], [1, 0, 0]) == pytest.approx([1 / 3, 2 / 3, 1])
    assert expected_majority([None, None], [0, 0]).tolist() == [0, 0]
    # All different: one of n wins at random.
    assert expected_majority(list("Rabcd"), [1, 0, 0, 0, 0]) == pytest.approx([0.2] * 5)


def test_many_answers_agree_with_random_subsets():
    generator = np.random.default_rng(0)
    answers = [None if draw == 0 else int(draw) for draw in generator.integers(0, 9, 128)]
    correct = [float(answer in (1, 2)) for answer in answers]
    curve = expected_majority(answers, correct)
    for n in (4, 32, 100):
        drawn = [generator.choice(128, n, replace=False) for _ in range(1500)]
        votes = [vote_accuracy([answers[i] for i in s], [correct[i] for i in s]) for s in drawn]
        assert curve[n - 1] == pytest.approx(np.mean(votes), abs=4 * np.std(votes) / 1500**0.5)
    assert curve[-1] == pytest.approx(vote_accuracy(answers, correct))


# --- weights


def test_weights_by_hand():
    assert vote_weights([0.0, np.log(3)], "sigmoid") == pytest.approx([0.5, 0.75])
    assert vote_weights([0.0, 2 * np.log(3)], "sigmoid", temperature=2) == pytest.approx([0.5, 0.75])
    assert vote_weights([0.0, np.log(3)], "softmax") == pytest.approx([0.25, 0.75])
    assert vote_weights([0.0, 2 * np.log(3)], "softmax", temperature=2) == pytest.approx([0.25, 0.75])
    assert vote_weights([5.0, -1.0, 5.0, 900.0], "rank") == pytest.approx([2.5 / 4, 1 / 4, 2.5 / 4, 1])


@pytest.mark.parametrize("how", ["sigmoid", "softmax", "rank"])
@examples
@given(scores=logits, random=st.randoms())
def test_weights_are_votes_and_rise_with_the_score(how, scores, random):
    weights = vote_weights(scores, how)
    assert np.all(weights >= 0) and np.all(np.isfinite(weights)) and weights.sum() > 0
    by_score = np.array(weights)[np.argsort(scores)]
    assert np.all(np.diff(by_score) >= 0)
    order = list(range(len(scores)))
    random.shuffle(order)
    assert vote_weights([scores[i] for i in order], how) == pytest.approx(weights[order])


@examples
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8))
def test_the_sigmoid_of_log_odds_is_the_score_and_their_order_its_order(scores):
    logits = log_odds(scores)
    assert np.all(np.isfinite(logits)) and np.all(np.diff(logits[np.argsort(scores)]) >= 0)
    assert vote_weights(logits) == pytest.approx(scores, abs=1e-7)
    assert log_odds([0.5, 0.75]) == pytest.approx([0, np.log(3)])


def test_right_answers_outvote_all_others_when_an_oracle_weighs():
    answers, correct = ["a", "a", "a", "right"], [0.0, 0.0, 0.0, 1.0]
    for how in ("sigmoid", "softmax"):
        assert vote_accuracy(answers, correct, list(vote_weights(log_odds(correct), how))) == 1.0


@pytest.mark.parametrize("how", ["sigmoid", "softmax", "rank"])
def test_huge_scores_give_finite_weights(how):
    weights = vote_weights([-1e4, 0.0, 1e4], how)
    assert np.all(np.isfinite(weights)) and weights[2] == 1.0


@examples
@given(ballots)
def test_a_prm_that_knows_nothing_votes_as_the_majority_and_chooses_as_chance(answers):
    correct = [float(answer == "right") for answer in answers]
    for how in ("sigmoid", "softmax", "rank"):
        weights = vote_weights(np.zeros(len(answers)), how)
        assert vote_accuracy(answers, correct, list(weights)) == pytest.approx(vote_accuracy(answers, correct))
    assert best_of_n(np.zeros(len(answers)), correct, len(answers)) == pytest.approx(np.mean(correct))


@pytest.mark.parametrize(
    "call",
    [
        lambda: expected_majority([], []),
        lambda: expected_majority(["a"], [1.0, 0.0]),
        lambda: expected_majority(["a"] * 1001, [1.0] * 1001),
        lambda: log_odds([0.5, 1.1]),
        lambda: log_odds([np.nan]),
        lambda: vote_weights([1.0, np.nan]),
        lambda: vote_weights([1.0, np.inf]),
        lambda: vote_weights([1.0], temperature=0.0),
        lambda: vote_weights([[1.0]]),
        lambda: vote_weights([1.0], "linear"),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(StepladderError):
        call()
