"""What a node's folder says about its run: parameters, numbers, tags and small files, whatever the stage."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from stepladder.errors import StepladderError
from stepladder.records import read_history, read_json
from stepladder.study.canonical import canonical_json, digest
from stepladder.study.fields import DATASETS
from stepladder.study.graph import Study

# Records and checkpoints stay where they are; only what a person reads is copied.
_READABLE = (".json", ".jsonl", ".csv", ".md", ".tex", ".html", ".png")
_LONGEST_PARAMETER = 6000
_NAMING = ("study", "stage", "name", "spec")


@dataclass(frozen=True)
class Result:
    """One node's result for one seed. Times are milliseconds since 1970, numbers are (name, value, step)."""

    key: str
    digest: str
    title: str
    params: dict[str, str]
    numbers: list[tuple[str, float, int]]
    tags: dict[str, str]
    files: list[Path]
    started: int
    ended: int


def read_result(study: Study, stage: str, name: str, seed: int) -> Result | None:
    """The result in a node's folder, or None where the node has not run.

    Raises:
        StepladderError: when metrics.json or history.jsonl is broken.
    """
    folder = Path(study.folder(stage, name, seed))
    path = folder / "metrics.json"
    if not path.is_file():
        return None
    content = read_json(path)
    try:
        job, counts, wall_seconds = content["job"], content["counts"], float(content["wall_seconds"])
        tags = {
            "study": study.settings.study,
            "stage": stage,
            "node": name,
            "seed": str(content["seed"]),
            "git": str(content["git"]),
            "device": content["device"],
            "versions": canonical_json(content["versions"]),
        }
        params = dict(_parameters({**job["spec"], **{k: v for k, v in job.items() if k not in _NAMING}}, ""))
        measured = dict(_numbers(content["metrics"], ""))
        measured |= {"rows_in": counts["rows_in"], "rows_out": counts["rows_out"], "wall_seconds": wall_seconds}
        measured["rows_dropped"] = sum(counts["dropped"].values())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StepladderError(
            f"{path}: not what a job writes ({type(error).__name__}: {error}); delete it and run again to make it anew"
        ) from None
    files = sorted(file for file in folder.iterdir() if file.suffix in _READABLE and not file.name.startswith("."))
    ended = int(path.stat().st_mtime * 1000)
    return Result(
        key=digest([study.settings.study, stage, name, seed]),
        digest=digest({file.name: hashlib.blake2b(file.read_bytes()).hexdigest() for file in files}),
        title=f"{stage}/{name} seed {seed}",
        params=params,
        numbers=[(key, float(value), 0) for key, value in measured.items()] + _history(folder / "history.jsonl"),
        tags=tags,
        files=files,
        started=ended - int(wall_seconds * 1000),
        ended=ended,
    )


def _parameters(value: Any, at: str) -> Iterator[tuple[str, str]]:
    """Everything the result depends on, under dotted names; lists as JSON."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _parameters(item, f"{at}.{key}" if at else key)
    else:
        text = value if isinstance(value, str) else canonical_json(value)
        yield at, text if len(text) <= _LONGEST_PARAMETER else text[: _LONGEST_PARAMETER - 1] + "…"


def _numbers(value: Any, at: str) -> Iterator[tuple[str, float]]:
    """The numbers of a job, without those of single data sets: few names keep MLflow's pages readable."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in DATASETS:
                yield from _numbers(item, f"{at}/{key}" if at else key)
    elif isinstance(value, Real) and not isinstance(value, bool):
        yield at, float(value)


def _history(path: Path) -> list[tuple[str, float, int]]:
    """The course of a training, under names of its own so that it does not mix with the final numbers."""
    if not path.is_file():
        return []
    points = []
    for point in read_history(path):
        step = point.pop("step")
        points += [(f"training/{key}", value, step) for key, value in _numbers(point, "")]
    return points
