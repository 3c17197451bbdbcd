"""Best-of-n, pass@k and votes against enumeration of all subsets."""

import json
from collections import Counter
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.errors import StepladderError
from stepladder.evaluation.best_of_n import best_of_n, majority_vote, pass_at_k, vote_accuracy, weighted_vote

examples = settings(deadline=None, max_examples=100)
samples = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), min_size=1, max_size=8)
ballots = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", None]), st.sampled_from([0.1, 0.2, 0.3, 0.7])),
    min_size=1,
    max_size=9,
)


def by_enumeration(scores, correct, n) -> float:
    outcomes = []
    for subset in combinations(range(len(scores)), n):
        best = max(scores[i] for i in subset)
        tied = [correct[i] for i in subset if scores[i] == best]
        outcomes.append(sum(tied) / len(tied))
    return sum(outcomes) / len(outcomes)


@examples
@given(samples, st.data())
def test_best_of_n_is_the_mean_over_all_subsets(rows, data):
    n = data.draw(st.integers(1, len(rows)))
    scores, correct = zip(*rows, strict=True)
    assert best_of_n(scores, correct, n) == pytest.approx(by_enumeration(scores, correct, n), abs=1e-12)


@examples
@given(samples, st.data())
def test_order_and_scale_of_scores_do_not_matter(rows, data):
    n = data.draw(st.integers(1, len(rows)))
    shuffled = data.draw(st.permutations(rows))
    scores, correct = map(np.array, zip(*rows, strict=True))
    moved, moved_correct = map(np.array, zip(*shuffled, strict=True))
    assert best_of_n(np.exp(moved) - 9.0, moved_correct, n) == pytest.approx(best_of_n(scores, correct, n), abs=1e-12)


@examples
@given(st.lists(samples, min_size=1, max_size=4), st.data())
def test_many_questions_at_once_with_padding_are_each_on_its_own(questions, data):
    n = data.draw(st.integers(1, min(len(rows) for rows in questions)))
    width = max(len(rows) for rows in questions) + data.draw(st.integers(0, 3))
    garbage = data.draw(st.sampled_from([np.nan, 0.0, 2.0, np.inf, -np.inf]))
    scores, correct = np.full((len(questions), width), garbage), np.full((len(questions), width), np.nan)
    for place, rows in enumerate(questions):
        columns = data.draw(st.permutations(range(width)))[: len(rows)]
        scores[place, columns], correct[place, columns] = zip(*rows, strict=True)
    expected = [best_of_n(*zip(*rows, strict=True), n) for rows in questions]
    assert best_of_n(scores, correct, n) == pytest.approx(expected, abs=1e-12)
    assert best_of_n(scores[:, None], correct[:, None], n).shape == (len(questions), 1)


@examples
@given(samples, st.data())
def test_better_scores_and_more_samples_of_an_oracle_never_hurt(rows, data):
    n = data.draw(st.integers(1, len(rows)))
    scores, correct = map(np.array, zip(*rows, strict=True))
    assert best_of_n(scores + 10 * correct, correct, n) >= best_of_n(scores, correct, n) - 1e-12
    curve = [best_of_n(correct, correct, each) for each in range(1, n + 1)]
    assert np.all(np.diff(curve) >= -1e-12) and np.all(np.array(curve) >= correct.mean() - 1e-12)


def test_best_of_n_at_its_ends():
    scores, correct = [0.1, 0.5, 0.5, 0.9], [1, 1, 0, 0]
    assert best_of_n(scores, correct, 1) == pytest.approx(0.5)
    assert best_of_n(scores, correct, 4) == 0.0
    assert best_of_n(scores[:3], correct[:3], 3) == pytest.approx(0.5)
    # Of the six pairs, three hold 0.9, two have 0.5 over 0.1, one is the tied pair.
    assert best_of_n(scores, correct, 2) == pytest.approx((3 * 0 + 1 + 0 + 0.5) / 6)
    assert best_of_n([float("-inf"), 0.0], [1, 0], 2) == 0.0


@examples
@given(samples, st.data())
def test_scoring_by_correctness_is_pass_at_k_and_its_opposite_the_chance_that_all_are_right(rows, data):
    n = data.draw(st.integers(1, len(rows)))
    correct = np.array([row[1] for row in rows])
    size, right = len(correct), int(correct.sum())
    assert best_of_n(correct, correct, n) == pytest.approx(pass_at_k(size, right, n), abs=1e-12)
    assert best_of_n(-correct, correct, n) == pytest.approx(comb(right, n) / comb(size, n), abs=1e-12)
    assert best_of_n(np.zeros(size), correct, n) == pytest.approx(correct.mean(), abs=1e-12)


def test_many_samples_stay_exact():
    generator = np.random.default_rng(0)
    correct = generator.integers(0, 2, 1024)
    scores = generator.integers(0, 50, 1024) + correct
    for n in (1, 8, 128, 1024):
        weights = 0.0
        for score in np.unique(scores):
            below, upto = int((scores < score).sum()), int((scores <= score).sum())
            weights += (comb(upto, n) - comb(below, n)) / comb(1024, n) * correct[scores == score].mean()
        assert best_of_n(scores, correct, n) == pytest.approx(weights, rel=1e-9)


