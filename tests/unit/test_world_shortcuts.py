"""No family can be answered by shallow reading: a bag of words, the hypothesis alone, the options alone."""

import warnings

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from stepladder.questions.question import Question
from stepladder.questions.world import MIRRORS, fingerprint, generate_questions

TRAIN, TEST = 1200, 600
MARGIN = 0.10


def _whole(question: Question) -> str:
    return " ".join((*question.fields.values(), *question.options))


def _tagged(question: Question) -> str:
    """Every word marked with the field it stands in."""
    parts = (*question.fields.values(), *question.options)
    return " ".join(f"{index}_{word}" for index, part in enumerate(parts) for word in part.split())


def _last_field(question: Question) -> str:
    """The hypothesis, or qqa's question without its options."""
    return tuple(question.fields.values())[-1]


def _options(question: Question) -> str:
    return " ".join(f"{index}_{word}" for index, part in enumerate(question.options) for word in part.split())


def _accuracy(train: list[Question], test: list[Question], view, binary: bool) -> float:
    words = CountVectorizer(token_pattern=r"\S+", binary=binary)
    model = make_pipeline(words, LogisticRegression(C=0.1, max_iter=300))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit([view(question) for question in train], [question.answer for question in train])
    predicted = model.predict([view(question) for question in test])
    return float(np.mean(predicted == [question.answer for question in test]))


@pytest.mark.parametrize("binary", [False, True], ids=["counts", "presence"])
@pytest.mark.parametrize(
    "view", [_whole, _tagged, _last_field, _options], ids=["words", "fields", "hypothesis", "options"]
)
@pytest.mark.parametrize("dataset", [*MIRRORS, "puzzles"])
def test_shallow_classifiers_stay_near_chance(dataset: str, view, binary: bool) -> None:
    test = generate_questions(dataset, TEST, 1)
    train = generate_questions(dataset, TRAIN, 2, exclude={fingerprint(question) for question in test})
    chance = 1 / len(test[0].options)
    assert _accuracy(train, test, view, binary) <= chance + MARGIN


def test_the_probe_finds_a_shortcut_where_there_is_one() -> None:
    questions = generate_questions("awpnli", TRAIN + TEST, 3)
    leaking = [
        Question(
            question.dataset,
            {
                **question.fields,
                "statement2": question.fields["statement2"] + f" {'truly' * question.answer}",
            },
            question.options,
            question.answer,
        )
        for question in questions
    ]
    assert _accuracy(leaking[:TRAIN], leaking[TRAIN:], _last_field, False) > 0.95
