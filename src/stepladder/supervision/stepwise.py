"""Stepwise supervision as TRL stores it: {prompt, completions, labels}, in Parquet or JSON, one's own or published.

Published so: trl-lib/math_shepherd and trl-lib/prm800k on the Hugging Face hub, each with the splits train and test.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stepladder.errors import StepladderError
from stepladder.questions.hub import HubFile, SourceFile, fetch, files_at
from stepladder.records import Counts
from stepladder.supervision.solutions import LabelledSolution, counted

REPOSITORIES = ("trl-lib/math_shepherd", "trl-lib/prm800k")


def read_stepwise(path: Path, counts: Counts) -> Iterator[LabelledSolution]:
    """The solutions of a file, one row each; every rejected row is counted by its reason.

    ``labels`` are true or false, or numbers in [0, 1]: 0.7 stays 0.7. The last step is taken to end its
    solution, since the format does not say.

    Raises:
        StepladderError: when the file cannot be read or no row of it is of this format.
    """
    return counted(path, parse, counts)


def fetch_stepwise(repository: str, revision: str, split: str, cache: Path) -> list[SourceFile]:
    """The Parquet files of one split of a data set on the hub, kept in ``cache``.

    Args:
        repository: "owner/name", such as those of ``REPOSITORIES``.
        revision: a commit, a tag or a branch; the files say at which commit they were.

    Raises:
        StepladderError: when they cannot be had, or when there is no such split.
    """
    commit, files = files_at(repository, revision)
    wanted = re.compile(rf"data/{re.escape(split)}-\d+-of-\d+\.parquet")
    names = [file for file in files if wanted.fullmatch(file)]
    if not names:
        raise StepladderError(f"{repository} at {revision} has no file data/{split}-*.parquet; name another split")
    return [fetch(HubFile("huggingface", repository, commit, name, None), cache) for name in names]


def parse(row: Any) -> LabelledSolution | str:
    """A row's solution, or why it has none."""
    if not isinstance(row, dict):
        return "not a record"
    prompt, steps, labels = (row.get(key) for key in ("prompt", "completions", "labels"))
    if not isinstance(prompt, str) or not prompt.strip():
        return "no prompt"
    if not isinstance(steps, list) or not isinstance(labels, list) or not steps:
        return "no steps"
    if len(steps) != len(labels):
        return "numbers of steps and labels differ"
    if not all(isinstance(step, str) and step.strip() for step in steps):
        return "empty step"
    if not all(isinstance(label, bool | int | float) and 0 <= label <= 1 for label in labels):
        return "label outside [0, 1]"
    soft = tuple(float(label) for label in labels)
    trials = 1 if all(label in (0.0, 1.0) for label in soft) else 0
    return LabelledSolution(prompt.strip(), tuple(step.strip() for step in steps), soft, trials, finished=True)
