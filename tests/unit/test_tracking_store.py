"""What an ingest does when the store is away, locked, broken or written to by others."""

import fcntl
import sqlite3
import subprocess
import sys
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tracked_study import config

from stepladder.errors import StepladderError
from stepladder.study.faults import StudyFaults
from stepladder.study.graph import build
from stepladder.study.load import Sources
from stepladder.tracking import store
from stepladder.tracking.ingest import ingest
from stepladder.tracking.store import open_store, patiently

SERVER = "http://127.0.0.1:1"


def one_line(caught) -> str:
    said = str(caught.value)
    assert said and "\n" not in said
    return said


@pytest.mark.parametrize(
    "uri", ["sqlite:///a b/mlflow.db", SERVER, "https://mlflow.example.org/base", "http://[::1]:5000"]
)
def test_a_file_or_a_server_is_a_store(tmp_path, uri):
    assert build(config(tmp_path) | {"tracking": uri}, Sources([])).settings.tracking == uri


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mlruns", "must be sqlite:///"),
        ("file:///srv/mlruns", "must be sqlite:///"),
        ("postgresql:///runs", "stands behind such a server"),
        ("http://host:5000?token=secret", "must be sqlite:///"),
        ("http://user:secret@host:5000", "MLFLOW_TRACKING_PASSWORD"),
        ("http://secret@host:5000", "MLFLOW_TRACKING_PASSWORD"),
        ("postgresql://user:secret@host/db", "MLFLOW_TRACKING_PASSWORD"),
        ("sqlite:///x@secret", "MLFLOW_TRACKING_PASSWORD"),
        ("http://host:5000\nsecret", "must be sqlite:///"),
    ],
)
def test_any_other_store_is_refused_and_no_password_is_repeated(tmp_path, uri, said):
    with pytest.raises(StudyFaults) as caught:
        build(config(tmp_path) | {"tracking": uri}, Sources([]))
    (line,) = caught.value.lines
    assert line.startswith("--config: tracking: ") and said in line and "secret" not in line


