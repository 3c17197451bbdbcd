"""A real MLflow server on a real PostgreSQL: on loopback and a socket file, for one module of tests, ended by pid."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from skips import skip

SECONDS = 60


def _program(name: str) -> str | None:
    """A program of PostgreSQL's, which Debian keeps outside the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return shutil.which(name, path=os.pathsep.join([*map(str, reversed(folders)), os.environ["PATH"]]))


def _wait_until(ready, what: str) -> None:
    until = time.monotonic() + SECONDS
    while not ready():
        assert time.monotonic() < until, f"{what} did not start within {SECONDS} s"
        time.sleep(0.2)


class Postgres:
    """A database in a folder of its own that listens on a socket file only."""

    def __init__(self):
        # PostgreSQL does not run as root; Debian's package brings a user for it.
        self.owner = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        self.folder = Path(tempfile.mkdtemp(prefix="stepladder-pg-"))
        if self.owner:
            shutil.chown(self.folder, "postgres", "postgres")
        self._call("initdb", "-D", f"{self.folder}/data", "-U", "stepladder", "--auth=trust", "--no-sync", "-E", "UTF8")
        options = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "fsync": "off"}
        settings = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [_program("postgres"), "-D", f"{self.folder}/data", *settings],
                stdout=log, stderr=log, cwd=self.folder, **self.owner,
            )  # fmt: skip
        ready = [_program("pg_isready"), "-h", str(self.folder)]
        _wait_until(lambda: subprocess.run(ready, capture_output=True).returncode == 0, "PostgreSQL")
        self.uri = f"postgresql://stepladder@/postgres?host={self.folder}"

    def dump(self) -> bytes:
        """Everything in it, as text."""
        return self._call("pg_dump", "-h", str(self.folder), "-U", "stepladder", "postgres")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(SECONDS)
        shutil.rmtree(self.folder)

    def _call(self, name: str, *arguments: str) -> bytes:
        command = [_program(name), *arguments]
        return subprocess.run(command, check=True, capture_output=True, cwd=self.folder, **self.owner).stdout


class Server:
    """An MLflow server with its own store of files; it can be killed and started again."""

    def __init__(self, database: Postgres, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.database, self.folder = database, folder
        self.start()

    def start(self) -> None:
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "2",
            "--backend-store-uri", self.database.uri, "--artifacts-destination", str(self.folder / "files"),
        ]  # fmt: skip
        environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, env=environment, start_new_session=True
            )
        _wait_until(self._answers, "the MLflow server")

    def kill(self) -> None:
        """Ends it and its workers at once, whatever they are doing."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(SECONDS)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as response:
                return response.status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """The server; skips where PostgreSQL or its Python driver is not installed."""
    if not (_program("initdb") and _program("postgres")):
        skip("PostgreSQL is not installed (Debian package postgresql)")
    if importlib.util.find_spec("psycopg2") is None:
        skip("psycopg2-binary is not installed")
    database = Postgres()
    try:
        server = Server(database, tmp_path_factory.mktemp("server"))
        try:
            yield server
        finally:
            server.kill()
    finally:
        database.stop()
