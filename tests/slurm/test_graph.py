"""The quickstart's graph through the Slurm profile, with GPUs asked for and granted."""

import itertools
import json
import threading

import pytest
from jobs import GPU, started

from graph import planned, run, same_tables

WITH_GPU = {
    "policies_sft", "policies_dpo", "policies_ppo", "policies_pretrain", "prms", "trajectories_shard", "labels_shard",
    "evaluations_sampled", "scores", "reference",
}  # fmt: skip


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """The results, every start of every job, and for every look at the machine the GPUs of the jobs then at work."""
    looks: list[dict[str, list[str]]] = []
    over = threading.Event()
    with started(tmp_path_factory.mktemp("graph"), GPU) as run_on_cluster:

        def watch() -> None:
            while not over.wait(0.5):
                looks.append({process.job: process.devices for process in run_on_cluster.working()})

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            run_on_cluster.finish()
        finally:
            over.set()
            watcher.join()
        return run_on_cluster.results, run_on_cluster.starts(), looks


def rule_of(start: dict[str, str]) -> str:
    """The rule that a job's comment names."""
    return start["Comment"].removeprefix("rule_").split("_wildcards_")[0]


def test_table_is_that_of_the_local_run_byte_for_byte(graph, finished):
    results, _, _ = graph
    same_tables(results, finished)


def test_every_job_that_loads_a_model_was_granted_one_gpu_of_the_model_asked_for_and_no_other_job_was(graph):
    _, starts, _ = graph
    granted = {(rule_of(start), "gres/gpu:a100=1" in start["AllocTRES"].split(",")) for start in starts}
    assert {rule for rule, gpu in granted if gpu} == WITH_GPU
    assert {rule for rule, gpu in granted if not gpu} >= {
        "questions",
        "models",
        "trajectories_sampled",
        "rewards",
        "pairs",
    }
    assert not {rule for rule, gpu in granted if not gpu} & WITH_GPU


def test_jobs_that_ran_at_once_saw_different_gpus(graph):
    _, _, looks = graph
    pairs = [pair for look in looks for pair in itertools.combinations(filter(None, look.values()), 2)]
    assert pairs, "no two GPU jobs were at work at once"
    for one, other in pairs:
        assert not set(one) & set(other)


def test_sampling_and_labelling_ran_as_one_job_a_shard(graph):
    _, starts, _ = graph
    for rule in ("trajectories_shard", "labels_shard"):
        assert len([start for start in starts if rule_of(start) == rule]) == 2


def test_every_result_names_the_job_that_made_it(graph):
    results, starts, _ = graph
    numbers = {start["JobIDRaw"] for start in starts}
    for path in (results / "quickstart").glob("policies/*/seed0/metrics.json"):
        assert json.loads(path.read_text())["slurm_job"] in numbers


def test_a_second_run_has_nothing_to_do(graph):
    results, _, _ = graph
    assert planned(run(results, GPU, "--dry-run", profile="slurm")) == {}
