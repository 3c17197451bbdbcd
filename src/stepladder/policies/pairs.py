"""Rows of the pair table, built from what admits pairs: per question, each pair once, answers used evenly."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from statistics import fmean
from typing import Any

from stepladder.policies.contrasts import Contrast, Rewarded, contrasts
from stepladder.records import Counts
from stepladder.study.canonical import derive_seed, digest
from stepladder.study.specs.rewards import Pairs

StepScores = Mapping[tuple[str, int], Sequence[float]]  # by question_id and sample


def build_pairs(
    rewarded: Iterable[Rewarded],
    spec: Pairs,
    seed: int,
    counts: Counts,
    step_scores: StepScores | None = None,
    left_out: AbstractSet[str] = frozenset(),
) -> list[dict[str, Any]]:
    """Rows of the pair table: per question at most ``per_question`` distinct pairs, drawn by the seed.

    Answers that are equal token for token are the same answer, whatever their sample number. Pairs of one question
    are drawn so that an answer is used again only when all others are used. Which questions are in a share depends on
    their ids alone: those in a smaller share are in every larger one, whatever the node and seed.

    Args:
        step_scores: read by pairs of steps only.
        left_out: ids of questions that give no pairs.
    """
    by_question: dict[str, dict[tuple[int, ...], Rewarded]] = {}
    for row in rewarded:
        counts.rows_in += 1
        if row["question_id"] in left_out:
            counts.drop("question left out")
        elif not _in_share(row["question_id"], spec.question_share):
            counts.drop("question outside of the share")
        else:
            same = by_question.setdefault(row["question_id"], {})
            if tuple(row["token_ids"]) in same:
                counts.drop("the same answer again")
            else:
                same[tuple(row["token_ids"])] = row
    pairs: list[dict[str, Any]] = []
    for question_id in sorted(by_question):
        rng = random.Random(derive_seed(seed, question_id))
        possible = contrasts(list(by_question[question_id].values()), spec, rng, step_scores or {})
        if not possible:
            counts.drop("question without a pair")
        pairs += [_row(contrast, spec) for contrast in _draw(possible, spec.per_question, rng)]
    counts.rows_out = len(pairs)
    return pairs


def _in_share(question_id: str, share: float) -> bool:
    return derive_seed("share of questions", question_id) < share * 2**63


def _draw(possible: list[Contrast], most: int, rng: random.Random) -> list[Contrast]:
    rng.shuffle(possible)
    used: dict[int, int] = {}
    drawn: list[Contrast] = []
    while possible and len(drawn) < most:
        pair = min(possible, key=lambda p: used.get(p.chosen["sample"], 0) + used.get(p.rejected["sample"], 0))
        possible.remove(pair)
        drawn.append(pair)
        for side in (pair.chosen, pair.rejected):
            used[side["sample"]] = used.get(side["sample"], 0) + 1
    # As LPR's code writes them, of which the published loader keeps a question's last one.
    return sorted(drawn, key=lambda pair: (-pair.worth[0], -pair.worth[1]))


def _row(contrast: Contrast, spec: Pairs) -> dict[str, Any]:
    chosen, rejected, start = contrast.chosen, contrast.rejected, contrast.start
    prompt = [*chosen["prompt_ids"], *chosen["token_ids"][:start]]
    sides = [side["token_ids"][start:end] for side, end in zip((chosen, rejected), contrast.ends, strict=True)]
    return {
        "pair_id": digest([prompt, *sides], 24),
        "question_id": chosen["question_id"],
        "dataset": chosen["dataset"],
        "kind": spec.kind,
        "chosen_sample": chosen["sample"],
        "rejected_sample": rejected["sample"],
        "prompt_ids": prompt,
        "chosen_ids": sides[0],
        "rejected_ids": sides[1],
        "chosen_reward": contrast.worth[0],
        "rejected_reward": contrast.worth[1],
        "copies": spec.copies,
    }


def pair_statistics(pairs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many pairs and questions, how many of a question, how long each side is, how far apart the rewards are.

    ``questions_by_pairs``: number of questions by how many pairs they have, since a question weighs as many times as it
    has pairs. ``quantiles``: values that a tenth, half and nine tenths of the pairs do not exceed. Lengths: in tokens.
    """
    if not pairs:
        return {"pairs": 0, "questions": 0}
    of_questions = Counter(p["question_id"] for p in pairs)
    measured = {
        "chosen_tokens": [len(p["chosen_ids"]) for p in pairs],
        "rejected_tokens": [len(p["rejected_ids"]) for p in pairs],
        "reward_gap": [p["chosen_reward"] - p["rejected_reward"] for p in pairs],
    }
    lengths = zip(measured["chosen_tokens"], measured["rejected_tokens"], strict=True)
    return {
        "pairs": len(pairs),
        "questions": len(of_questions),
        "questions_by_pairs": {str(most): n for most, n in sorted(Counter(of_questions.values()).items())},
        "chosen_longer": fmean(a > b for a, b in lengths),
        **{name: fmean(values) for name, values in measured.items()},
        "quantiles": {name: _quantiles(values) for name, values in measured.items()},
    }


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    ranked = sorted(values)
    return {f"p{percent}": ranked[-(-len(ranked) * percent // 100) - 1] for percent in (10, 50, 90)}
