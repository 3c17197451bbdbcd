"""The labelled solutions of a trajectories node, whatever their format and wherever they are published."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stepladder.errors import StepladderError
from stepladder.questions.hub import SourceFile, local_source
from stepladder.records import Counts
from stepladder.study.specs.trajectories import Solutions
from stepladder.supervision.human_steps import read_human_chains
from stepladder.supervision.math_shepherd import fetch_math_shepherd, read_math_shepherd
from stepladder.supervision.prm800k import fetch_prm800k, read_prm800k
from stepladder.supervision.process_bench import fetch_process_bench, labelled, read_process_bench
from stepladder.supervision.solutions import LabelledSolution, Neutral, by_problem
from stepladder.supervision.stepwise import fetch_stepwise, read_stepwise


def sources(spec: Solutions, local: Sequence[Path], cache: Path) -> list[SourceFile]:
    """The files that a node is read from: local ones, or those on the hub, which are kept in ``cache``.

    Raises:
        StepladderError: when one cannot be had.
    """
    if spec.source == "local":
        return [local_source(path) for path in local]
    match spec.format:
        case "math_shepherd":
            return [fetch_math_shepherd(cache)]
        case "prm800k":
            return [fetch_prm800k(part, cache) for part in spec.parts]
        case "process_bench":
            return [fetch_process_bench(part, cache) for part in spec.parts]
        case _:
            found = (fetch_stepwise(spec.repository, spec.revision, part, cache) for part in spec.parts)
            return [file for files in found for file in files]


def solutions_of(
    spec: Solutions, files: Sequence[SourceFile], neutral: Neutral, counts: Counts
) -> dict[str, list[LabelledSolution]]:
    """The node's solutions by question id, in the order of the files; what is rejected is counted by its reason.

    Args:
        neutral: what a neutral step counts as, where the format knows any.

    Raises:
        StepladderError: when a file cannot be read or is of another format.
    """
    found = (solution for file in files for solution in _read(spec, file.path, neutral, counts))
    kept, left_out = by_problem(found, spec.limit)
    counts.drop("over the limit", left_out)
    return kept


def refuse_changed(solution: LabelledSolution, trajectory: dict[str, Any]) -> None:
    """Refuses a solution that is not the one that a trajectory was made from.

    Raises:
        StepladderError: when the source has changed since.
    """
    if trajectory["text"] != solution.text or len(trajectory["step_ends"]) != len(solution.steps):
        raise StepladderError(
            f"question {trajectory['question_id']} sample {trajectory['sample']}: not the solution that the trajectory "
            "was made from, so its source has changed; delete the folder of the trajectories node and run again"
        )


def _read(spec: Solutions, path: Path, neutral: Neutral, counts: Counts) -> Iterator[LabelledSolution]:
    match spec.format:
        case "math_shepherd":
            return read_math_shepherd(path, counts)
        case "prm800k":
            return read_prm800k(path, neutral, counts)
        case "stepwise":
            return read_stepwise(path, counts)
        case "human_steps":
            return read_human_chains(path, neutral, counts)
        case _:
            marked = read_process_bench(path, path.stem)
            counts.rows_in += len(marked)
            return map(labelled, marked)
