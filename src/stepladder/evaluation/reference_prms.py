"""Two PRMs that need no training: the oracle, ceiling of every table, and one that draws at random, its floor."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from stepladder.study.canonical import derive_seed

ReferencePrm = Literal["oracle", "random"]


def reference_answer_scores(prm: ReferencePrm, correct: ArrayLike) -> np.ndarray:
    """Scores of whole answers, of the shape of ``correct``: their correctness, or one half for all.

    Among answers that score alike best-of-n chooses at random, in exact expectation: so it gives pass@n for the
    oracle and the mean correctness for the other, and the weighted vote of the other is the majority vote.
    """
    correct = np.asarray(correct, dtype=np.float64)
    return correct if prm == "oracle" else np.full(correct.shape, 0.5)


def reference_step_scores(prm: ReferencePrm, rows: Sequence[dict[str, Any]], seed: int) -> list[list[float]]:
    """Step scores of every trajectory, as logits: of its soft labels, or of uniform draws.

    ``rows``: with question_id, sample and soft labels. A draw depends on the seed and the trajectory, not on the
    order of the rows. Labels of 0 and 1 become logits of about -14 and 14.
    """
    if prm == "oracle":
        chances = [np.asarray(row["soft"], dtype=np.float64) for row in rows]
    else:
        chances = [
            np.random.default_rng(derive_seed("random PRM", seed, row["question_id"], row["sample"])).random(
                len(row["soft"])
            )
            for row in rows
        ]
    clipped = [np.clip(each, 1e-6, 1 - 1e-6) for each in chances]
    return [(np.log(each) - np.log1p(-each)).tolist() for each in clipped]
