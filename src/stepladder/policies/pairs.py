"""Preference pairs from rewarded trajectories: outcome pairs, process pairs, and a control in random order."""

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from statistics import fmean
from typing import Any

from stepladder.records import Counts
from stepladder.study.canonical import derive_seed, digest
from stepladder.study.specs.rewards import Pairs

Rewarded = dict[str, Any]  # a trajectory row with its `reward`


def candidates(rows: Sequence[Rewarded], spec: Pairs, rng: random.Random) -> Iterator[tuple[Rewarded, Rewarded]]:
    """All (chosen, rejected) pairs of one question's trajectories that the spec admits.

    outcome: a right answer over a wrong one. process: of two answers that are both right (or equally right, where the
    spec says ``any``), the one whose reward is higher by more than the margin. random: the outcome pairs, each in an
    order decided by a coin.
    """
    if spec.kind == "process":
        for a, b in product(rows, rows):
            alike = a["correct"] and b["correct"] if spec.among == "correct" else a["correct"] == b["correct"]
            if alike and a["reward"] - b["reward"] > spec.margin:
                yield a, b
        return
    right, wrong = [row for row in rows if row["correct"]], [row for row in rows if not row["correct"]]
    for a, b in product(right, wrong):
        yield (b, a) if spec.kind == "random" and rng.random() < 0.5 else (a, b)


def build_pairs(rewarded: Iterable[Rewarded], spec: Pairs, seed: int, counts: Counts) -> list[dict[str, Any]]:
    """Rows of the pair table: per question at most ``per_question`` distinct pairs, drawn by the seed.

    Answers that are equal token for token are the same answer, whatever their sample number. Pairs of one question
    are drawn so that an answer is used again only when all others are used.
    """
    by_question: dict[str, dict[tuple[int, ...], Rewarded]] = {}
    for row in rewarded:
        counts.rows_in += 1
        same = by_question.setdefault(row["question_id"], {})
        if tuple(row["token_ids"]) in same:
            counts.drop("the same answer again")
        else:
            same[tuple(row["token_ids"])] = row
    pairs: list[dict[str, Any]] = []
    for question_id in sorted(by_question):
        rng = random.Random(derive_seed(seed, question_id))
        possible = list(candidates(list(by_question[question_id].values()), spec, rng))
        if not possible:
            counts.drop("question without a pair")
        pairs += [_row(chosen, rejected, spec.kind) for chosen, rejected in _draw(possible, spec.per_question, rng)]
    counts.rows_out = len(pairs)
    return pairs


def _draw(possible: list[tuple[Rewarded, Rewarded]], most: int, rng: random.Random) -> list[tuple[Rewarded, Rewarded]]:
    rng.shuffle(possible)
    used: dict[int, int] = {}
    drawn: list[tuple[Rewarded, Rewarded]] = []
    while possible and len(drawn) < most:
        pair = min(possible, key=lambda p: used.get(p[0]["sample"], 0) + used.get(p[1]["sample"], 0))
        possible.remove(pair)
        drawn.append(pair)
        for side in pair:
            used[side["sample"]] = used.get(side["sample"], 0) + 1
    return drawn


def _row(chosen: Rewarded, rejected: Rewarded, kind: str) -> dict[str, Any]:
    return {
        "pair_id": digest([chosen["prompt_ids"], chosen["token_ids"], rejected["token_ids"]], 24),
        "question_id": chosen["question_id"],
        "dataset": chosen["dataset"],
        "kind": kind,
        "chosen_sample": chosen["sample"],
        "rejected_sample": rejected["sample"],
        "prompt_ids": chosen["prompt_ids"],
        "chosen_ids": chosen["token_ids"],
        "rejected_ids": rejected["token_ids"],
        "chosen_reward": chosen["reward"],
        "rejected_reward": rejected["reward"],
    }


def pair_statistics(pairs: Sequence[dict[str, Any]]) -> dict[str, float | int | None]:
    """How many pairs and questions, how long each side is, how far apart the rewards are."""
    if not pairs:
        return {"pairs": 0, "questions": 0}
    chosen, rejected = [len(p["chosen_ids"]) for p in pairs], [len(p["rejected_ids"]) for p in pairs]
    return {
        "pairs": len(pairs),
        "questions": len({p["question_id"] for p in pairs}),
        "chosen_tokens": fmean(chosen),
        "rejected_tokens": fmean(rejected),
        "chosen_longer": fmean(a > b for a, b in zip(chosen, rejected, strict=True)),
        "reward_gap": fmean(p["chosen_reward"] - p["rejected_reward"] for p in pairs),
    }
