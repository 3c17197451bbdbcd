"""One grader for all questions: what a finished text answers, and whether that is right."""

from collections.abc import Sequence
from dataclasses import dataclass

from stepladder.questions import grading
from stepladder.questions.mathematics import published
from stepladder.questions.mathematics.checker import process_checker
from stepladder.questions.mathematics.extraction import extract_answer
from stepladder.questions.mathematics.forms import form
from stepladder.questions.mathematics.grading import cluster, grade
from stepladder.questions.question import Question

# The released code that graded a set with answers in free form.
_PUBLISHED_RULES: dict[str, published.Rule] = {
    "gsm8k": "probppo_gsm8k",
    "sums": "probppo_gsm8k",
    "gsm_plus": "pqm_gsm_plus",
    "math500": "pqm_math",
}


@dataclass(frozen=True)
class Judgement:
    """What one text answers, by the strict and by the flexible rule.

    Attributes:
        answer: equal for equal answers of one call: the option's number from 1, or an answer in free form by the name
            of its cluster; None where nothing could be read.
        correct: whether it is the gold answer, that is, whether it is ``gold_answer`` of the question.
        answer_flexible: as ``answer``, by the flexible rule.
        correct_flexible: as ``correct``, by the flexible rule.
    """

    answer: str | None
    correct: bool
    answer_flexible: str | None
    correct_flexible: bool


def gold_answer(question: Question) -> str:
    """The right answer as ``judge`` writes it: the option's number from 1, or the one form of a free answer."""
    return str(question.answer + 1) if question.options else form(question.answer).text


def judge(texts: Sequence[str], question: Question) -> list[Judgement]:
    """What each text answers; texts of one question go together, since equal answers get one name."""
    read = [_read(texts, question, strict) for strict in (True, False)]
    if not question.options:
        named = cluster([*read[0], *read[1]], question.answer, process_checker())
        read = [named[: len(texts)], named[len(texts) :]]
    gold = gold_answer(question)
    return [
        Judgement(strict, strict == gold, flexible, flexible == gold) for strict, flexible in zip(*read, strict=True)
    ]


def are_right(texts: Sequence[str], question: Question) -> list[bool]:
    """Whether each text ends in the right answer, by the strict rule."""
    read = _read(texts, question, strict=True)
    if question.options:
        return [answer == gold_answer(question) for answer in read]
    return grade(read, question.answer, process_checker())


def right_as_published(text: str, question: Question) -> bool:
    """Whether a text is right by the rule of released code, faults included, for comparison.

    Options are read as in PSPO*, answers in free form as in PQM (GSM-Plus, MATH500) and VinePPO (GSM8K).
    """
    if question.options:
        return grading.extract_as_published(text, question) == question.answer
    return published.right_as_published(text, question.answer, _PUBLISHED_RULES[question.dataset], process_checker())


def algebra() -> dict[str, dict[str, int]]:
    """For metrics.json: how many pairs of answers this process has left to algebra, by verdict; nothing for none.

    A pair that failed, since it broke the limits of its worker, counts as different.
    """
    verdicts = process_checker().verdicts
    return {"algebra": dict(sorted(verdicts.items()))} if verdicts else {}


def _read(texts: Sequence[str], question: Question, strict: bool) -> list[str | None]:
    if not question.options:
        return [extract_answer(text, strict) for text in texts]
    options = [grading.extract_answer(text, question, strict) for text in texts]
    return [None if option is None else str(option + 1) for option in options]
