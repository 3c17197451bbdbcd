"""The graph of a study: every input is another node's output, every job has a folder of its own."""

import json
from itertools import chain
from pathlib import Path

import pytest
from study_files import SMALL, edited, put, study_from, study_of, write

from stepladder.study.faults import StudyFaults
from stepladder.study.graph import ARTEFACTS, Study
from stepladder.study.specs import SEEDLESS_STAGES, STAGES


@pytest.fixture(scope="module")
def quickstart(root) -> Study:
    return study_of(root / "config" / "config.yaml")


@pytest.fixture(scope="module")
def three_seeds(root, tmp_path_factory) -> Study:
    overlay = write(tmp_path_factory.mktemp("study") / "seeds.yaml", "seeds: 3\n")
    return study_of(root / "config" / "config.yaml", overlay)


def _seeds(study: Study, stage: str) -> tuple[int, ...]:
    return (0,) if stage in SEEDLESS_STAGES else study.settings.seeds


def _paths(study: Study, stage: str, name: str, seed: int) -> list[str]:
    values = study.inputs(stage, name, seed).values()
    return list(chain.from_iterable([value] if isinstance(value, str) else value for value in values))


def _owner(study: Study, path: str) -> tuple[str, str, int] | None:
    """Stage, name and seed of the job that writes a path, where it is a file that other nodes may read."""
    for stage, name in study.nodes:
        for seed in _seeds(study, stage):
            if path == study.artefact(stage, name, seed):
                return stage, name, seed
            if path == f"{study.folder(stage, name, seed)}/metrics.json":
                return stage, name, seed
            if stage == "pairs" and path == f"{study.folder(stage, name, seed)}/reference.parquet":
                return stage, name, seed
    return None


def _above(study: Study, stage: str, name: str) -> set[tuple[str, str]]:
    """The nodes that a node is made from, through any number of others."""
    direct = {(s, n) for _, s, n in study.nodes[stage, name].references}
    return direct.union(*(_above(study, *key) for key in direct))


def test_every_stage_has_an_artefact_and_a_place_in_the_quickstart(quickstart):
    shown = {stage for stage, _ in quickstart.nodes}
    elsewhere = {"rollouts", "audits"}  # in studies of credit, and of published questions
    assert set(ARTEFACTS) == set(STAGES) == shown | elsewhere


def test_every_input_is_the_output_of_a_node_above_with_the_same_seed(three_seeds):
    for stage, name in three_seeds.nodes:
        for seed in _seeds(three_seeds, stage):
            for path in _paths(three_seeds, stage, name, seed):
                if path.startswith("config/reported/"):
                    continue
                its_stage, its_name, its_seed = _owner(three_seeds, path)
                assert (its_stage, its_name) in _above(three_seeds, stage, name)
                assert its_stage in SEEDLESS_STAGES or stage in SEEDLESS_STAGES or its_seed == seed


def test_every_reference_is_read_directly_or_through_what_is_read(quickstart):
    for (stage, name), node in quickstart.nodes.items():
        read = {_owner(quickstart, path)[:2] for path in _paths(quickstart, stage, name, 0)}
        named = {(s, n) for _, s, n in node.references}
        # Rewards are a function to PPO, the reference policy of pairs is read by the rule that scores them, and a
        # table finds the PRMs' scores among an evaluation's answers.
        elsewhere = {("policies", "rewards"), ("pairs", "policies"), ("tables", "prms")}
        indirect = {(s, n) for s, n in named if (stage, s) in elsewhere}
        assert named - indirect <= read, (stage, name)


def test_folders_are_unique_and_lie_under_the_study(three_seeds):
    folders = [three_seeds.folder(s, n, seed) for s, n in three_seeds.nodes for seed in _seeds(three_seeds, s)]
    assert len(folders) == len(set(folders)) == len(three_seeds.metrics_files())
    assert all(folder.startswith("results/quickstart/") for folder in folders)
    assert not any(a != b and Path(b) in Path(a).parents for a in folders for b in folders)


def test_checkpoints_lie_outside_outputs_and_are_unique(three_seeds):
    folders = {three_seeds.folder(s, n, seed) for s, n in three_seeds.nodes for seed in _seeds(three_seeds, s)}
    places = [three_seeds.checkpoint(s, n, seed) for s, n in three_seeds.nodes for seed in three_seeds.settings.seeds]
    assert len(set(places)) == len(places)
    assert not any(place.startswith(f"{folder}/") for place in places for folder in folders)


