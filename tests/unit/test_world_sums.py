"""The family in the shape of GSM8K: answers in free form that no shallow reading tells, graded by the one grader."""

import random
import re
from collections import Counter
from hashlib import blake2b

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression
from study_files import write

from stepladder.questions.judging import judge, right_as_published
from stepladder.questions.world import MIRRORS, Difficulty, drills, fingerprint, generate_questions
from stepladder.study.__main__ import main

# Of 300 questions of each older family and of 500 drills. Every model of the generated world was trained on these:
# where one changes, so does every result, and CODE_VERSIONS of questions and policies must rise.
DIGESTS = {
    "awpnli": "3a95a106e00f",
    "newsnli": "43884d2037d2",
    "redditnli": "d72c9454ddc9",
    "rte_quant": "9d59d33812b3",
    "stresstest": "8a7185ac2181",
    "qqa": "74a082590f84",
    "drills": "43e9513556d4",
}


def _digest(data: object) -> str:
    return blake2b(repr(data).encode(), digest_size=6).hexdigest()


@pytest.mark.parametrize("dataset", MIRRORS)
def test_the_older_families_are_what_they_were(dataset):
    questions = generate_questions(dataset, 300, 5)
    assert DIGESTS[dataset] == _digest(
        [(q.fields, q.options, q.answer, q.solution, q.demonstration) for q in questions]
    )


def test_the_drills_are_what_they_were():
    assert _digest(drills(random.Random(5), 500)) == DIGESTS["drills"]


def test_every_problem_has_packs_and_hasty_chains_read_them_as_one():
    questions = generate_questions("sums", 2000, 3)
    hasty = [question for question in questions if question.demonstration != question.solution]
    assert 0.4 < len(hasty) / len(questions) < 0.65
    for question in questions:
        told = question.fields["question"]
        assert len(re.findall(r"\d+ boxes of \d+", told)) == question.solution.count(" x ") > 0
    for question in hasty:
        without_packs = re.sub(r"\d+ boxes of (\d+)", r"\1", question.fields["question"])
        numbers = [int(number) for number in re.findall(r"\d+", without_packs)]
        steps = question.demonstration.split("\n")
        assert " x " not in question.demonstration and len(steps) == len(numbers)
        assert steps[0].startswith(f"{numbers[0]} ") and all(
            int(step.split()[2]) == number for step, number in zip(steps[:-1], numbers[1:], strict=True)
        )


def test_answers_are_numbers_of_two_digits_mostly_and_none_is_common():
    answers = [question.answer for question in generate_questions("sums", 3000, 3)]
    assert np.mean([len(answer) >= 2 for answer in answers]) > 0.8
    assert Counter(answers).most_common(1)[0][1] / len(answers) < 0.05


def test_a_bag_of_words_does_not_tell_the_answer():
    """A linear reading of numbers and words, rounded, is right no more often than a good guess."""
    test = generate_questions("sums", 600, 1)
    train = generate_questions("sums", 3000, 2, exclude={fingerprint(question) for question in test})
    words = CountVectorizer(token_pattern=r"\S+")
    told = [[question.fields["question"] for question in part] for part in (train, test)]
    right = [np.array([int(question.answer) for question in part]) for part in (train, test)]
    model = LinearRegression().fit(words.fit_transform(told[0]).toarray(), right[0])
    guessed = np.rint(model.predict(words.transform(told[1]).toarray()))
    assert np.mean(guessed == right[1]) < 0.12


@pytest.mark.parametrize("operations, operand, factor", [(2, 12, 4), (4, 35, 12)])
def test_difficulty_reaches_the_chains(operations, operand, factor):
    easy = generate_questions("sums", 300, 1, Difficulty(operations=2, largest_operand=12, largest_factor=4))
    chosen = generate_questions("sums", 300, 1, Difficulty(operations, 99, operand, factor))
    sizes = [[int(n) for q in part for pack in re.findall(r"(\d+) boxes of (\d+)", q.fields["question"]) for n in pack]
             for part in (easy, chosen)]  # fmt: skip
    assert max(sizes[1]) <= factor
    if operations > 2:
        assert max(sizes[1]) > max(sizes[0])
        assert np.mean([q.solution.count("\n") for q in chosen]) > 1.3 * np.mean([q.solution.count("\n") for q in easy])


def test_chains_are_graded_as_answers_in_free_form():
    question = generate_questions("sums", 1, 4)[0]
    number = int(question.answer)
    texts = [question.solution, f"so it is {number}.0\n#### {number}.0", f"#### {number + 1}", f"1 + 1 = {number}"]
    judged = judge(texts, question)
    assert [each.correct for each in judged] == [True, True, False, False]
    assert judged[0].answer == judged[1].answer != judged[2].answer and judged[3].answer is None
    assert judged[3].correct_flexible
    assert [right_as_published(text, question) for text in texts] == [True, False, False, False]


@pytest.mark.parametrize(
    ("source", "sets", "fault"),
    [
        ("generated", ["sums"], None),
        ("local", ["gsm8k", "sums"], "nobody has published sums: take source: generated"),
        ("generated", ["gsm8k"], "the generated world has no gsm8k"),
    ],
)
def test_it_is_had_from_the_generated_world_alone(source, sets, fault, tmp_path, capsys):
    questions = {"source": source, "sets": sets, "splits": {"test": 5}}
    file = write(tmp_path / "study.yaml", {"study": "a", "data_dir": str(tmp_path), "questions": {"q": questions}})
    assert main(["check", str(file)]) == (0 if fault is None else 1)
    assert fault is None or fault in capsys.readouterr().err
