"""Step scores beside the step labels of the same trajectories, seed by seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stepladder.errors import StepladderError
from stepladder.evaluation.calibration import THRESHOLD
from stepladder.evaluation.reference_prms import ReferencePrm, reference_step_scores
from stepladder.evaluation.scored_steps import ScoredSteps
from stepladder.records import LABELS, SCORES, read_table
from stepladder.report.answers import origin

_KEY = ("question_id", "sample", "step")


@dataclass(frozen=True)
class Labelled:
    """The labelled steps of one node and seed, sorted by key: keys, soft labels, whether a step ends its solution.

    ``missed``: by its key, whether a benchmark's solution that is too long to be scored has a wrong step. ``sources``:
    of a benchmark's solutions, by their keys.
    """

    keys: tuple[tuple[str, int, int], ...]
    soft: np.ndarray
    finished: np.ndarray
    missed: dict[tuple[str, int], bool]
    sources: dict[tuple[str, int], str]

    @property
    def trajectories(self) -> list[tuple[str, int]]:
        """(trajectories,) the key of each, in the order of its steps."""
        return list(dict.fromkeys((question, sample) for question, sample, _ in self.keys))

    @property
    def solutions(self) -> list[tuple[str, int]]:
        """(solutions,) the key of each: the trajectories and, behind them, those that are too long to be scored."""
        return [*self.trajectories, *self.missed]


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
        return tuple(sorted({question for each in self.labels[labels].values() for question, _ in each.solutions}))

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
            question=np.array([number[question] for question, _ in labelled.solutions]),
            source=np.array([labelled.sources.get(key, "") for key in labelled.solutions]),
            missed=np.array(list(labelled.missed.values()), dtype=bool),
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
        table = read_table(path, LABELS, columns=[*_KEY, "state", "soft", "finished", "source"])
        if table["state"].null_count == table.num_rows:
            raise StepladderError(f"{path}: no step has a label; look at metrics.json beside it")
        labelled.setdefault(name, {})[seed] = _labelled(table)
    seeds = {(kind, name): tuple(sorted(each)) for kind, of in (("scores", scored), ("labels", labelled))
             for name, each in of.items()}  # fmt: skip
    (first, its_seeds), *others = seeds.items()
    for node, node_seeds in others:
        if node_seeds != its_seeds:
            raise StepladderError(
                f"{'.'.join(node)} has seeds {list(node_seeds)}, {'.'.join(first)} {list(its_seeds)}; run both for all"
            )
    return StepScores(its_seeds, labelled, scored)


def _labelled(table: pa.Table) -> Labelled:
    table = table.sort_by([(key, "ascending") for key in _KEY])
    solutions = zip(table["question_id"].to_pylist(), table["sample"].to_pylist(), strict=True)
    sources = {key: source for key, source in zip(solutions, table["source"].to_pylist(), strict=True) if source}
    missed: dict[tuple[str, int], bool] = {}
    for row in table.filter(pc.is_null(table["state"])).to_pylist():
        key = row["question_id"], row["sample"]
        missed[key] = missed.get(key, False) or row["soft"] < THRESHOLD
    table = table.filter(pc.is_valid(table["state"]))
    return Labelled(
        keys=tuple(zip(*(table[key].to_pylist() for key in _KEY), strict=True)),
        soft=table["soft"].to_numpy().astype(np.float64),
        finished=table["finished"].to_numpy(),
        missed=missed,
        sources=sources,
    )
