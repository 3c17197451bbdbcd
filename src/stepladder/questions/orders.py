"""Options in another order: what a policy is shown, and what its answer means in the order of the data set.

Source: LPR (arXiv 2402.00658), whose code can show options in another order and gives the label its new letter.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stepladder.errors import StepladderError
from stepladder.questions.collect import question_of
from stepladder.questions.prompts import build_prompt
from stepladder.questions.question import Question
from stepladder.study.canonical import derive_seed
from stepladder.study.fields import OptionOrder


def order_of(question_id: str, options: int, how: OptionOrder) -> tuple[int, ...]:
    """For each place, the option (0-based) that is shown there; empty for a question without options.

    A shuffled order is drawn from the question's id alone: it is the same in every evaluation, for every seed, and
    wherever the question stands among others.
    """
    match how:
        case "as_given":
            return tuple(range(options))
        case "reversed":
            return tuple(reversed(range(options)))
        case "shuffled":
            return tuple(sorted(range(options), key=lambda k: derive_seed("option order", question_id, k)))


def reordered(question: Question, order: Sequence[int]) -> Question:
    """The question with its options in an order of :func:`order_of`, and the place of the right one among them.

    Its chains are left out, since they name options by their old places.
    """
    if not order:
        return question
    options, answer = tuple(question.options[k] for k in order), order.index(question.answer)
    return replace(question, options=options, answer=answer, solution=None, demonstration=None)


def restored(answer: str | None, order: Sequence[int]) -> str | None:
    """What an answer to a reordered question is in the order of the data set: options by their number, from 1."""
    return answer if answer is None or not order else str(order[int(answer) - 1] + 1)


def as_asked(row: dict[str, Any], order: Sequence[int]) -> dict[str, Any]:
    """A row of the question table as it is asked in an order; the question's id stays the same.

    Raises:
        StepladderError: when the row's prompt is not the one that is made here today.
    """
    if list(order) == sorted(order):
        return row
    question = question_of(row)
    instruction = row["prompt"] == build_prompt(question, instruction=True)
    if not instruction and row["prompt"] != build_prompt(question, instruction=False):
        raise StepladderError(
            f"question {row['question_id']}: its prompt is of another version; run the node of its questions again"
        )
    shown = reordered(question, order)
    return row | {
        "options": list(shown.options),
        "answer": str(shown.answer + 1),
        "prompt": build_prompt(shown, instruction),
        "solution": None,
        "demonstration": None,
    }
