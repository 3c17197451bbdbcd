"""Grading as released code did it, faults included, so that a table can show what the grader changes.

Written anew from the description of that code, without its helpers for symbolic comparison: for these the checker
stands in, on the text that the released code would have compared.
"""

import re
from fractions import Fraction
from typing import Literal

from stepladder.questions.mathematics.checker import Checker
from stepladder.questions.mathematics.cleaning import LONGEST, clean
from stepladder.questions.mathematics.extraction import boxed
from stepladder.questions.mathematics.forms import compare, form
from stepladder.questions.mathematics.rationals import rational

Rule = Literal["pqm_gsm_plus", "pqm_math", "probppo_gsm8k", "probppo_math"]

_PLAIN_NUMBER = re.compile(r"[0-9]+\.[0-9]+|[0-9]+")
_SIGNED_NUMBER = re.compile(r"-?[0-9]*\.?[0-9]+")
_FINAL_FORM = re.compile(r"final answer is \$(.*?)\$\. I hope", re.DOTALL)


def right_as_published(text: str, gold: str, rule: Rule, checker: Checker) -> bool:
    """Whether a chain is right by the rule of released code.

    ``pqm_gsm_plus`` (PQM, arXiv 2410.11287): the last unsigned number without commas or fractions equals the gold,
    which may be a fraction; an unanswerable question is never right. ``pqm_math``: what follows the last "answer:" or
    "the answer is", of that the last box; 1, 1/100 and 100 times the gold are right within 1e-4 of it, and what stands
    behind "_" is ignored. ``probppo_gsm8k`` (VinePPO, arXiv 2410.01679): what follows the last "####", its commas
    removed, equals the gold as it is written, with its commas. ``probppo_math``: "final answer is $...$. I hope", or
    the last box, or what follows "he answer is", or the last number; within 1e-3 of 1, 1/100 or 100 times the gold.
    """
    match rule:
        case "pqm_gsm_plus":
            numbers = _PLAIN_NUMBER.findall(text)
            value = rational(gold)
            return bool(numbers) and value is not None and float(numbers[-1]) == float(value)
        case "probppo_gsm8k":
            return "####" in text and _after_mark(text) == gold.strip().lower()
        case "pqm_math":
            return _right_in_pqm(text, gold, checker)
        case "probppo_math":
            return _right_in_probppo(text, gold, checker)


def _after_mark(text: str) -> str:
    return text.rpartition("####")[2].strip().replace(",", "").lower()


def _right_in_pqm(text: str, gold: str, checker: Checker) -> bool:
    for phrase in ("answer:\n", "answer:", "the answer is: ", "the final answer is "):
        text = text.rpartition(phrase)[2]
    answer = boxed(text)
    answer = (answer if answer is not None else text).strip()
    if "_" in answer or "_" in gold:
        written = [_SIGNED_NUMBER.fullmatch(part.partition("_")[0].strip()) for part in (answer, gold)]
        return all(written) and float(written[0][0]) == float(written[1][0])
    return _close(answer, gold, relative=Fraction(1, 10_000)) or _same(answer, clean(gold), checker)


def _right_in_probppo(text: str, gold: str, checker: Checker) -> bool:
    numbers = _SIGNED_NUMBER.findall(text)
    if closing := _FINAL_FORM.findall(text):
        answer = closing[-1]
    elif (box := boxed(text)) is not None:
        answer = box
    elif "he answer is" in text:
        answer = text.rpartition("he answer is")[2].strip().partition("\n")[0].rstrip(".")
    else:
        answer = numbers[-1] if numbers else ""
    if not answer or len(answer) > LONGEST:
        return False
    cleaned = clean(answer)
    return _close(cleaned, gold, absolute=Fraction(1, 1000)) or _same(cleaned, clean(gold), checker)


def _close(answer: str, gold: str, relative: Fraction = Fraction(0), absolute: Fraction = Fraction(0)) -> bool:
    if len(answer) > LONGEST:
        return False
    found = rational(answer.replace(",", "").strip().removesuffix("%").removesuffix("\\"))
    right = rational(clean(gold))
    if found is None or right is None:
        return False
    found = found / 100 if answer.endswith("%") else found
    meant = [right * times for times in (Fraction(1, 100), 1, 100)]
    return any(abs(found - one) <= max(relative * max(abs(found), abs(one)), absolute) for one in meant)


def _same(answer: str, gold: str, checker: Checker) -> bool:
    if answer == gold:
        return True
    # A whole chain that stands for an answer is equal to none, and would only keep the checker busy.
    if not answer or "\n" in answer or len(answer) > LONGEST or compare(form(answer), form(gold)) == "different":
        return False
    return checker.compare([(answer, gold)]) == ["equal"]