class TestAFile:
    def test_that_is_no_database(self, tracked):
        database = tracked.artifacts.with_name("mlflow.db")
        database.write_bytes(b"something else" * 500)
        with pytest.raises(StepladderError) as caught:
            tracked.ingest()
        assert "not a whole database" in one_line(caught) and str(database) in one_line(caught)
        assert database.read_bytes() == b"something else" * 500

    def test_that_was_cut_short(self, tracked):
        tracked.ingest()
        database = tracked.artifacts.with_name("mlflow.db")
        database.write_bytes(database.read_bytes()[: database.stat().st_size // 2])
        with pytest.raises(StepladderError) as caught:
            tracked.ingest()
        assert "not a whole database" in one_line(caught)

    def test_that_another_program_has_locked(self, tracked, monkeypatch):
        monkeypatch.setattr(store, "BUSY_SECONDS", 0.2)
        with sqlite3.connect(tracked.artifacts.with_name("mlflow.db"), isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StepladderError) as caught:
                tracked.ingest()
            assert "locked" in one_line(caught)
            other.execute("ROLLBACK")
        assert tracked.ingest().created == 9

    def test_that_another_ingest_writes_to(self, tracked, monkeypatch):
        monkeypatch.setattr(store, "BUSY_SECONDS", 0.2)
        with tracked.artifacts.with_name("mlflow.db.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(StepladderError) as caught:
                tracked.ingest()
            assert "another ingest" in one_line(caught)
        assert tracked.ingest().created == 9

    def test_that_is_absent_is_made(self, tracked):
        tracked.artifacts.with_name("mlflow.db").unlink()
        assert tracked.ingest().created == 9

    def test_that_cannot_be_opened(self, tracked):
        database = tracked.artifacts.with_name("mlflow.db")
        database.unlink()
        database.mkdir()
        with pytest.raises(StepladderError) as caught:
            tracked.ingest()
        assert "unable to open" in one_line(caught)

    def test_with_a_disk_that_is_full(self, tracked, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(MlflowClient, "log_artifact", full)
        with pytest.raises(StepladderError) as caught:
            tracked.ingest()
        assert "No space left" in one_line(caught)

    def test_takes_ingests_of_several_processes_one_after_the_other(self, tracked, tmp_path, root):
        (tmp_path / "study.yaml").write_text(str(config(tmp_path / "results")))
        command = [sys.executable, str(root / "tests/servers/ingest_studies.py"), tracked.uri, "study.yaml"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running = [subprocess.Popen(command, cwd=tmp_path, **pipes) for _ in range(2)]
        said = [process.communicate(timeout=120) for process in running]
        assert all(process.returncode == 0 for process in running), said
        assert len({out for out, _ in said}) == 1 and len(tracked.runs()) == 10


class TestAServer:
    def test_that_is_away_is_asked_again_then_given_up_with_one_line(self, tracked, monkeypatch, capsys):
        monkeypatch.setattr(store, "PAUSES", (0.0, 0.0))
        with pytest.raises(StepladderError) as caught:
            ingest(tracked.study, SERVER, tracked.artifacts)
        assert "MLflow cannot be used" in one_line(caught) and SERVER in one_line(caught)
        (line,) = capsys.readouterr().err.splitlines()
        assert "does not answer" in line and "trying again" in line

    def test_that_comes_back_is_used(self, monkeypatch):
        monkeypatch.setattr(store, "PAUSES", (0.0, 0.0, 0.0))
        answers = iter([MlflowException("away"), MlflowException("away"), "here"])

        def work():
            answer = next(answers)
            if isinstance(answer, MlflowException):
                raise answer
            return answer

        assert patiently(SERVER, work) == "here" and list(answers) == []

    def test_that_refuses_the_user_is_asked_once_with_the_credentials_of_the_environment(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "planted")
        seen = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append(self.headers["Authorization"])
                self.send_response(401)
                self.end_headers()
                self.wfile.write(b"You are not authenticated.")

            def log_message(self, *_):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            uri = f"http://127.0.0.1:{server.server_port}"
            with pytest.raises(StepladderError) as caught, open_store(uri) as client:
                patiently(uri, lambda: client.get_experiment_by_name("any"))
            server.shutdown()
        assert seen == ["Basic " + b64encode(b"reader:planted").decode()]
        assert "MLFLOW_TRACKING_PASSWORD" in one_line(caught)
        assert "planted" not in one_line(caught) and "reader" not in one_line(caught)


class TestSimultaneousIngests:
    """Played on a file: what another ingest does is done by hand."""

    def copy(self, tracked, run, **tags: str) -> str:
        """The same run again, as another ingest would have made it."""
        keep = {key: value for key, value in run.data.tags.items() if key != "mlflow.runName"}
        return tracked.client.create_run(run.info.experiment_id, tags=keep | tags).info.run_id

    def run_of(self, tracked, title: str):
        (run,) = (run for run in tracked.runs() if run.info.run_name == title)
        return run

    @pytest.mark.parametrize("older", [True, False])
    def test_the_oldest_of_two_whole_runs_stays(self, tracked, older):
        first = tracked.ingest()
        mine = self.run_of(tracked, "policies/base seed 1")
        stamp = int(mine.data.tags["ingested"]) + (-1 if older else 1)
        other = self.copy(tracked, mine, ingested=str(stamp))
        second = tracked.ingest()
        assert second.runs["policies/base/1"] == (other if older else mine.info.run_id)
        assert len(tracked.runs()) == 10 and second.created == second.superseded == 0
        # What was made from it names the run that stayed.
        tags = tracked.client.get_run(first.runs["policies/sft/1"]).data.tags
        assert tags["upstream.policies.base"] == second.runs["policies/base/1"]

    def test_the_oldest_of_two_runs_of_the_study_stays_and_has_all_children(self, tracked):
        tracked.ingest()
        mine = self.run_of(tracked, "study tiny")
        other = self.copy(tracked, mine, ingested="1")
        tracked.ingest()
        runs = tracked.runs()
        assert len(runs) == 10 and mine.info.run_id not in {run.info.run_id for run in runs}
        children = [run for run in runs if run.info.run_id != other]
        assert {run.data.tags["mlflow.parentRunId"] for run in children} == {other}

    def test_a_run_removed_while_it_is_written_gives_way_to_the_one_that_was_quicker(self, tracked, monkeypatch):
        tracked.ingest()
        mine = self.run_of(tracked, "policies/base seed 1")
        tracked.client.delete_run(mine.info.run_id)
        quicker = []

        def overtaken(client, run_id, path, folder=None):
            if not quicker:
                quicker.append(self.copy(tracked, mine))
                client.delete_run(run_id)
            raise MlflowException("the run must be active", 1000)

        monkeypatch.setattr(MlflowClient, "log_artifact", overtaken)
        report = tracked.ingest()
        assert report.runs["policies/base/1"] == quicker[0] and len(tracked.runs()) == 10

    def test_a_run_that_others_removed_is_made_again(self, tracked, monkeypatch):
        """Two others made one each, and each took the other's for the younger or for one that was cut short."""
        tracked.ingest()
        tracked.client.delete_run(self.run_of(tracked, "policies/base seed 1").info.run_id)
        log, removed = MlflowClient.log_artifact, []

        def overtaken(client, run_id, path, folder=None):
            if not removed:
                removed.append(run_id)
                client.delete_run(run_id)
            log(client, run_id, path, folder)

        monkeypatch.setattr(MlflowClient, "log_artifact", overtaken)
        report = tracked.ingest()
        assert report.created == 1 and report.runs["policies/base/1"] not in removed and len(tracked.runs()) == 10

    def test_after_a_removal_an_ingest_looks_whether_the_other_run_is_still_there(self, tracked, monkeypatch):
        first = tracked.ingest()
        mine = self.run_of(tracked, "policies/base seed 1")
        self.copy(tracked, mine, result_digest="cut short")
        delete, removed = MlflowClient.delete_run, []

        def both(client, run_id):
            removed.append(run_id)
            delete(client, run_id)
            if len(removed) == 1:
                delete(client, mine.info.run_id)  # by another ingest, to which the first was the older

        monkeypatch.setattr(MlflowClient, "delete_run", both)
        second = tracked.ingest()
        assert removed and len(tracked.runs()) == 10
        assert second.runs["policies/base/1"] == self.run_of(tracked, "policies/base seed 1").info.run_id
        assert second.runs["policies/base/1"] != first.runs["policies/base/1"]

    def test_another_result_under_the_same_key_is_one_line(self, tracked, monkeypatch):
        tracked.ingest()
        tracked.client.delete_run(self.run_of(tracked, "policies/base seed 1").info.run_id)

        def overtaken(client, run_id, path, folder=None):
            client.delete_run(run_id)
            raise MlflowException("the run must be active", 1000)

        monkeypatch.setattr(MlflowClient, "log_artifact", overtaken)
        with pytest.raises(StepladderError) as caught:
            tracked.ingest()
        assert "another ingest writes other results of study 'tiny'" in one_line(caught)