def test_seeds_are_expanded_everywhere_but_in_questions_and_tables(three_seeds):
    assert three_seeds.settings.seeds == (0, 1, 2)
    assert three_seeds.folder("policies", "sft", 2) == "results/quickstart/policies/sft/seed2"
    assert three_seeds.folder("questions", "six", 2) == "results/quickstart/questions/six"
    (table,) = three_seeds.names("tables")
    answers = three_seeds.inputs("tables", table, 0)["answers"]
    rows = three_seeds.spec("tables", table).rows
    assert len(answers) == len(set(answers)) == 3 * len({row.evaluation for row in rows})


def test_inputs_of_the_small_study():
    study = study_from(edited())
    root = "results/small"
    assert study.inputs("questions", "six", 0) == study.inputs("models", "tiny", 0) == {"files": []}
    assert study.inputs("policies", "base", 1) == {"start": f"{root}/models/tiny/seed1/checkpoint"}
    assert study.inputs("policies", "sft", 1) == {
        "start": f"{root}/policies/base/seed1/checkpoint",
        "questions": f"{root}/questions/six/questions.parquet",
    }
    assert study.inputs("policies", "dpo", 1) == {
        "start": f"{root}/policies/sft/seed1/checkpoint",
        "pairs": [f"{root}/pairs/outcome/seed1/pairs.parquet"],
        "reference": [f"{root}/pairs/outcome/seed1/reference.parquet"],
    }
    assert study.inputs("policies", "ppo", 1) == {
        "start": f"{root}/policies/sft/seed1/checkpoint",
        "questions": f"{root}/questions/six/questions.parquet",
        "prm": f"{root}/prms/bce/seed1/checkpoint",
    }
    assert study.inputs("evaluations", "sft", 0)["prms"] == [f"{root}/prms/bce/seed0/checkpoint"]
    assert study.reference_policy("outcome", 1) == f"{root}/policies/sft/seed1/checkpoint"


def test_what_policies_without_a_prm_read():
    outcome = {"method": "ppo", "from": "sft", "questions": "six", "split": "rl", "credit": {"kind": "rollouts"}}
    own = {"method": "restem", "from": "sft", "trajectories": "samples"}
    study = study_from(edited(put("policies.outcome", outcome), put("policies.own", own)))
    root = "results/small"
    start = {"start": f"{root}/policies/sft/seed1/checkpoint"}
    assert study.inputs("policies", "outcome", 1) == {
        **start,
        "questions": f"{root}/questions/six/questions.parquet",
        "prm": [],
    }
    assert ("rewards", "wrs") not in study.nodes["policies", "outcome"].above
    assert "rewards" not in json.loads(study.job("policies", "outcome"))
    assert "rewards" in json.loads(study.job("policies", "ppo"))
    assert study.inputs("policies", "own", 1) == {
        **start,
        "trajectories": f"{root}/trajectories/samples/seed1/trajectories.parquet",
    }


def test_names_of_one_method():
    study = study_from(edited())
    assert study.names("policies") == ["base", "sft", "dpo", "ppo"]
    assert study.names("policies", "ppo") == ["ppo"]
    assert study.names("prms") == ["bce", "rank"]


def test_launcher_counts_ranks():
    study = study_from(edited(put("policies.dpo.optimisation", {"processes": 4})))
    assert study.launcher("policies", "sft") == "python"
    assert "nproc-per-node=4" in study.launcher("policies", "dpo")


def test_references_name_the_key_that_holds_them():
    study = study_from(edited())
    assert set(study.nodes["policies", "dpo"].references) == {
        (("from",), "policies", "sft"),
        (("pairs", "0"), "pairs", "outcome"),
    }
    assert (("rows", "1", "prm"), "prms", "bce") in study.nodes["tables", "main"].references


def test_circles_that_share_no_node_are_told_one_by_one(tmp_path):
    two = edited(put("policies.sft.from", "dpo"), put("scores.samples.prm", "more"))
    two["prms"]["more"] = {"head": "per_step", "labels": "more", "backbone": "base"}
    two["labels"]["more"] = {"method": "monte_carlo", "trajectories": "more", "policy": "base"}
    two["trajectories"]["more"] = {"method": "sampled", "policy": "loop", "questions": "six", "split": "rl"}
    two["policies"]["loop"] = {"method": "ppo", "from": "base", "questions": "six", "split": "rl", "rewards": "more"}
    two["rewards"]["more"] = {"scores": "more"}
    two["scores"]["more"] = {"prm": "more", "trajectories": "more"}
    with pytest.raises(StudyFaults) as caught:
        study_of(write(tmp_path / "study.yaml", two))
    assert len(caught.value.lines) == 2
    assert sum("policies.sft" in line for line in caught.value.lines) == 1
    assert sum("policies.loop" in line for line in caught.value.lines) == 1


def test_small_study_reads_as_it_is_written(tmp_path):
    assert study_of(write(tmp_path / "study.yaml", SMALL)).nodes.keys() == study_from(edited()).nodes.keys()
