"""All results of a study into its store, each after what it is made from."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from stepladder.errors import StepladderError
from stepladder.report.results import Result, read_result
from stepladder.study.graph import Study
from stepladder.study.specs import SEEDLESS_STAGES
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
    read = {job: read_result(study, *job) for job in _jobs(study)}
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
    for (stage, name, seed), result in results.items():
        upstream = _upstream(study, stage, name, seed, runs)
        run_id, outcome = patiently(uri, partial(ledger.record, result, upstream))
        runs[f"{stage}/{name}/{seed}"] = run_id
        if outcomes.get((stage, name, seed), "unchanged") == "unchanged":
            outcomes[stage, name, seed] = outcome
    return runs


def _jobs(study: Study) -> Iterator[_JobKey]:
    """Every node and seed, each after all that it is made from."""
    done: dict[tuple[str, str], None] = {}

    def visit(key: tuple[str, str]) -> None:
        if key in done:
            return
        for _, stage, name in study.nodes[key].references:
            visit((stage, name))
        done[key] = None

    for key in study.nodes:
        visit(key)
    for stage, name in done:
        for seed in _seeds(study, stage):
            yield stage, name, seed


def _seeds(study: Study, stage: str) -> tuple[int, ...]:
    return (0,) if stage in SEEDLESS_STAGES else study.settings.seeds


def _upstream(study: Study, stage: str, name: str, seed: int, runs: dict[str, str]) -> dict[str, str]:
    """Lineage tags: the runs of what a node is made from; of all seeds where the node itself has none."""
    tags = {}
    for _, its_stage, its_name in study.nodes[stage, name].references:
        seeds = _seeds(study, its_stage)
        wanted = [seed] if seed in seeds and stage not in SEEDLESS_STAGES else seeds
        keys = [f"{its_stage}/{its_name}/{each}" for each in wanted]
        found = [runs[key] for key in keys if key in runs]
        if found:
            tags[f"upstream.{its_stage}.{its_name}"] = ",".join(found)
    return tags
