"""Where runs are kept: a SQLite file with one writer at a time, or an MLflow server that many write to.

Credentials for a server are MLflow's own environment variables, which only MLflow reads: MLFLOW_TRACKING_USERNAME with
MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.
"""

import fcntl
import logging
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from stepladder.errors import StepladderError

# A file's writer waits this long for another one, and a server is asked again after each of these pauses.
BUSY_SECONDS = 60.0
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
T = TypeVar("T")
_SQLITE = "sqlite:///"
_REFUSED = {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"}
# A server that is away counts as an internal error; a bad request may be two ingests that set one tag at once.
_PASSING = {
    "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED",
    "RESOURCE_CONFLICT", "ABORTED", "BAD_REQUEST",
}  # fmt: skip


def is_file(uri: str) -> bool:
    """Whether the store is a SQLite file."""
    return uri.startswith(_SQLITE)


@contextmanager
def open_store(uri: str) -> Iterator[MlflowClient]:
    """A client of the store. A file is held alone until the block ends: SQLite loses runs of simultaneous writers.

    Raises:
        StepladderError: when the file is locked, broken or not writable, or MLflow or the disk fails in the block.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # what fails is raised, and said once
    try:
        if is_file(uri):
            with _sole_writer(Path(uri.removeprefix(_SQLITE))):
                yield MlflowClient(tracking_uri=uri)
        else:
            yield MlflowClient(tracking_uri=uri)
    except MlflowException as error:
        raise StepladderError(_said(uri, error)) from error
    except OSError as error:
        raise StepladderError(f"{uri}: {_first_line(error)}; mend it and run again") from error


def patiently(uri: str, work: Callable[[], T]) -> T:
    """What ``work`` gives; while a server is away it is done again from its start, after longer and longer pauses.

    Raises:
        MlflowException: what the last attempt met, or at once what no waiting can mend.
    """
    for number, pause in enumerate(() if is_file(uri) else PAUSES):
        try:
            return work()
        except MlflowException as error:
            if error.error_code not in _PASSING:
                raise
            if number == 0:
                said = f"{uri} does not answer ({_first_line(error)}); trying again for {sum(PAUSES):.0f} s"
                print(f"stepladder: tracking: {said}", file=sys.stderr, flush=True)
        time.sleep(pause * random.uniform(0.5, 1.0))  # so that many ingests do not come back as one
    return work()


@contextmanager
def _sole_writer(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        _wait_for(lock, path)
        _check_database(path)
        yield


def _wait_for(lock: TextIO, path: Path) -> None:
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                said = f"another ingest has written to it for {BUSY_SECONDS:.0f} s; let it end and run again"
                raise StepladderError(f"{path}: {said}") from None
        time.sleep(0.1)


def _check_database(path: Path) -> None:
    """Finds what is wrong with the file before MLflow does, which would try ten times and say it at length."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise StepladderError(
            f"{path}: {error}; close other programs that use it, or make it writable, and run again"
        ) from None
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        raise StepladderError(
            f"{path}: not a whole database ({_first_line(said)}); delete it, mlartifacts and tracking.json, run again"
        )


def _said(uri: str, error: MlflowException) -> str:
    if error.error_code in _REFUSED:
        return (
            f"{uri} refuses this user ({_first_line(error)}); set MLFLOW_TRACKING_USERNAME and"
            " MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment"
        )
    return f"MLflow cannot be used at {uri}: {_first_line(error)}; what is written stays, run again to go on"


def _first_line(said: object) -> str:
    return str(said).strip().splitlines()[0][:300] if str(said).strip() else type(said).__name__
