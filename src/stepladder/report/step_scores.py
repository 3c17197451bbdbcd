"""Step scores beside the step labels of the same trajectories, seed by seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stepladder.errors import StepladderError
from stepladder.evaluation.reference_prms import ReferencePrm, reference_step_scores
from stepladder.evaluation.step_measures import ScoredSteps
from stepladder.records import LABELS, SCORES, read_table
from stepladder.report.answers import origin

_KEY = ("question_id", "sample", "step")


@dataclass(frozen=True)
class Labelled:
    """The labelled steps of one node and seed, sorted by key: keys, soft labels, whether a step ends its solution."""

    keys: tuple[tuple[str, int, int], ...]
    soft: np.ndarray
    finished: np.ndarray

    @property
    def trajectories(self) -> list[tuple[str, int]]:
        """(trajectories,) the key of each, in the order of its steps."""
        return list(dict.fromkeys((question, sample) for question, sample, _ in self.keys))


@dataclass(frozen=True)
class StepScores:
    """What was scored and labelled, by node and then by seed.

    ``scores``: the logit of every step by its key. ``questions``: of a labels node, over all of its seeds.
    """

    seeds: tuple[int, ...]
    labels: dict[str, dict[int, Labelled]]
    scores: dict[str, dict[int, dict[tuple[str, int, int], float]]]

    def questions(self, labels: str) -> tuple[str, ...]:
        """The questions of a labels node, over all of its seeds."""
        return tuple(sorted({key[0] for each in self.labels[labels].values() for key in each.keys}))

    def of_prm(self, scores: str, labels: str) -> list[ScoredSteps]:
        """A PRM's scores of every labelled step, one for each seed.

        Raises:
            StepladderError: when a labelled step has no score.
        """
        return [self._beside(scores, labels, seed) for seed in self.seeds]

    def of_reference(self, prm: ReferencePrm, labels: str) -> list[ScoredSteps]:
        """The oracle's or random scores of every labelled step, one for each seed."""
        found = []
        for seed in self.seeds:
            labelled = self.labels[labels][seed]
            rows: dict[tuple[str, int], dict[str, Any]] = {}
            for (question, sample, _), soft in zip(labelled.keys, labelled.soft, strict=True):
                row = rows.setdefault((question, sample), {"question_id": question, "sample": sample, "soft": []})
                row["soft"].append(soft)
            logits = [each for steps in reference_step_scores(prm, list(rows.values()), seed) for each in steps]
            found.append(self._scored(np.array(logits), labelled, labels))
        return found

    def _beside(self, scores: str, labels: str, seed: int) -> ScoredSteps:
        found, labelled = self.scores[scores][seed], self.labels[labels][seed]
        missing = next((key for key in labelled.keys if key not in found), None)
        if missing is not None:
            question, sample, step = missing
            raise StepladderError(
                f"scores.{scores} seed {seed} has no step {step} of question {question} sample {sample}, which "
                f"labels.{labels} labels; delete the folder of the scores and run again"
            )
        return self._scored(np.array([found[key] for key in labelled.keys]), labelled, labels)

    def _scored(self, logits: np.ndarray, labelled: Labelled, labels: str) -> ScoredSteps:
        number = {question: place for place, question in enumerate(self.questions(labels))}
        place = {trajectory: place for place, trajectory in enumerate(labelled.trajectories)}
        return ScoredSteps(
            logits=logits,
            labels=labelled.soft,
            finished=labelled.finished,
            position=np.array([step for _, _, step in labelled.keys]),
            trajectory=np.array([place[question, sample] for question, sample, _ in labelled.keys]),
            question=np.array([number[question] for question, _ in place]),
        )


def read_step_scores(scores: Sequence[Path], labels: Sequence[Path]) -> StepScores:
    """The scores and labels in files; the metrics.json beside each says whose and which seed's.

    Raises:
        StepladderError: when a file cannot be read, holds no step, or nodes have run for different seeds.
    """
    scored: dict[str, dict[int, dict[tuple[str, int, int], float]]] = {}
    for path in scores:
        name, seed = origin(path)
        table = read_table(path, SCORES, columns=[*_KEY, "logit"])
        keys = zip(*(table[key].to_pylist() for key in _KEY), strict=True)
        scored.setdefault(name, {})[seed] = dict(zip(keys, table["logit"].to_pylist(), strict=True))
    labelled: dict[str, dict[int, Labelled]] = {}
    for path in labels:
        name, seed = origin(path)
        table = read_table(path, LABELS, columns=[*_KEY, "soft", "finished"])
        if not table.num_rows:
            raise StepladderError(f"{path}: no step has a label; look at metrics.json beside it")
        table = table.sort_by([(key, "ascending") for key in _KEY])
        labelled.setdefault(name, {})[seed] = Labelled(
            keys=tuple(zip(*(table[key].to_pylist() for key in _KEY), strict=True)),
            soft=table["soft"].to_numpy().astype(np.float64),
            finished=table["finished"].to_numpy(),
        )
    seeds = {(kind, name): tuple(sorted(each)) for kind, of in (("scores", scored), ("labels", labelled))
             for name, each in of.items()}  # fmt: skip
    (first, its_seeds), *others = seeds.items()
    for node, node_seeds in others:
        if node_seeds != its_seeds:
            raise StepladderError(
                f"{'.'.join(node)} has seeds {list(node_seeds)}, {'.'.join(first)} {list(its_seeds)}; run both for all"
            )
    return StepScores(its_seeds, labelled, scored)
