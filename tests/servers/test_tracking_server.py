"""Many ingests at once into an MLflow server that is killed in between: every result has exactly one run."""

import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from pathlib import Path

import yaml
from mlflow import MlflowClient

from stepladder.records import write_json
from stepladder.report.results import read_result
from stepladder.study.graph import Study, build
from stepladder.study.load import Sources
from stepladder.tracking.ingest import ingest

STUDIES, PROCESSES, SECONDS = 64, 2, 240


def make_study(folder: Path, name: str) -> Study:
    """A study with three results, and its file beside its results."""
    config = {
        "study": name,
        "results": str(folder),
        "questions": {"one": {"source": "generated", "sets": ["qqa"], "splits": {"sft": 9}}},
        "models": {"small": {"source": "new"}},
        "policies": {"base": {"method": "pretrain", "model": "small"}},
    }
    study = build(config, Sources([]))
    for stage, node in (("questions", "one"), ("models", "small"), ("policies", "base")):
        content = {
            "job": json.loads(study.job(stage, node)),
            "seed": 0,
            "counts": {"rows_in": 9, "rows_out": 9, "dropped": {}},
            "metrics": {"loss": 0.5},
            "versions": {"python": "3.11"},
            "device": "cpu",
            "wall_seconds": 1.0,
            "git": name,
        }
        write_json(content, Path(study.folder(stage, node, 0)) / "metrics.json")
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    return study


def start_ingests(uri: str, studies: list[Study], processes: int) -> list[subprocess.Popen]:
    """All studies at once, from threads of some processes."""
    environment = os.environ | {"MLFLOW_HTTP_POOL_MAXSIZE": "64"}
    script = str(Path(__file__).with_name("ingest_studies.py"))
    files = [f"{study.settings.results}/{study.settings.study}.yaml" for study in studies]
    return [
        subprocess.Popen(
            [sys.executable, script, uri, *files[start::processes]],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for start in range(processes)
    ]  # fmt: skip


def ended(processes: list[subprocess.Popen]) -> tuple[list[dict[str, str]], str]:
    """The run ids that every ingest reported, and what all said on stderr."""
    reports, said = [], ""
    for process in processes:
        out, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, err[-3000:]
        reports += [json.loads(line) for line in out.splitlines()]
        said += err
    return reports, said


def whole_runs(client: MlflowClient) -> int:
    """How many results are in the server."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.stage != 'study'", max_results=1000)
    return sum("result_digest" in run.data.tags for run in runs)


def assert_each_result_has_one_run(client: MlflowClient, study: Study) -> set[str]:
    """Looks at every run of the study's experiment, whole or not; the ids of those that hold a result."""
    name = study.settings.study
    runs = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    assert Counter(run.info.run_name for run in runs) == dict.fromkeys(
        (f"study {name}", "questions/one seed 0", "models/small seed 0", "policies/base seed 0"), 1
    )
    (parent,) = (run for run in runs if run.info.run_name == f"study {name}")
    children = [run for run in runs if run is not parent]
    for run in children:
        stage, node = run.data.tags["stage"], run.data.tags["node"]
        result = read_result(study, stage, node, 0)
        assert run.data.tags["result_digest"] == result.digest
        assert run.data.params == result.params
        assert run.data.metrics == {key: value for key, value, _ in result.numbers}
        assert run.data.tags["git"] == name and run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert [file.path for file in client.list_artifacts(children[0].info.run_id)] == ["metrics.json"]
    return {run.info.run_id for run in children}


def test_64_ingests_at_once_through_a_restart_leave_every_run_exactly_once(server, tmp_path):
    studies = [make_study(tmp_path, f"study-{number}") for number in range(STUDIES)]
    client = MlflowClient(tracking_uri=server.uri)
    running = start_ingests(server.uri, studies, PROCESSES)
    until = time.monotonic() + SECONDS
    while whole_runs(client) < STUDIES // 2:
        assert time.monotonic() < until and all(process.poll() is None for process in running)
        time.sleep(1)
    server.kill()
    time.sleep(2)
    server.start()
    reports, said = ended(running)
    assert "does not answer" in said  # the restart was felt
    assert len(reports) == STUDIES
    found = [assert_each_result_has_one_run(client, study) for study in studies]
    assert sorted(map(sorted, found)) == sorted(sorted(report.values()) for report in reports)


def test_several_ingests_of_one_study_at_once_leave_every_run_exactly_once(server, tmp_path):
    study = make_study(tmp_path, "shared")
    client = MlflowClient(tracking_uri=server.uri)
    reports, _ = ended(start_ingests(server.uri, [study] * 8, 2))
    assert len(reports) == 8
    found = assert_each_result_has_one_run(client, study)
    again = ingest(study, server.uri, tmp_path)
    assert (again.created, again.unchanged, again.superseded) == (0, 3, 0) and set(again.runs.values()) == found


def test_no_credential_is_written_anywhere(server, tmp_path, root):
    """A whole run through Snakemake with credentials in the environment, then a look into everything it wrote."""
    secret = "planted-9d1c7e"
    project = tmp_path / "project"
    project.mkdir()
    for name in ("Snakefile", "workflow", "config", "profiles", "src"):
        (project / name).symlink_to(root / name)
    study = {
        "study": "secretive",
        "tracking": server.uri,
        "questions": {"one": {"source": "generated", "sets": ["qqa"], "splits": {"sft": 9}}},
    }
    (project / "study.yaml").write_text(yaml.safe_dump(study))
    credentials = {"MLFLOW_TRACKING_USERNAME": "reader"}
    credentials |= dict.fromkeys(("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "HF_TOKEN"), secret)
    command = [str(Path(sys.executable).parent / "snakemake"), "--nolock", "--profile", "profiles/local"]
    done = subprocess.run(
        [*command, "--configfile", "study.yaml"],
        cwd=project, env=os.environ | credentials, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    files = [*project.rglob("*"), *server.folder.rglob("*")]  # the links to the project's own files are not followed
    written = {path: path.read_bytes() for path in files if path.is_file() and not path.is_symlink()}
    written |= {"database": server.database.dump(), "said": (done.stdout + done.stderr).encode()}
    forms = (secret.encode(), b64encode(f"reader:{secret}".encode()))
    assert not [place for place, content in written.items() if any(form in content for form in forms)]
    # The same look finds what must be there.
    holders = {str(place) for place, content in written.items() if b"secretive" in content}
    assert {"database", str(project / "results/secretive/questions/one/metrics.json")} <= holders
    assert any(".snakemake" in place for place in holders) and any("/server" in place for place in holders)