@pytest.mark.parametrize(
    ("n", "c", "k"), [(n, c, k) for n in (1, 2, 5, 16) for c in range(n + 1) for k in (1, 2, n) if k <= n]
)
def test_pass_at_k_is_its_formula(n, c, k):
    assert pass_at_k(n, c, k) == pytest.approx(1 - comb(n - c, k) / comb(n, k), abs=1e-12)


def test_pass_at_k_of_many_questions_at_once():
    assert pass_at_k(4, [0, 1, 2, 3, 4], 2) == pytest.approx([0, 1 / 2, 5 / 6, 1, 1], abs=1e-12)
    assert isinstance(pass_at_k(4, 1, 2), float)


def test_selection_among_real_labelled_answers_lies_between_mean_and_pass(real_data):
    path = real_data / "gsm8k" / "example_model_solutions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    correct = np.array([[bool(v["is_correct"]) for k, v in row.items() if isinstance(v, dict)] for row in rows])
    assert correct.shape == (1319, 4)
    assert correct.mean(axis=0) * 100 == pytest.approx([21.7, 39.0, 34.7, 56.3], abs=0.06)
    passes = np.mean([pass_at_k(4, int(row.sum()), 4) for row in correct])
    assert passes == pytest.approx(correct.any(axis=1).mean())
    prior = [0.217, 0.390, 0.347, 0.563]
    assert np.mean([best_of_n(prior, row, 4) for row in correct]) == pytest.approx(correct[:, 3].mean())
    pairs = [best_of_n(prior, row, 2) for row in correct]
    assert correct.mean() < np.mean(pairs) < correct[:, 3].mean()


# --- votes


@pytest.mark.parametrize(
    ("answers", "winner"),
    [
        (["a", "b", "b"], "b"),
        (["b", "a", "a", "b"], "b"),
        ([None, None, None, "a"], "a"),
        ([None, None], None),
        (["a"], "a"),
        ([None, "b", "a", "a", None, None], "a"),
    ],
)
def test_majority_vote(answers, winner):
    assert majority_vote(answers) == winner


def test_weighted_vote():
    assert weighted_vote(["a", "b", "b"], [0.9, 0.4, 0.4]) == "a"
    assert weighted_vote(["a", "b", "b"], [0.7, 0.4, 0.4]) == "b"
    assert weighted_vote([None, "b"], [9.0, 0.0]) == "b"
    assert weighted_vote([(1, 2), 3, (1, 2)], [1.0, 1.5, 1.0]) == (1, 2)


def test_equal_weights_in_another_order_still_tie():
    answers = ["a", "a", "a", "b", "b", "b"]
    assert sum([0.1, 0.2, 0.3]) != sum([0.3, 0.2, 0.1])
    weights = [0.3, 0.2, 0.1, 0.1, 0.2, 0.3]
    assert vote_accuracy(answers, [0, 0, 0, 1, 1, 1], weights) == 0.5


@examples
@given(ballots, st.randoms())
def test_votes_count_and_order_breaks_nothing_but_ties(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    answers, weights = zip(*rows, strict=True)
    mixed, mixed_weights = zip(*shuffled, strict=True)
    correct = [answer == "a" for answer in answers]
    expected = vote_accuracy(answers, correct, weights)
    assert vote_accuracy(mixed, [answer == "a" for answer in mixed], mixed_weights) == pytest.approx(expected)
    counts = Counter(answer for answer in answers if answer is not None)
    assert counts.get(majority_vote(answers), 0) == max(counts.values(), default=0)
    top = [answer for answer, count in counts.items() if count == max(counts.values())] or [None]
    assert vote_accuracy(answers, correct) == pytest.approx(top.count("a") / len(top))


def test_the_correctness_of_an_answer_is_the_mean_of_its_members():
    assert vote_accuracy(["a", "a", "b"], [1.0, 0.0, 1.0]) == 0.5


@pytest.mark.parametrize(
    "call",
    [
        lambda: best_of_n([0.1], [1], 0),
        lambda: best_of_n([0.1], [1], 2),
        lambda: best_of_n([0.1, 0.2], [1], 1),
        lambda: best_of_n([float("nan")], [1], 1),
        lambda: best_of_n([0.1], [2], 1),
        lambda: best_of_n([], [], 1),
        lambda: best_of_n([[0.1, 0.2], [0.1, 0.2]], [[1, 0], [1, np.nan]], 2),
        lambda: pass_at_k(4, 5, 1),
        lambda: pass_at_k(4, 1, 5),
        lambda: pass_at_k(4, 1, 0),
        lambda: pass_at_k(4, 0.5, 1),
        lambda: majority_vote([]),
        lambda: weighted_vote(["a"], [1.0, 2.0]),
        lambda: weighted_vote(["a"], [-1.0]),
        lambda: weighted_vote(["a"], [float("nan")]),
        lambda: vote_accuracy(["a"], [1, 0]),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(StepladderError):
        call()
