"""Which two answers to a question, or which two steps from one state, may stand against each other in a pair.

Source: LPR (arXiv 2402.00658): outcome pairs D_o, process pairs D_p, and the variants of its released code.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from typing import Any

from stepladder.study.specs.rewards import Pairs

Rewarded = dict[str, Any]  # a trajectory row with its `reward`


@dataclass(frozen=True)
class Contrast:
    """Two answers to one question, the first preferred to the second, from `start` to their ends in tokens.

    Attributes:
        worth: reward of both answers, or score of both steps.
        start: how many tokens they share and are not judged on; 0 for whole answers.
    """

    chosen: Rewarded
    rejected: Rewarded
    worth: tuple[float, float]
    start: int
    ends: tuple[int, int]


def contrasts(
    rows: Sequence[Rewarded], spec: Pairs, rng: random.Random, scores: Mapping[tuple[str, int], Sequence[float]]
) -> list[Contrast]:
    """All pairs of one question's distinct answers that the spec admits.

    outcome: a right answer over a wrong one. process: of two answers that are both right (or equally right, where the
    spec says ``any``), the one whose reward is higher by more than the margin. step: of two different steps that follow
    the same tokens, the one whose score is higher by more than the margin. random: the outcome pairs, each in an order
    decided by a coin. random_process: as many as there are process pairs, of any two answers that are both right (or
    equally right): a coin decides the order, and no reward which two they are.
    """
    match spec.kind:
        case "process":
            return _of_like_length(_process(rows, spec, rng), spec)
        case "random_process":
            number = len(_of_like_length(_process(rows, spec, rng), spec))
            return rng.sample(_of_like_length(_any_two(rows, spec, rng), spec), number)
        case "step":
            return _of_like_length(_steps(rows, spec, scores), spec)
        case _:
            return _of_like_length(_outcome(rows, spec, rng), spec)


def _of_like_length(found: list[Contrast], spec: Pairs) -> list[Contrast]:
    return [contrast for contrast in found if spec.length_ratio is None or _length_ratio(contrast) <= spec.length_ratio]


def _whole(chosen: Rewarded, rejected: Rewarded) -> Contrast:
    worth, ends = ((chosen[key], rejected[key]) for key in ("reward", "token_ids"))
    return Contrast(chosen, rejected, worth, 0, (len(ends[0]), len(ends[1])))


def _highest(rows: Sequence[Rewarded], most: int | None) -> list[Rewarded]:
    return list(rows) if most is None else sorted(rows, key=lambda row: (-row["reward"], row["sample"]))[:most]


def _outcome(rows: Sequence[Rewarded], spec: Pairs, rng: random.Random) -> list[Contrast]:
    right = _highest([row for row in rows if row["correct"]], spec.best)
    wrong = _highest([row for row in rows if not row["correct"]], spec.hardest)
    flips = spec.kind == "random"
    return [_whole(b, a) if flips and rng.random() < 0.5 else _whole(a, b) for a, b in product(right, wrong)]


def _process(rows: Sequence[Rewarded], spec: Pairs, rng: random.Random) -> list[Contrast]:
    preferred = {row["sample"] for row in rows}
    if spec.by == "threshold":
        preferred = {row["sample"] for row in rows if row["reward"] > spec.threshold}
    elif spec.by == "rejection":
        top = max((row["reward"] for row in rows), default=0.0)
        preferred = {row["sample"] for row in rows if rng.random() < math.exp((row["reward"] - top) / spec.temperature)}
    best = {row["sample"] for row in _highest([row for row in rows if row["correct"]], spec.best)}
    return [
        _whole(a, b)
        for a, b in product(rows, rows)
        if _comparable(a, b, spec)
        and a["reward"] - b["reward"] > spec.margin
        and a["sample"] in preferred
        and (spec.by == "gap" or b["sample"] not in preferred)
        and (a["sample"] in best or not a["correct"])
    ]


def _any_two(rows: Sequence[Rewarded], spec: Pairs, rng: random.Random) -> list[Contrast]:
    return [
        _whole(a, b) if rng.random() < 0.5 else _whole(b, a)
        for a, b in combinations(rows, 2)
        if _comparable(a, b, spec)
    ]


def _comparable(a: Rewarded, b: Rewarded, spec: Pairs) -> bool:
    return a["correct"] == b["correct"] and (a["correct"] or spec.among == "any")


def _steps(rows: Sequence[Rewarded], spec: Pairs, scores: Mapping[tuple[str, int], Sequence[float]]) -> list[Contrast]:
    after: dict[tuple[int, ...], dict[tuple[int, ...], tuple[Rewarded, float, int]]] = {}
    for row in rows:
        given = scores.get((row["question_id"], row["sample"]), ())
        # The end-of-sequence token belongs to the last step.
        ends = [*row["step_ends"][:-1], len(row["token_ids"])] if given else []
        for (start, end), score in zip(pairwise([0, *ends]), given, strict=True):
            steps = after.setdefault(tuple(row["token_ids"][:start]), {})
            steps.setdefault(tuple(row["token_ids"][start:end]), (row, score, end))
    return [
        Contrast(a, b, (of_a, of_b), len(shared), (end_a, end_b))
        for shared, steps in after.items()
        for (a, of_a, end_a), (b, of_b, end_b) in product(steps.values(), steps.values())
        if of_a - of_b > spec.margin
    ]


def _length_ratio(contrast: Contrast) -> float:
    shorter, longer = sorted(end - contrast.start for end in contrast.ends)
    return longer / max(shorter, 1)
