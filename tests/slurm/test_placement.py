"""Where jobs go: ranks on one node and on two, partitions chosen by what a job asks for."""

import json
from pathlib import Path

import pytest
import yaml
from jobs import GPU, copy_nodes, started

from graph import planned
from graph import run as run_graph

PROCESSES = {"optimisation": {"processes": 2}}
POLICIES = dict.fromkeys(("pretrain", "sft", "dpo"), PROCESSES)
SFT = Path("quickstart/policies/sft/seed0")


@pytest.mark.parametrize(
    ("train", "granted"),
    [({"gpu": 2}, ("gres/gpu=2", "node=1")), ({"gpu": 1, "nodes": 2}, ("gres/gpu=2", "node=2"))],
    ids=["one node", "two nodes"],
)
def test_two_ranks_train_as_one_rank_does(finished, tmp_path, train, granted):
    copy_nodes(finished, tmp_path / "results", "questions", "models", "policies/base")
    file = tmp_path / "ranks.yaml"
    override = {"policies": POLICIES, "prms": {"per_step": PROCESSES}}
    file.write_text(yaml.safe_dump({"scale": {"override": override, "resources": {"train": train}}}))
    target = str(tmp_path / "results" / SFT / "metrics.json")
    with started(tmp_path, [*GPU, file], target) as run:
        run.finish()
        starts = run.all_starts()
    assert len(starts) == 1, (starts, run.said()[-6000:])
    # Other resources are another way to make the same result.
    resources = tmp_path / "resources.yaml"
    resources.write_text(yaml.safe_dump({"scale": {"resources": {"train": {**train, "threads": 2}}}}))
    assert planned(run_graph(run.results, [*GPU, file, resources], target, "--dry-run", profile="slurm")) == {}
    assert set(granted) <= set(starts[0]["AllocTRES"].split(","))
    made = json.loads((run.results / SFT / "metrics.json").read_text())
    assert made["job"]["spec"]["optimisation"]["processes"] == 2
    ours, theirs = (
        [json.loads(line)["loss"] for line in (results / SFT / "history.jsonl").read_text().splitlines()]
        for results in (run.results, finished)
    )
    assert len(ours) == len(theirs)
    assert ours[:5] == pytest.approx(theirs[:5], rel=1e-3)  # rounding, before 120 steps make it grow
    assert ours[-1] == pytest.approx(theirs[-1], rel=0.1)


def test_partition_file_sends_jobs_without_a_gpu_to_the_partition_without(tmp_path):
    target = tmp_path / "results/quickstart/policies/base/seed0/metrics.json"
    options = ["--slurm-partition-config", "profiles/slurm/partitions.yaml"]
    with started(tmp_path, GPU, str(target), *options, "--default-resources", "slurm_account=default") as run:
        run.finish()
        starts = run.all_starts()
    partitions = {start["Comment"].split("_wildcards_")[0]: start["Partition"] for start in starts}
    assert partitions == {"rule_models": "cpu", "rule_policies_pretrain": "gpu"}
