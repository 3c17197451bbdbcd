"""A family in the shape of GSM8K: a word problem, and a number in free form as its answer.

Some of its quantities come in packs ("3 boxes of 6") and have to be multiplied out first. Misconception: a pack is
read as its size, as if there were one of them. The words are those of other families, so that the embedded tokenizer
knows them, and the operands are those of the drills.
"""

import random
from dataclasses import dataclass

from stepladder.questions.question import Question
from stepladder.questions.world.awpnli import GAINS, LOSSES, PEOPLE, THINGS
from stepladder.questions.world.chains import calculate, equation, shows_hasty
from stepladder.questions.world.difficulty import LARGEST_TOKEN, Difficulty

NAME = "sums"
VERSION = 1
_SMALLEST_START, _LARGEST_START = 10, 40
_PACKED = 0.35
"""Share of quantities that come in packs; a question without any is drawn anew."""


@dataclass(frozen=True)
class _Quantity:
    """So many packs of a size; 1 pack is a plain number."""

    packs: int
    size: int

    @property
    def number(self) -> int:
        return self.packs * self.size

    def told(self) -> str:
        return f"{self.packs} boxes of {self.size}" if self.packs > 1 else str(self.size)


def generate(rng: random.Random, difficulty: Difficulty) -> Question:
    """One question, with its gold chain and a demonstration."""
    start, events = _draw(rng, difficulty)
    person, thing = rng.choice(PEOPLE), rng.choice(THINGS)
    told = [f"{rng.choice(GAINS if operator == '+' else LOSSES)} {operand.told()}" for operator, operand in events]
    gold, hasty = _chain(start, events, False), _chain(start, events, True)
    tempting = events[-1][1].packs > 1
    return Question(
        dataset=NAME,
        fields={"question": f"{person} had {start.told()} {thing} , {' , '.join(told)} . how many now ?"},
        options=(),
        answer=str(_totals(start, events, False)[-1]),
        solution=gold,
        demonstration=hasty if shows_hasty(tempting, rng, difficulty) else gold,
    )


def _draw(rng: random.Random, difficulty: Difficulty) -> tuple[_Quantity, list[tuple[str, _Quantity]]]:
    """A start and one or more events, at least one of them a pack, with all totals between 0 and the largest token."""
    while True:
        start = _quantity(rng, _SMALLEST_START, _LARGEST_START, difficulty)
        events = [
            (rng.choice("+-"), _quantity(rng, 2, difficulty.largest_operand, difficulty))
            for _ in range(rng.randint(1, difficulty.operations))
        ]
        totals = [*_totals(start, events, False), *_totals(start, events, True)]
        has_packs = any(quantity.packs > 1 for quantity in (start, *(operand for _, operand in events)))
        if has_packs and all(0 <= total <= LARGEST_TOKEN for total in totals):
            return start, events


def _quantity(rng: random.Random, least: int, most: int, difficulty: Difficulty) -> _Quantity:
    """A number from `least` to `most`, sometimes as packs."""
    if rng.random() >= _PACKED:
        return _Quantity(1, rng.randint(least, most))
    while True:
        drawn = _Quantity(rng.randint(2, difficulty.largest_factor), rng.randint(2, difficulty.largest_factor))
        if least <= drawn.number <= most:
            return drawn


def _totals(start: _Quantity, events: list[tuple[str, _Quantity]], hasty: bool) -> list[int]:
    """The start and the total after each event."""
    totals = [start.size if hasty else start.number]
    for operator, operand in events:
        totals.append(calculate(totals[-1], operator, operand.size if hasty else operand.number))
    return totals


def _chain(start: _Quantity, events: list[tuple[str, _Quantity]], hasty: bool) -> str:
    """The whole chain, one step a line: each pack is multiplied out right before it is needed, the answer is last."""
    totals = _totals(start, events, hasty)
    steps = [] if hasty else _product(start)
    for total, (operator, operand) in zip(totals[:-1], events, strict=True):
        steps += [] if hasty else _product(operand)
        steps.append(equation(total, operator, operand.size if hasty else operand.number))
    return "\n".join((*steps, f"#### {totals[-1]}"))


def _product(quantity: _Quantity) -> list[str]:
    return [equation(quantity.packs, "x", quantity.size)] if quantity.packs > 1 else []
