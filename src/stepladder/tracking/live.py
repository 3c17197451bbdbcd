"""The points of a training into its study's MLflow server while it trains.

They are for watching only: history.jsonl is what a training leaves, and the ingest at the end of a run puts its own run
in the place of the one that was watched, as it does with a run that was cut short. A server that is away, or one that
refuses, costs a line on stderr and no training.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping

from stepladder.job import Job
from stepladder.study.canonical import digest

LIVE = "STEPLADDER_LIVE"
"""The environment variable that holds the server's URI where a study asks for this."""
# A training waits this long for an answer, and not again after it got none.
SECONDS = "10"

Tell = Callable[[Mapping[str, float]], None]


def follow(job: Job) -> Tell:
    """What a training calls with every point of its history; does nothing, and loads nothing, unless it is asked to."""
    uri = os.environ.get(LIVE)
    return _Watched(job, uri) if uri and os.environ.get("RANK", "0") == "0" else lambda point: None


class _Watched:
    """One attempt's run, made with the first point; the runs that earlier attempts left are removed."""

    def __init__(self, job: Job, uri: str):
        self.job, self.uri = job, uri
        self.run_id, self.gone = "", False
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = SECONDS

    def __call__(self, point: Mapping[str, float]) -> None:
        if self.gone:
            return
        from mlflow import MlflowClient
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException

        now, step = time.time_ns() // 1_000_000, int(point["step"])
        values = [Metric(f"training/{name}", value, now, step) for name, value in point.items() if name != "step"]
        try:
            client = MlflowClient(tracking_uri=self.uri)
            self.run_id = self.run_id or self._new_run(client)
            client.log_batch(self.run_id, metrics=values)
        except MlflowException as error:
            self.gone = True
            said = (str(error).splitlines() or [type(error).__name__])[0][:200]
            line = f"{self.uri}: live metrics end here, the training goes on ({said})"
            print(f"stepladder: {self.job.title}: {line}", file=sys.stderr, flush=True)

    def _new_run(self, client) -> str:
        job = self.job
        known = client.get_experiment_by_name(job.study)
        experiment = known.experiment_id if known else client.create_experiment(job.study)
        key = digest([job.study, job.stage, job.name, job.seed])
        for run in client.search_runs([experiment], f"tags.run_key = '{key}' and tags.live = 'true'"):
            client.delete_run(run.info.run_id)
        tags = {"run_key": key, "live": "true", "study": job.study, "stage": job.stage, "node": job.name}
        return client.create_run(experiment, tags=tags | {"seed": str(job.seed)}, run_name=job.title).info.run_id
