"""A family in the shape of LogiQA and ReClor: rules and a fact, and four options of which one must be true.

What we have is carried along the rules, what we lack against them (modus ponens and tollens). Misconception: the rules
are read the other way, which affirms the consequent or denies the antecedent and ends in another of the options. Some
right demonstrations leap over the last rule, and some read one rule the wrong way before they turn back: right answers
by better and worse reasoning.

The two things of a rule stand side by side, in the context and in the chain: a very small model finds what follows a
word, or precedes it, within a few hundred steps of drills, and with a word between the two it does not. A blank follows
every thing, so that each is one token wherever it stands.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from stepladder.questions.question import Question
from stepladder.questions.react import LETTERS, finish_line
from stepladder.questions.world.awpnli import THINGS
from stepladder.questions.world.chains import shows_hasty
from stepladder.questions.world.difficulty import Difficulty
from stepladder.questions.world.redditnli import TOPICS

NAME = "puzzles"
VERSION = 1
WORDS = (*TOPICS, *THINGS)
_LACKING = 0.4
"""Share of questions about what we lack; these tempt most."""
_LEAPS, _TURNS = 0.15, 0.15
"""Shares of demonstrations, of those that are not hasty: the last rule is left out; one rule is read the wrong way."""
_LONGEST_TURNED = 1
"""Most rules of a way that is taken only at the second attempt, so that no chain is much longer than the gold ones."""
_OTHER_RULES = (2, 3)
"""Fewest and most rules that have nothing to do with the fact."""
_RULES_DRILLED = 0.6
"""Share of drilled rows that are about rules; the others are about options."""


@dataclass(frozen=True)
class _Puzzle:
    """Two runs of words, each joined to the next by a rule, and a fact about a word within the first run.

    Attributes:
        joined: the run with the fact.
        others: the run that has nothing to do with it.
        place: index of the fact in `joined`.
        lacking: whether the fact says that we lack its word.
        rules: pairs of words of which the first implies the second, in the order in which they are told.
        ends: the words of the options: the first and the last of each run, in any order.
    """

    joined: tuple[str, ...]
    others: tuple[str, ...]
    place: int
    lacking: bool
    rules: tuple[tuple[str, str], ...]
    ends: tuple[str, ...]

    @property
    def verb(self) -> str:
        return "lack" if self.lacking else "have"

    @property
    def fact(self) -> str:
        return f"we {self.verb} {self.joined[self.place]}"

    def told(self) -> str:
        """The rules as the context tells them."""
        return f"causes and effects : {' , '.join(f'{left} {right}' for left, right in self.rules)} ."

    def way(self, forward: bool) -> tuple[str, ...]:
        """The words from the fact to the end, along the rules or against them."""
        return self.joined[self.place :] if forward else self.joined[self.place :: -1]

    def question(self) -> Question:
        """The question without chains."""
        return Question(
            dataset=NAME,
            fields={"context": f"{self.told()} {self.fact} .", "question": f"what else do we {self.verb} ?"},
            options=tuple(f"{word} ." for word in self.ends),
            answer=self.ends.index(self.way(not self.lacking)[-1]),
        )


def generate(rng: random.Random, difficulty: Difficulty) -> Question:
    """One question, with its gold chain and a demonstration."""
    puzzle = _draw(rng, difficulty)
    asked = puzzle.question()
    gold, hasty = (_chain(puzzle, [], puzzle.way(forward), forward) for forward in (not puzzle.lacking, puzzle.lacking))
    return Question(
        dataset=NAME,
        fields=asked.fields,
        options=asked.options,
        answer=asked.answer,
        solution=gold,
        demonstration=hasty if shows_hasty(puzzle.lacking, rng, difficulty) else _right(puzzle, gold, rng, difficulty),
    )


def _right(puzzle: _Puzzle, gold: str, rng: random.Random, difficulty: Difficulty) -> str:
    """The gold chain, or one that leaps to its answer, or one that first reads a rule the wrong way."""
    forward = not puzzle.lacking
    way = puzzle.way(forward)
    drawn = rng.random() / difficulty.hasty if difficulty.hasty else 1
    if drawn < _LEAPS:
        return _chain(puzzle, [], way[:-1], forward)
    if drawn < _LEAPS + _TURNS and len(way) - 1 <= _LONGEST_TURNED:
        turn = _steps(puzzle.fact, puzzle.way(not forward)[:2], not forward)
        return _chain(puzzle, turn, way, forward)
    return gold


def _draw(rng: random.Random, difficulty: Difficulty) -> _Puzzle:
    """One to `operations` rules on either side of the fact, the others beside them, all in any order."""
    before, after = (rng.randint(1, difficulty.operations) for _ in range(2))
    words = rng.sample(WORDS, before + after + 1 + rng.randint(*_OTHER_RULES) + 1)
    joined, others = words[: before + after + 1], words[before + after + 1 :]
    rules = [*pairwise(joined), *pairwise(others)]
    ends = [joined[0], joined[-1], others[0], others[-1]]
    rng.shuffle(rules)
    rng.shuffle(ends)
    return _Puzzle(tuple(joined), tuple(others), before, rng.random() < _LACKING, tuple(rules), tuple(ends))


def _steps(fact: str, way: Sequence[str], forward: bool) -> list[str]:
    """The fact, and the search for and finding of a rule for each word of the way but the last."""
    verb, side = ("follow", "after") if forward else ("trace", "before")
    steps = [f"Thought: {fact} ."]
    for word, following in pairwise(way):
        steps += [f"Action: {verb} {word} .", f"Observation: {side} {word} {following} ."]
    return steps


def _chain(puzzle: _Puzzle, before: Sequence[str], way: Sequence[str], forward: bool) -> str:
    """A whole chain of numbered lines, which ends in the option at the end of that direction."""
    end = puzzle.way(forward)[-1]
    option = puzzle.ends.index(end)
    steps = [*before, *_steps(f"but {puzzle.fact}" if before else puzzle.fact, way, forward)]
    steps.append(f"Thought: option {end} {LETTERS[option]}")
    lines = [step.replace(":", f" {number}:", 1) for number, step in enumerate(steps, start=1)]
    return "\n".join((*lines, finish_line(len(steps) + 1, option)))


def lookups(rng: random.Random, count: int, difficulty: Difficulty) -> list[tuple[str, str]]:
    """`count` lookups in one puzzle's rules, or in some of its options, as pairs of a prompt and its result.

    The first prompt begins with what is looked up in. A lookup is the end of a line of a chain, cut before the thing
    that a rule holds or the letter of an option. It starts anywhere, so that no chain is shown. Some options are left
    out: where all four letters always stand, a small model learns that, and never learns to look for one.
    """
    puzzle = _draw(rng, difficulty)
    if rng.random() < _RULES_DRILLED:
        text = puzzle.told()
        pairs = [_rule_lookup(*rng.choice(puzzle.rules), rng.random() < 0.5) for _ in range(count)]
    else:
        shown = sorted(rng.sample(list(zip(LETTERS, puzzle.ends, strict=False)), rng.randint(1, 4)))
        text = "\n".join(f"{letter}. {word} ." for letter, word in shown)
        pairs = [(f"option {word} ", letter) for letter, word in rng.choices(shown, k=count)]
    (prompt, result), *others = pairs
    return [(f"{text}\n{prompt}", result), *others]


def _rule_lookup(left: str, right: str, forward: bool) -> tuple[str, str]:
    return (f"after {left} ", f"{right} ") if forward else (f"before {right} ", f"{left} ")
