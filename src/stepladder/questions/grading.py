"""From a generated chain to the option that it settles on."""

import re

from stepladder.questions.question import Question
from stepladder.questions.react import extract_react_answer, extract_react_as_published, is_react

# A number is an option only when nothing continues it: neither a letter nor decimals ("option 2.5").
_NUMBER = r"([0-9]+)\b(?![.,][0-9])"
_MARK = re.compile(rf"####[ \t]{{0,8}}{_NUMBER}")
_CLOSING_MARK = re.compile(r"####[ \t]{0,8}([0-9]+)$")
_OPTION = re.compile(rf"\boption[ \t]{{0,8}}{_NUMBER}", re.IGNORECASE)


def extract_answer(text: str, question: Question, strict: bool = False) -> int | None:
    """The option (0-based) that a generated chain settles on; None when the question has no such option.

    The strict rule wants "#### K" at the end of the last line (blanks and line ends after it do not count).
    The flexible rule takes the last "#### K" anywhere or, without one, the last "option K". A number beyond
    the options is not passed over for an earlier one: the chain has answered, and not with an option.

    Args:
        text: what the policy generated, without the prompt.
        strict: which of the two rules to use.

    Questions about a passage have rules of their own: ``react.extract_react_answer``.
    """
    if is_react(question):
        return extract_react_answer(text, len(question.options), strict)
    if strict:
        last_line = text.rstrip().rpartition("\n")[2]
        mark = _CLOSING_MARK.search(last_line)
        number = mark[1] if mark else None
    else:
        numbers = _MARK.findall(text) or _OPTION.findall(text)
        number = numbers[-1] if numbers else None
    return {str(index + 1): index for index in range(len(question.options))}.get(number)


def extract_as_published(text: str, question: Question) -> int | None:
    """The answer as the released code of PSPO* (arXiv 2411.11681) reads it, faults included, for comparison.

    The first of seven rules that matches decides, in lower case, and only the first digit of its number
    counts: the last digits of the first line with "the answer is option"; `the correct answer is "option N`;
    the same without the quotation mark; "#" and a number; "(option N)"; the last digits of the first line
    with "the correct answer is ... option"; "#" and a letter or a label. So "the answer is option 2. There
    are 35 left" gives 5.

    Returns:
        The number less one, for comparison with a 0-based answer. It is not checked against the options, so
        it may be -1 or too large. None where the released code says "Error".

    Questions about a passage are read by the rule of LPR's code: ``react.extract_react_as_published``.
    """
    if is_react(question):
        return extract_react_as_published(text)
    lowered = text.lower()
    lines = lowered.split("\n")
    number = (
        _last_digit_after(lines, "the answer is option")
        or _first(r'the correct answer is "option ([0-9]+)', lowered)
        or _first(r"the correct answer is option ([0-9]+)", lowered)
        or _first(r"#\s*([0-9]+)", lowered)
        or _first(r"\(option ([0-9]+)\)", lowered)
        or _last_digit_after(lines, "the correct answer is", "option")
        or _label_number(_first(r"#\s*([a-z]+)", lowered), question.dataset)
    )
    return int(number[0]) - 1 if number else None


def _first(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match[1] if match else None


def _last_digit_after(lines: list[str], *phrases: str) -> str | None:
    # The published pattern is greedy, so of the digits on the line only the very last one is left for the
    # number.
    for line in lines:
        rest = line
        for phrase in phrases:
            rest = rest.partition(phrase)[2]
        digits = re.findall("[0-9]", rest)
        if digits:
            return digits[-1]
    return None


def _label_number(label: str | None, dataset: str) -> str | None:
    neutral = "2" if dataset in ("newsnli", "rte_quant") else "3"
    by_label = {
        "a": "1",
        "b": "2",
        "c": "3",
        "entailment": "1",
        "contradiction": "2",
        "contradictary": "2",
        "neutral": neutral,
    }
    return by_label.get(label)
