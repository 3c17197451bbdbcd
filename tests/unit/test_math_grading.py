"""Which answers are equal: pairs labelled by hand, hostile ones among them, and what grading makes of them."""

import pytest
from math_different_pairs import DIFFERENT
from math_equal_pairs import EQUAL
from math_hostile_pairs import HOSTILE

from stepladder.questions.mathematics.checker import Checker
from stepladder.questions.mathematics.forms import form
from stepladder.questions.mathematics.grading import cluster, equal, grade

BY_HAND = [
    (*line.split(" ~ "), label)
    for block, label in ((EQUAL, True), (DIFFERENT, False))
    for line in block.splitlines()
    if line
]


@pytest.fixture(scope="module")
def checker():
    with Checker() as workers:
        yield workers


class NoWorkers(Checker):
    """Fails the test when a pair is not decided by its forms."""

    def compare(self, pairs):
        assert not pairs, f"not decided by their forms: {pairs}"
        return []


def test_there_are_three_hundred_pairs_and_none_twice():
    assert len({(first, second) for first, second, _ in [*BY_HAND, *HOSTILE]}) == len(BY_HAND) + len(HOSTILE) >= 500


@pytest.mark.parametrize("pairs", [BY_HAND, HOSTILE], ids=["by hand", "hostile"])
def test_labelled_pairs_in_both_orders(pairs, checker):
    there = equal([(first, second) for first, second, _ in pairs], checker)
    back = equal([(second, first) for first, second, _ in pairs], checker)
    labels = [label for *_, label in pairs]
    wrong = [(pair[0][:60], pair[1][:60]) for pair, found in zip(pairs, there, strict=True) if found != pair[2]]
    assert wrong == []
    assert back == there == labels


def test_numbers_never_reach_a_worker():
    answers = ["18", "$18.00", "1,200", "\\frac{3}{4}", "1 3/4", "-5", "2.5 million", "20\\%", "(1, 2)", "1, 2 and 3"]
    equal([(first, second) for first in answers for second in answers], NoWorkers())


def test_hostile_numbers_never_reach_a_worker():
    bombs = [
        "10**10**10",
        "9^{9^{9^{9}}}",
        "(10^{9})!",
        "\\binom{10^{9}}{7}",
        "7" * 1_000_000,
        "(" * 300 + "1" + ")" * 300,
    ]
    equal([(bomb, "18") for bomb in bombs] + [(bomb, "\\sqrt{2}") for bomb in bombs], NoWorkers())


def test_what_is_not_worked_out_equals_only_itself():
    unevaluated = ["\\sum_{k=1}^{10} k", "\\int_0^1 2x \\, dx", "\\lim_{x \\to 0} x", "\\prod_{k=1}^{10^9} k"]
    pairs = [(first, second) for first in unevaluated for second in (*unevaluated, "55", "1", "x+\\sqrt{2}", "(x, y)")]
    assert equal(pairs, NoWorkers()) == [first == second for first, second in pairs]


def test_an_answer_that_could_not_be_read_is_wrong():
    assert grade([None, "18", None, "19"], "18", NoWorkers()) == [False, True, False, False]
    assert grade([], "18", NoWorkers()) == []


def test_a_question_without_an_answer_is_right_only_when_it_is_said_to_have_none():
    answers = ["None", "cannot be determined", "0", "18", None, ""]
    assert grade(answers, "unanswerable", NoWorkers()) == [True, True, False, False, False, False]
    assert grade(["None", "unanswerable"], "18", NoWorkers()) == [False, False]


def test_equal_answers_share_a_text_and_the_right_ones_that_of_the_gold(checker):
    answers = ["0.5", None, "\\frac12", "2\\sqrt{2}", "7", "\\sqrt{8}", "7.0", "1/2", "8^{1/2}", None]
    named = cluster(answers, "\\frac{1}{2}", checker)
    assert named == ["1/2", None, "1/2", "2\\sqrt{2}", "7", "2\\sqrt{2}", "7", "1/2", "2\\sqrt{2}", None]
    for answer, name in zip(answers, named, strict=True):
        assert (name == form("\\frac{1}{2}").text) == grade([answer], "\\frac{1}{2}", checker)[0]


def test_the_gold_names_its_cluster(checker):
    assert cluster(["2\\sqrt{2}", "3"], "\\sqrt{8}", checker) == ["\\sqrt{8}", "3"]
    assert cluster([None, None], "\\sqrt{8}", checker) == [None, None]
