"""Audits as a table reads them: which questions of a split were not seen in what was trained on."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stepladder.errors import StepladderError
from stepladder.records import AUDITS, read_records
from stepladder.report.answers import origin

Audits = Mapping[str, Sequence[dict[str, Any]]]
"""Rows of ``records.AUDITS``, by audit."""


def read_audits(paths: Iterable[Path]) -> Audits:
    """The audits in some files; the metrics.json beside each says which one it is.

    Raises:
        StepladderError: when a file is missing or broken, or nothing says which audit it is.
    """
    return {origin(path)[0]: read_records(path, AUDITS) for path in paths}


def clean(name: str, audits: Audits, questions: Sequence[str]) -> np.ndarray:
    """(questions,) which of some questions an audit has not found seen.

    Raises:
        StepladderError: when one of them was not audited: then nothing is known of it.
    """
    seen = {row["question_id"]: row["seen"] for row in audits[name]}
    unknown = next((question for question in questions if question not in seen), None)
    if unknown is not None:
        raise StepladderError(f"audits.{name} does not know question {unknown}; it must be of the evaluation's split")
    return np.array([not seen[question] for question in questions])
