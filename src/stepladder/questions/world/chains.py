"""The grammar of chains: one canonical line for every kind of step.

Both operands stand next to each other before their relation is asked, and a qualifier is applied in a line of
its own, because a very small model learns these look-ups and not the one-glance judgements that join them.
"""

import random
from dataclasses import dataclass

from stepladder.questions.world.difficulty import Difficulty

QUALIFIERS = ("over", "under", "exactly")
_RELATION_OF = {"over": ">", "under": "<", "exactly": "="}
_TEMPTED, _CAREFUL = 0.7, 0.25


@dataclass(frozen=True)
class Chain:
    """The steps of a solution without its answer line, and the option (0-based) that they lead to."""

    steps: tuple[str, ...]
    answer: int

    def text(self) -> str:
        """The whole chain, one step a line, the answer last."""
        number = self.answer + 1
        return "\n".join((*self.steps, f"the answer is option {number}. #### {number}"))


def demonstration(gold: Chain, hasty: Chain, tempting: bool, rng: random.Random, difficulty: Difficulty) -> str:
    """The chain shown to fine-tuning: hasty in most of the tempting questions and in some of the others.

    The two shares lie well away from one half, so that greedy decoding takes the same side whatever the seed.
    """
    return (hasty if shows_hasty(tempting, rng, difficulty) else gold).text()


def shows_hasty(tempting: bool, rng: random.Random, difficulty: Difficulty) -> bool:
    """Whether a demonstration is the hasty one, drawn at random."""
    return rng.random() < difficulty.hasty * (_TEMPTED if tempting else _CAREFUL)


def relation(left: int, right: int) -> str:
    """One of "<", "=", ">"."""
    return "<" if left < right else ">" if left > right else "="


def calculate(left: int, operator: str, right: int) -> int:
    """The value of `left operator right` for "+", "-" and "x"."""
    return {"+": left + right, "-": left - right, "x": left * right}[operator]


def equation(left: int, operator: str, right: int) -> str:
    """The step "23 + 14 = 37"."""
    return f"{left} {operator} {right} = {calculate(left, operator, right)}"


def comparison(left: int, right: int) -> str:
    """The step "37 vs 46 : <"."""
    return f"{left} vs {right} : {relation(left, right)}"


def word_comparison(left: str, right: str) -> str:
    """The step "Oslo vs Bern : other"."""
    return f"{left} vs {right} : {'same' if left == right else 'other'}"


def holds(left: int, qualifier: str, right: int) -> bool:
    """Whether the number `left` is over, under or exactly `right`."""
    return relation(left, right) == _RELATION_OF[qualifier]


def judgement(between: str, qualifier: str) -> str:
    """The step "< over : no": whether a number with this relation to the claimed one fits the claim."""
    return f"{between} {qualifier} : {'yes' if between == _RELATION_OF[qualifier] else 'no'}"


def judge(left: int, qualifier: str, right: int) -> tuple[str, str]:
    """The two steps that check the claim `qualifier right` against the number `left`."""
    return comparison(left, right), judgement(relation(left, right), qualifier)


def near(number: int, below: bool, rng: random.Random, furthest: int = 15) -> int:
    """A number that differs from `number` by 1 to `furthest`, on the side asked for."""
    distance = rng.randint(1, furthest)
    return number - distance if below else number + distance


def on_side(number: int, side: str, rng: random.Random, furthest: int = 15) -> int:
    """A number whose relation to `number` is `side` ("<", "=" or ">")."""
    return number if side == "=" else near(number, side == "<", rng, furthest)


def side_for(qualifier: str, true: bool, rng: random.Random) -> str:
    """A relation under which the qualifier holds, or one under which it does not."""
    right = _RELATION_OF[qualifier]
    return right if true else rng.choice([side for side in "<>" if side != right])
