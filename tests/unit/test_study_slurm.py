"""What Slurm would be asked for: every job of a dry-run with the Slurm profile, and the line that submits it."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import get_args

import pytest
from study_files import write

from stepladder.study.load import Sources
from stepladder.study.resources import request, torchrun_on_one_node
from stepladder.study.settings import Scale, Work

MULTI_NODE = {
    "scale": {
        "override": {"policies": {"ppo": {"optimisation": {"processes": 8}}}},
        "resources": {"reinforce": {"nodes": 2}},
    }
}
JOB = re.compile(r"^rule (?P<rule>\w+):\n(?P<body>(?: {4}.*\n)+)(?P<shell>(?:[^\n]+\n)*)", re.MULTILINE)


class _Resources(dict):
    """Resources as the executor reads them: by key and as attributes."""

    __getattr__ = dict.__getitem__


def _jobs(root, folder, *overlays: str) -> list[SimpleNamespace]:
    """Every job of a dry-run of the quickstart at 7B on Slurm: its rule, threads, resources and shell command."""
    snakefile = (root / "Snakefile").read_text(encoding="utf-8")
    files = ["config/config.yaml", "config/scale/7b.yaml", *overlays]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--printshellcmds", "--nolock"]
    command += [
        "--cores",
        "64",
        "--profile",
        "profiles/slurm",
        "--configfile",
        *files,
        "--config",
        f"results={folder / 'results'}",
    ]
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    local = set(re.findall(r"\w+", re.search(r"^localrules:((?:\n    \w+,)+)", snakefile, re.MULTILINE)[1]))
    jobs = []
    for found in JOB.finditer(done.stdout):
        said = dict(re.findall(r"^ {4}(\w+): (.*)$", found["body"], re.MULTILINE))
        pairs = re.findall(r"(\w+)=([^,]*)(?:, |$)", said.get("resources", ""))
        resources = _Resources({name: int(value) if value.isdecimal() else value for name, value in pairs})
        threads = int(said.get("threads", "1"))
        jobs.append(
            SimpleNamespace(
                rule=found["rule"], local=found["rule"] in local, threads=threads, resources=resources,
                wildcards=said.get("wildcards", ""), shell=found["shell"],
            )
        )  # fmt: skip
    return jobs


@pytest.fixture(scope="module")
def jobs(root, tmp_path_factory) -> list[SimpleNamespace]:
    return _jobs(root, tmp_path_factory.mktemp("slurm"))


@pytest.fixture(scope="module")
def on_two_nodes(root, tmp_path_factory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("nodes")
    jobs = _jobs(root, folder, str(write(folder / "nodes.yaml", MULTI_NODE)))
    return next(job for job in jobs if job.rule == "policies_ppo")


def test_every_job_says_what_it_needs(jobs):
    remote = [job for job in jobs if not job.local]
    assert {"track", "all"} <= {job.rule for job in jobs if job.local}
    assert len({job.rule for job in remote}) >= 17
    for job in remote:
        assert job.threads >= 2, job.rule
        assert job.resources["mem_mb"] >= 8000, job.rule
        assert job.resources["runtime"] >= 60, job.rule


def test_jobs_that_load_a_model_ask_for_gpus_of_the_scales_kind_and_the_others_for_none(jobs):
    light = {
        "questions", "models", "policies_pretrain", "trajectories_sampled", "labels_monte_carlo", "rewards", "pairs",
        "tables_answers",
    }  # fmt: skip
    gpus = {"policies_sft": 4, "policies_dpo": 4, "policies_ppo": 4, "prms": 4}
    for job in jobs:
        if job.local:
            continue
        if job.rule in light:
            assert "gpu" not in job.resources and "gpu_model" not in job.resources, job.rule
        else:
            assert job.resources["gpu"] == gpus.get(job.rule, 1), job.rule
            assert job.resources["gpu_model"] == "h200", job.rule
            assert job.resources["tasks_per_gpu"] == 0, job.rule
            assert job.resources["mem_mb"] > 50000, job.rule


def test_long_jobs_get_a_time_budget_inside_their_runtime(jobs):
    timed = {job.rule for job in jobs if "--max-seconds" in job.shell}
    assert timed == {
        "policies_pretrain", "policies_sft", "policies_dpo", "policies_ppo", "prms", "trajectories_shard",
        "labels_shard", "evaluations_sampled", "scores", "reference",
    }  # fmt: skip
    for job in jobs:
        if job.rule in timed:
            seconds = int(re.search(r"--max-seconds (\d+)", job.shell)[1])
            assert 0.8 * 60 * job.resources["runtime"] < seconds < 60 * job.resources["runtime"], job.rule
            assert re.search(r"--checkpoint \S+/checkpoints/\S+", job.shell), job.rule


def test_ranks_are_started_by_torchrun_on_one_node(jobs):
    for job in jobs:
        if job.rule in ("policies_sft", "policies_dpo", "policies_ppo", "prms"):
            assert f"OMP_NUM_THREADS=8 {' '.join(torchrun_on_one_node(4))} workflow/scripts/" in job.shell
            assert "nodes" not in job.resources and "mpi" not in job.resources


def test_ranks_on_two_nodes_are_started_by_srun_in_one_job(on_two_nodes):
    asked = on_two_nodes.resources
    assert {name: asked[name] for name in ("gpu", "gpu_model", "nodes", "tasks", "mpi", "gres", "tasks_per_gpu")} == {
        "gpu": 8, "gpu_model": "h200", "nodes": 2, "tasks": 2, "mpi": "srun", "gres": "gpu:h200:4", "tasks_per_gpu": 0,
    }  # fmt: skip
    assert "srun --nodes=2 --ntasks-per-node=1 --cpus-per-task=32 --kill-on-bad-exit=1 torchrun" in on_two_nodes.shell
    assert "--rdzv-endpoint=$(hostname):$((20000 + SLURM_JOB_ID % 20000)) workflow/scripts/ppo.py" in on_two_nodes.shell


def _submitted(job: SimpleNamespace) -> str:
    submit = pytest.importorskip("snakemake_executor_plugin_slurm.submit_string", reason="needs the extra 'slurm'")
    utils = pytest.importorskip("snakemake_executor_plugin_slurm.utils")
    words = dict.fromkeys(("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir"), "x")
    settings = SimpleNamespace(requeue=False, no_requeue=False, qos=None, reservation=None)
    return submit.get_submit_command(job, words, settings) + utils.set_gres_string(job)


def test_the_executor_asks_slurm_for_one_task_on_one_node(jobs):
    line = _submitted(next(job for job in jobs if job.rule == "policies_ppo"))
    assert line.endswith("--gpus=h200:4")
    assert "--cpus-per-task=32" in line
    assert not re.search(r"--ntasks|--nodes|--gres", line)


def test_the_executor_asks_slurm_for_one_task_on_each_of_two_nodes(on_two_nodes):
    line = _submitted(on_two_nodes)
    assert line.endswith("--gres=gpu:h200:4 --gpus=h200:8")
    assert "--nodes=2" in line and "--ntasks=2" in line and "--cpus-per-task=32" in line
    assert "--ntasks-per-gpu" not in line


def test_the_partition_file_has_a_place_for_the_most_that_any_shipped_scale_asks_for(root):
    partitions = pytest.importorskip("snakemake_executor_plugin_slurm.partitions", reason="needs the extra 'slurm'")
    offered = partitions.read_partition_file(root / "profiles/slurm/partitions.yaml")
    for file in sorted((root / "config/scale").glob("*.yaml")):
        scale = Scale(**Sources([file]).merged()["scale"])
        for work in get_args(Work):
            most = _Resources(request(work, scale, billions=1000.0, attempt=1))  # retries are bounded as size is
            job = SimpleNamespace(threads=most["threads"], resources=most)
            fitting = {each.name for each in offered if each.score_job_fit(job) is not None}
            assert ("gpu" if "gpu" in most else "cpu") in fitting, (file.name, work, most)
