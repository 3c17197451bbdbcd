"""All results of a study into its store, each after what it is made from."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from stepladder.errors import StepladderError
from stepladder.report.results import Result, read_result
from stepladder.study.graph import Study
from stepladder.tracking.ledger import Ledger, Outcome
from stepladder.tracking.store import is_file, open_store, patiently

_MOST_PASSES = 8
_JobKey = tuple[str, str, int]


@dataclass(frozen=True)
class IngestReport:
    """How many of a study's nodes and seeds got a run, needed none, had theirs replaced, or have no result yet.

    ``runs``: run ids by ``stage/name/seed``.
    """

    created: int
    unchanged: int
    superseded: int
    missing: int
    runs: dict[str, str]


def ingest(study: Study, uri: str, artifacts: Path) -> IngestReport:
    """Brings MLflow in line with the result files of a study, also while others do the same.

    Args:
        study: its name is the experiment; one parent run stands for it, with one child per node and seed.
        uri: of a SQLite file or an MLflow server.
        artifacts: folder for copies of small result files, where the store is a file; a server has its own.

    Raises:
        StepladderError: when a result file is broken (then nothing is written), or the store cannot be used.
    """
    read = {job: read_result(study, *job) for job in study.jobs()}
    results = {job: result for job, result in read.items() if result is not None}
    outcomes: dict[_JobKey, Outcome] = {}
    with open_store(uri) as client:
        # What another ingest did in the meantime may have changed whose run is the parent or the origin of another: a
        # pass over all results that finds nothing to write is the proof that all is well.
        for _ in range(_MOST_PASSES):
            ledger = patiently(uri, partial(Ledger.open, client, study, artifacts if is_file(uri) else None))
            runs = _record_all(study, uri, ledger, results, outcomes)
            if not ledger.changed:
                break
        else:
            raise StepladderError(
                f"others keep changing the runs of study {study.settings.study!r} at {uri}; let them end and run again"
            )
    counted = Counter(outcomes.values())
    return IngestReport(
        **{outcome: counted[outcome] for outcome in get_args(Outcome)}, missing=len(read) - len(results), runs=runs
    )


def _record_all(
    study: Study, uri: str, ledger: Ledger, results: dict[_JobKey, Result], outcomes: dict[_JobKey, Outcome]
) -> dict[str, str]:
    """The run of every result; what was done for it is noted in ``outcomes``, which remember all passes."""
    runs: dict[str, str] = {}
    for job, result in results.items():
        stage, name, seed = job
        run_id, outcome = patiently(uri, partial(ledger.record, result, _upstream(study, job, runs)))
        runs[f"{stage}/{name}/{seed}"] = run_id
        if outcomes.get(job, "unchanged") == "unchanged":
            outcomes[job] = outcome
    return runs


def _upstream(study: Study, job: _JobKey, runs: dict[str, str]) -> dict[str, str]:
    """Lineage tags: the runs of what a job is made from, by node."""
    found: dict[str, list[str]] = {}
    for stage, name, seed in study.jobs_above(*job):
        run = runs.get(f"{stage}/{name}/{seed}")
        if run:
            found.setdefault(f"upstream.{stage}.{name}", []).append(run)
    return {tag: ",".join(ids) for tag, ids in found.items()}
