"""One study's runs in a store, brought in line with its results: each result has exactly one run, whoever writes.

A run is found again by its key (study, stage, name, seed) and is current while the digest of its files is. The digest
is written last, so a run that was cut short has none. Several ingests may write the same result at once. Each looks
again after it has written or removed anything, and all follow one rule: of the complete runs the oldest stays, and all
others go. A run may become complete, and the oldest, while another ingest removes it as one that was cut short; whoever
then finds none makes it again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag, ViewType
from mlflow.exceptions import MlflowException

from stepladder.errors import StepladderError
from stepladder.report.results import Result
from stepladder.study.canonical import digest
from stepladder.study.graph import Study

# MLflow takes at most 100 parameters and 1000 things in one call.
_PARAMS_PER_CALL, _METRICS_PER_CALL = 100, 900
# How often a run is made that other ingests remove at once, as they do when they write another result under its key.
_MOST_TRIES = 4

Outcome = Literal["created", "unchanged", "superseded"]


@dataclass
class Ledger:
    """One experiment: its client, its parent run, the runs it had by key, and whether anything was written since."""

    client: MlflowClient
    experiment: str
    parent: str
    runs: dict[str, list[Run]]
    changed: bool

    @classmethod
    def open(cls, client: MlflowClient, study: Study, artifacts: Path | None) -> "Ledger":
        """The study's experiment and parent run, made where they are missing.

        Args:
            artifacts: folder for copies of small result files; None where the server has its own.
        """
        experiment = _experiment(client, study.settings.study, artifacts)
        ledger = cls(client, experiment, "", {}, changed=False)
        for run in ledger._search(""):
            ledger.runs.setdefault(run.data.tags.get("run_key", ""), []).append(run)
        ledger.parent = ledger._study_run(study)
        return ledger

    def record(self, result: Result, upstream: dict[str, str]) -> tuple[str, Outcome]:
        """The id of the run that holds the result, made unless it is there already, and which of these it was.

        Raises:
            StepladderError: when another ingest writes another result under the same key.
        """
        links = {"mlflow.parentRunId": self.parent, **upstream}
        found = self.runs.get(result.key, [])
        outcome: Outcome = "unchanged"
        if _current(found, result) is None:
            found = self._of_key(result.key)
        for _ in range(_MOST_TRIES):
            if _current(found, result) is not None:
                break
            outcome = "superseded" if any("result_digest" in run.data.tags for run in found) else "created"
            self._create(result, links)
            found = self._of_key(result.key)
        run = _current(found, result)
        if run is None:
            raise StepladderError(
                f"another ingest writes other results of study {result.tags['study']!r} to the same server; give one of"
                " them another name, or let it end and run again"
            )
        self._tag(run, links)
        for other in found:
            if other is not run:
                self._remove(other, run)
        return run.info.run_id, outcome

    def _create(self, result: Result, links: dict[str, str]) -> None:
        self.changed = True
        tags = {"run_key": result.key, **result.tags, **links}
        run_id = self.client.create_run(self.experiment, result.started, tags, result.title).info.run_id
        with self._unless_removed(run_id):
            params = [Param(key, value) for key, value in result.params.items()]
            numbers = [Metric(key, value, result.ended, step) for key, value, step in result.numbers]
            batches = zip_longest(_chunks(params, _PARAMS_PER_CALL), _chunks(numbers, _METRICS_PER_CALL), fillvalue=[])
            for some_params, some_numbers in batches:
                self.client.log_batch(run_id, params=some_params, metrics=some_numbers)
            for path in result.files:
                self.client.log_artifact(run_id, str(path))
                if path.name == "table.csv":
                    tidy = pd.read_csv(path).astype(object)
                    self.client.log_table(run_id, tidy.where(tidy.notna(), None), "table.json")
            self.client.set_terminated(run_id, "FINISHED", end_time=result.ended)
            self.client.log_batch(run_id, tags=_as_tags({"result_digest": result.digest, "ingested": _now()}))

    def _study_run(self, study: Study) -> str:
        """The study's own run. It lives as long as the experiment, for its children name it; its content changes."""
        content = {
            "settings": study.settings.model_dump(mode="json"),
            "nodes": {f"{stage}/{name}": node.as_data() for (stage, name), node in study.nodes.items()},
        }
        name = study.settings.study
        tags = {"run_key": digest([name]), "stage": "study", "study": name, "scale": study.settings.scale.name}
        if tags["run_key"] not in self.runs:
            self.changed = True
            started = tags | {"ingested": _now()}
            run_id = self.client.create_run(self.experiment, tags=started, run_name=f"study {name}").info.run_id
            with self._unless_removed(run_id):
                self.client.set_terminated(run_id, "FINISHED")
            self.runs[tags["run_key"]] = self._of_key(tags["run_key"])
        oldest, *others = sorted(self.runs[tags["run_key"]], key=_age)
        for other in others:
            self._remove(other, oldest)
        tags |= {"seeds": ",".join(map(str, study.settings.seeds)), "result_digest": digest(content)}
        if _differ(oldest, tags):
            with self._unless_removed(oldest.info.run_id):
                self.client.log_dict(oldest.info.run_id, content, "study.json")
            self._tag(oldest, tags)
        return oldest.info.run_id

    def _tag(self, run: Run, tags: dict[str, str]) -> None:
        if _differ(run, tags):
            self.changed = True
            with self._unless_removed(run.info.run_id):
                self.client.log_batch(run.info.run_id, tags=_as_tags(tags))

    def _remove(self, run: Run, successor: Run) -> None:
        self.changed = True
        with self._unless_removed(run.info.run_id):
            self.client.set_tag(run.info.run_id, "superseded_by", successor.info.run_id)
            self.client.delete_run(run.info.run_id)

    @contextmanager
    def _unless_removed(self, run_id: str) -> Iterator[None]:
        """Another ingest may remove a run at any moment, and what was still to be done with it then does not matter."""
        try:
            yield
        except MlflowException:
            if self.client.get_run(run_id).info.lifecycle_stage != "deleted":
                raise

    def _of_key(self, key: str) -> list[Run]:
        return list(self._search(f"tags.run_key = '{key}'"))

    def _search(self, condition: str) -> Iterator[Run]:
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment], condition, ViewType.ACTIVE_ONLY, max_results=1000, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return


def _current(runs: list[Run], result: Result) -> Run | None:
    """The run that holds the result: the oldest, where several ingests made one at once."""
    complete = [run for run in runs if run.data.tags.get("result_digest") == result.digest]
    return min(complete, key=_age, default=None)


def _age(run: Run) -> tuple[int, str]:
    """An order that all writers agree on, whatever their clocks say, since it is written in the runs."""
    return int(run.data.tags.get("ingested", 0)), run.info.run_id


def _now() -> str:
    return str(time.time_ns())


def _as_tags(tags: dict[str, str]) -> list[RunTag]:
    return [RunTag(key, value) for key, value in tags.items()]


def _differ(run: Run, tags: dict[str, str]) -> bool:
    return any(run.data.tags.get(key) != value for key, value in tags.items())


def _experiment(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    known = client.get_experiment_by_name(name)
    if known is None:
        try:
            return client.create_experiment(name, artifacts and (artifacts / name).resolve().as_uri())
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return _experiment(client, name, artifacts)  # another ingest was quicker
    if known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    return known.experiment_id


def _chunks(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
