"""What jobs ask for: by kind of work, by the size of the model they load, by attempt; and how trainings start."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from study_files import edited, put, study_from

from stepladder.study.faults import StudyFaults
from stepladder.study.resources import REQUESTED, launcher, request, work_seconds
from stepladder.study.settings import Resources, Scale
from stepladder.study.sizes import weights_of
from stepladder.study.specs.models import HubModel, NewModel

TRAIN = {"threads": 16, "mem_mb": 1000, "mem_mb_per_billion": 100, "runtime": 20, "runtime_per_billion": 10, "gpu": 2}
BIG = {"source": "hub", "repository": "a/big", "parameters": 30e9}


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
@pytest.mark.parametrize("sizes", [{}, {"layers": 5, "heads": 8, "kv_heads": 4, "head_size": 64, "vocab_size": 900}])
def test_a_new_model_has_as_many_weights_as_are_counted(architecture, sizes):
    from stepladder.policies.checkpoints import new_model

    spec = NewModel(source="new", architecture=architecture, **sizes)
    with torch.device("meta"):
        model = new_model(spec, spec.vocab_size, 0, 1, 2)
    assert weights_of(spec) == sum(weights.numel() for weights in model.parameters())


def test_other_models_have_as_many_as_are_declared_and_the_number_changes_no_job():
    declared = {"source": "hub", "repository": "a/b"}
    assert weights_of(HubModel(**declared)) == 7e9
    assert weights_of(HubModel(**declared, parameters=5e8)) == 5e8
    small, large = (study_from(edited(put("models.tiny", {**declared, "parameters": size}))) for size in (5e8, 7e10))
    assert all(small.job(*key) == large.job(*key) for key in small.nodes)
    assert all(small.lineage(*key) == large.lineage(*key) for key in small.nodes)


def test_a_job_asks_for_the_largest_model_that_it_loads():
    """The PRM `rank` stands on a large policy; who reads its rows only, or no model at all, asks for no more."""
    study = study_from(
        edited(
            put("models.big", BIG),
            put("models.tiny", {"source": "hub", "repository": "a/small", "parameters": 1e9}),
            put("policies.large", {"method": "pretrain", "model": "big"}),
            put("prms.rank.backbone", "large"),
            put("scores.samples.prm", "rank"),
            put("evaluations.sft.prms", ["bce", "rank"]),
            put("tables.main.rows.1.prm", "rank"),
            put("scale.resources", dict.fromkeys(("light", "score"), TRAIN | {"gpu": 0})),
        )
    )
    billions = {
        key: (study.request("score", *key)["mem_mb"] - 1000) / 100
        for key in study.nodes
        if key[0] not in ("questions", "rewards", "tables")
    }
    large = {key for key, size in billions.items() if size == 30}
    assert large == {
        ("models", "big"),
        ("policies", "large"),
        ("policies", "ppo"),
        ("prms", "rank"),
        ("scores", "samples"),
        ("evaluations", "sft"),
    }
    assert {size for key, size in billions.items() if key not in large} == {1}
    assert study.request("light", "rewards", "wrs")["mem_mb"] == 1000
    assert study.request("score", "pairs", "outcome")["mem_mb"] == 1100


def test_memory_and_time_grow_with_the_model_and_the_attempt_up_to_what_the_cluster_grants():
    scale = Scale(resources={"train": TRAIN}, max_mem_mb=4000, max_runtime=100)
    grown = [request("train", scale, billions=7.0, attempt=attempt) for attempt in (1, 2, 3)]
    assert [(each["mem_mb"], each["runtime"]) for each in grown] == [(1700, 90), (3400, 100), (4000, 100)]
    assert [each["threads"] for each in grown] == [16, 16, 16]
    unbound = request("train", Scale(resources={"train": TRAIN}), billions=0.5, attempt=3)
    assert (unbound["mem_mb"], unbound["runtime"]) == (3150, 75)


@pytest.mark.parametrize(
    ("resources", "model", "expected"),
    [
        ({}, "h100", {}),
        ({"gpu": 4}, "h100", {"gpu": 4, "gpu_model": "h100", "tasks_per_gpu": 0}),
        ({"gpu": 1}, None, {"gpu": 1, "tasks_per_gpu": 0}),
        (
            {"gpu": 4, "nodes": 2},
            "h100",
            {
                "gpu": 8,
                "gpu_model": "h100",
                "tasks_per_gpu": 0,
                "nodes": 2,
                "tasks": 2,
                "mpi": "srun",
                "gres": "gpu:h100:4",
            },
        ),
        (
            {"gpu": 2, "nodes": 3},
            None,
            {"gpu": 6, "tasks_per_gpu": 0, "nodes": 3, "tasks": 3, "mpi": "srun", "gres": "gpu:2"},
        ),
        ({"nodes": 2}, None, {"nodes": 2, "tasks": 2, "mpi": "srun"}),
    ],
)
def test_gpus_and_nodes_are_asked_for_only_where_the_scale_gives_them(resources, model, expected):
    asked = request("train", Scale(resources={"train": resources}, gpu_model=model), billions=0.0, attempt=1)
    always = {"threads": 1, "mem_mb": 2000, "runtime": 60}
    assert dict(asked) == always | expected
    assert set(asked) <= set(REQUESTED)


def test_a_training_of_no_steps_asks_for_light_work():
    study = study_from(
        edited(
            put("scale.resources", {"train": {"threads": 8, "gpu": 1}, "light": {"threads": 2}}),
            put("policies.base.optimisation", {"steps": 0, "processes": 4}),
            put("policies.sft.optimisation.processes", 1),
        )
    )
    assert study.request("train", "policies", "base")["threads"] == 2
    assert "gpu" not in study.request("train", "policies", "base")
    assert study.launcher("policies", "base") == "python"
    assert study.request("train", "policies", "sft")["gpu"] == 1


def test_ranks_start_by_torchrun_and_share_the_cores():
    assert launcher(Resources(threads=8), 1) == "python"
    assert launcher(Resources(threads=8), 4) == (
        "OMP_NUM_THREADS=2 TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 torchrun --nnodes=1 --nproc-per-node=4"
        " --rdzv-backend=c10d --rdzv-conf=store_type=file"
    )
    assert launcher(Resources(threads=1), 2).startswith("OMP_NUM_THREADS=1 ")


def test_ranks_of_several_nodes_meet_on_the_first_at_a_port_of_their_job():
    words = launcher(Resources(threads=32, gpu=4, nodes=2), 8).split(" ")
    assert words[:6] == [
        "OMP_NUM_THREADS=8", "srun", "--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=32", "--kill-on-bad-exit=1",
    ]  # fmt: skip
    assert words[6:10] == ["torchrun", "--nnodes=2", "--nproc-per-node=4", "--rdzv-backend=c10d"]
    assert (
        " ".join(words[10:]) == "--rdzv-id=$SLURM_JOB_ID --rdzv-endpoint=$(hostname):$((20000 + SLURM_JOB_ID % 20000))"
    )


def test_each_kind_of_training_starts_with_the_resources_of_its_work():
    four, two = {"optimisation": {"processes": 4}}, {"optimisation": {"processes": 2}}
    study = study_from(
        edited(
            put(
                "scale.override",
                {"policies": dict.fromkeys(("pretrain", "sft", "dpo"), two) | {"ppo": four}, "prms": {"per_step": two}},
            ),
            put("scale.resources", {"train": {"gpu": 2, "threads": 2}, "reinforce": {"gpu": 2, "nodes": 2}}),
        )
    )
    assert study.launcher("policies", "dpo") == launcher(Resources(threads=2), 2)
    assert study.launcher("prms", "bce") == study.launcher("policies", "dpo")
    assert "--nnodes=2 --nproc-per-node=2" in study.launcher("policies", "ppo")


@pytest.mark.parametrize(("minutes", "margin"), [(1, 30), (5, 30), (10, 60), (60, 360), (1440, 900)])
def test_the_margin_is_a_tenth_within_bounds(minutes, margin):
    assert work_seconds(minutes) == 60 * minutes - margin


@given(st.integers(1, 100000))
def test_there_is_always_time_for_work_and_always_a_margin(minutes):
    seconds = work_seconds(minutes)
    assert minutes * 60 / 2 <= seconds <= minutes * 60 - 30
    assert work_seconds(minutes + 1) > seconds


FOUR = {"processes": 4}
FAULTS = [
    (
        [
            put("scale.resources", {"train": {"gpu": 4}}),
            put("scale.override.policies", {key: {"optimisation": FOUR} for key in ("pretrain", "sft", "dpo")}),
            put("prms.bce.optimisation", FOUR),
        ],
        "scale.resources.train.gpu: a job gets 4 GPUs, and other numbers of ranks start in prms.rank (1); "
        "give them optimisation.processes: 4, by scale.override for a whole stage",
    ),
    (
        [put("scale.resources", {"reinforce": {"gpu": 4, "nodes": 2}}), put("policies.ppo.optimisation", FOUR)],
        "scale.resources.reinforce.gpu: a job gets 8 GPUs (4 on each of 2 nodes), and other numbers of ranks start in "
        "policies.ppo (4); give them optimisation.processes: 8, by scale.override for a whole stage",
    ),
    (
        [put("scale.resources", {"reinforce": {"nodes": 2}}), put("policies.ppo.optimisation", {"processes": 3})],
        "scale.resources.reinforce.nodes: ranks cannot be shared evenly by 2 nodes in policies.ppo (3); "
        "give them a multiple in optimisation.processes",
    ),
    (
        [put("scale", {"tensor_parallel": 2, "resources": {"sample": {"gpu": 1}}})],
        "scale.resources.sample.gpu: a sampling job gets 1 GPUs, and its engine takes tensor_parallel: 2; "
        "make them the same (more engines side by side: shards)",
    ),
    (
        [put("scale.resources", {"score": {"gpu": 2}})],
        "scale.resources.score.gpu: one model scores on one GPU, and this asks for 2",
    ),
    (
        [put("scale.resources", {"sample": {"nodes": 2}})],
        "scale.resources.sample.nodes: only train and reinforce start on several nodes; sample on one",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "said"), FAULTS)
def test_a_launch_that_does_not_fit_is_one_line(edits, said):
    with pytest.raises(StudyFaults) as caught:
        study_from(edited(*edits))
    assert caught.value.lines == [f"--config: {said}"]


def test_a_launch_that_fits_is_no_fault():
    study_from(edited(put("scale", {"tensor_parallel": 2, "resources": {"sample": {"gpu": 2}, "score": {"gpu": 1}}})))
    study_from(edited(put("scale.resources", {"train": {"gpu": 1}, "reinforce": {"gpu": 1}})))
    study_from(edited(put("policies.ppo.optimisation", {"processes": 2})))
