"""Atomic skills for the base model, in the exact surface form of the steps of a chain."""

import random
from collections.abc import Collection
from itertools import islice

from stepladder.questions.world import newsnli, puzzles, qqa, redditnli, stresstest
from stepladder.questions.world.chains import QUALIFIERS, comparison, equation, judgement, word_comparison
from stepladder.questions.world.difficulty import LARGEST_TOKEN, Difficulty

DRILLS_PER_ROW = 8
_FACTORS = tuple(sorted({factor for units in qqa.UNITS.values() for _, factor, _ in units}))


def drills(rng: random.Random, count: int, difficulty: Difficulty | None = None) -> list[tuple[str, str]]:
    """`count` pairs of a prompt and its result, as ("23 + 14 = ", "37"); only the result is to be learned."""
    difficulty = difficulty or Difficulty()
    kinds, weights = zip(*_KINDS, strict=True)
    return [kind(rng, difficulty) for kind in rng.choices(kinds, weights, k=count)]


def drill_rows(
    rng: random.Random, count: int, sets: Collection[str], difficulty: Difficulty | None = None
) -> list[list[tuple[str, str]]]:
    """`count` rows of eight drills each, of the skills that the sets need.

    They are those of numbers; for `puzzles` alone lookups in rules, all of a row in the same ones; else half of each.
    """
    difficulty = difficulty or Difficulty()
    of_rules = 0 if puzzles.NAME not in sets else count if set(sets) == {puzzles.NAME} else count // 2
    numbers = iter(drills(rng, (count - of_rules) * DRILLS_PER_ROW, difficulty))
    rows = [list(islice(numbers, DRILLS_PER_ROW)) for _ in range(count - of_rules)]
    return rows + [puzzles.lookups(rng, DRILLS_PER_ROW, difficulty) for _ in range(of_rules)]


def _split(step: str, mark: str) -> tuple[str, str]:
    """A step cut after the last `mark`."""
    at = step.rindex(mark) + len(mark)
    return step[:at], step[at:]


def _addition(rng: random.Random, difficulty: Difficulty) -> tuple[str, str]:
    operand = rng.randint(2, difficulty.largest_operand)
    largest = 40 + (difficulty.operations - 1) * difficulty.largest_operand
    return _split(equation(rng.randint(2, min(largest, LARGEST_TOKEN - operand)), "+", operand), "= ")


def _subtraction(rng: random.Random, difficulty: Difficulty) -> tuple[str, str]:
    operand = rng.randint(2, difficulty.largest_operand)
    largest = 40 + (difficulty.operations - 1) * difficulty.largest_operand
    return _split(equation(rng.randint(operand, largest), "-", operand), "= ")


def _complement(rng: random.Random, _: Difficulty) -> tuple[str, str]:
    return _split(equation(100, "-", rng.randint(15, 85)), "= ")


def _multiplication(rng: random.Random, difficulty: Difficulty) -> tuple[str, str]:
    while True:
        factor = rng.choice(_FACTORS) if rng.random() < 0.3 else rng.randint(2, difficulty.largest_factor)
        count = rng.randint(2, difficulty.largest_factor)
        if count * factor <= difficulty.largest_count:
            return _split(equation(count, "x", factor), "= ")


def _comparison(rng: random.Random, difficulty: Difficulty) -> tuple[str, str]:
    """Numbers at every distance: far ones teach their order, which close ones alone do not."""
    largest = difficulty.largest_count + 20
    left = rng.randint(2, largest)
    if rng.random() < 0.5:
        right = rng.randint(2, largest)
    else:
        right = min(max(2, left + rng.choice((-1, 0, 1)) * rng.randint(1, 20)), largest)
    return _split(comparison(left, right), ": ")


def _word_comparison(rng: random.Random, _: Difficulty) -> tuple[str, str]:
    words = rng.choice((newsnli.PLACES, redditnli.GROUPS))
    left = rng.choice(words)
    return _split(word_comparison(left, left if rng.random() < 0.5 else rng.choice(words)), ": ")


def _judgement(rng: random.Random, _: Difficulty) -> tuple[str, str]:
    return _split(judgement(rng.choice("<=>"), rng.choice(QUALIFIERS)), ": ")


def _qualified_judgement(rng: random.Random, _: Difficulty) -> tuple[str, str]:
    return _split(stresstest.qualified_judgement(*rng.choice(stresstest.CASES)), ": ")


def _word_judgement(rng: random.Random, _: Difficulty) -> tuple[str, str]:
    word = rng.choice(rng.choice(rng.choice(tuple(qqa.WORDS.values()))))
    return _split(qqa.word_judgement(rng.choice("<>"), word), ": ")


_KINDS = (
    (_addition, 6),
    (_subtraction, 4),
    (_complement, 2),
    (_multiplication, 4),
    (_comparison, 14),
    (_word_comparison, 4),
    (_judgement, 1),
    (_qualified_judgement, 2),
    (_word_judgement, 2),
)
"""Kinds of drill with their relative frequency: the more facts, the more often."""
