"""Overlays: later files win, a scale changes specs and never the graph, null removes keys, faults name their file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_files import SMALL, edited, put, small, study_from, study_of, write

from stepladder.study.faults import StudyFaults
from stepladder.study.graph import build
from stepladder.study.load import Sources, overlay, read_study, study_text, without_nulls

LEAVES = st.integers() | st.none() | st.lists(st.integers(), max_size=2)
MAPPINGS = st.recursive(
    st.dictionaries(st.sampled_from("abcd"), LEAVES, min_size=1, max_size=4),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner | LEAVES, min_size=1, max_size=4),
    max_leaves=10,
)


def _leaves(value, at=()):
    """Location and value of everything in a mapping that is no mapping itself."""
    if not isinstance(value, dict):
        return {at: value}
    return {key: item for name, inner in value.items() for key, item in _leaves(inner, (*at, name)).items()}


@given(MAPPINGS, MAPPINGS)
def test_what_lies_above_wins_and_the_rest_stays(below, above):
    copies = overlay({}, below), overlay({}, above)
    merged = _leaves(overlay(below, above))
    assert (below, above) == copies
    assert _leaves(above).items() <= merged.items()
    covered = set(_leaves(above))
    for place, value in _leaves(below).items():
        if not any(place[: len(other)] == other or other[: len(place)] == place for other in covered):
            assert merged[place] == value
    assert set(merged) <= covered | set(_leaves(below))


@given(MAPPINGS, MAPPINGS, MAPPINGS)
def test_nothing_below_and_the_same_above_change_nothing(a, b, c):
    assert overlay({}, a) == overlay(a, {}) == overlay(a, a) == a


@given(MAPPINGS)
def test_without_nulls_keeps_all_else(value):
    assert _leaves(without_nulls(value)) == {key: item for key, item in _leaves(value).items() if item is not None}


def test_later_file_wins(tmp_path):
    base = write(tmp_path / "study.yaml", SMALL)
    first = write(tmp_path / "first.yaml", {"labels": {"rollouts": {"rollouts": 2, "max_tokens": 9}}, "seeds": 3})
    second = write(tmp_path / "second.yaml", {"labels": {"rollouts": {"rollouts": 6}}})
    spec = study_of(base, first, second).spec("labels", "rollouts")
    assert (spec.rollouts, spec.max_tokens, spec.policy) == (6, 9, "sft")
    assert study_of(base, second, first).spec("labels", "rollouts").rollouts == 2
    assert study_of(base, first).settings.seeds == (0, 1, 2)


def _under(override):
    return study_from(edited(put("scale", {"override": override})))


def test_override_reaches_every_node_of_a_stage():
    study = _under({"prms": {"per_step": {"optimisation": {"epochs": 5}, "zeta": 2}}})
    plain = study_from(small())
    for name in ("bce", "rank"):
        spec = study.spec("prms", name)
        assert (spec.optimisation.epochs, spec.zeta) == (5, 2)
        assert spec.loss == plain.spec("prms", name).loss == name
    assert study.spec("policies", "sft") == plain.spec("policies", "sft")


def test_override_of_policies_goes_by_method():
    study = _under({"policies": {"sft": {"optimisation": {"epochs": 9}}, "dpo": {"beta": 0.7}}})
    plain = study_from(small())
    # What the node itself says and the override does not, stays.
    assert study.spec("policies", "sft").optimisation.epochs == 9
    assert study.spec("policies", "sft").optimisation.learning_rate == 1e-3
    assert study.spec("policies", "dpo").beta == 0.7
    for name in ("base", "ppo"):
        assert study.spec("policies", name) == plain.spec("policies", name)


def test_override_replaces_a_model_and_null_removes_its_keys():
    tiny = put("models.tiny", {"source": "new", "hidden_size": 128})
    hub = {"source": "hub", "repository": "GAIR/Abel-7B-002", "hidden_size": None}
    study = study_from(edited(tiny, put("scale.override.models", hub)))
    assert study.spec("models", "tiny").repository == "GAIR/Abel-7B-002"
    with pytest.raises(StudyFaults, match="hidden_size: unknown key"):
        study_from(edited(tiny, put("scale.override.models", hub | {"hidden_size": 64})))


def test_null_in_an_override_restores_the_default():
    node = put("labels.rollouts.rollouts", 16)
    assert study_from(edited(node)).spec("labels", "rollouts").rollouts == 16
    study = study_from(edited(node, put("scale.override.labels.monte_carlo", {"rollouts": None})))
    assert study.spec("labels", "rollouts").rollouts == study_from(small()).spec("labels", "rollouts").rollouts


def test_null_removes_keys_nodes_and_stages(tmp_path):
    base = write(tmp_path / "study.yaml", edited(put("policies.dpo.beta", 0.9)))
    less = {
        "policies": {"ppo": None, "dpo": {"beta": None}},
        "evaluations": {"ppo": None},
        "tables": None,
        "scale": {"gpu_model": None},
    }
    study = study_of(base, write(tmp_path / "less.yaml", less))
    plain = study_of(base)
    gone = {("policies", "ppo"), ("evaluations", "ppo"), ("tables", "main")}
    assert study.nodes.keys() == plain.nodes.keys() - gone
    assert study.spec("policies", "dpo").beta == study_from(small()).spec("policies", "dpo").beta != 0.9


def test_the_graph_is_the_same_at_another_scale(root, tmp_path):
    quickstart = root / "config" / "config.yaml"
    scale = {
        "scale": {
            "name": "large",
            "override": {
                "policies": {"sft": {"optimisation": {"batch_size": 128}}, "ppo": {"iterations": 100}},
                "prms": {"per_step": {"optimisation": {"learning_rate": "1e-6"}}},
                "evaluations": {"sampled": {"max_tokens": 1024}},
                "questions": {"splits": {"test": 500}},
            },
            "resources": {"train": {"gpu": 1}},
        }
    }
    small_scale, large = study_of(quickstart), study_of(quickstart, write(tmp_path / "large.yaml", scale))
    assert large.nodes.keys() == small_scale.nodes.keys()
    for key in large.nodes:
        assert large.nodes[key].references == small_scale.nodes[key].references
        assert large.inputs(*key, 0) == small_scale.inputs(*key, 0)
    changed = {stage for stage, name in large.nodes if large.spec(stage, name) != small_scale.spec(stage, name)}
    assert changed == {"policies", "prms", "evaluations", "questions"}
    assert large.request("train", "policies", "sft")["gpu"] == 1


def _lines(*files):
    with pytest.raises(StudyFaults) as caught:
        study_of(*files)
    return caught.value.lines


def test_a_fault_names_the_file_that_holds_it(tmp_path):
    base = write(tmp_path / "study.yaml", SMALL)
    wrong = write(tmp_path / "wrong.yaml", {"labels": {"rollouts": {"rollouts": -1}}})
    right = write(tmp_path / "right.yaml", {"labels": {"rollouts": {"max_tokens": 9}}})
    assert [line.split(": ")[0] for line in _lines(base, wrong, right)] == [str(wrong)]


def test_a_value_that_two_files_give_stands_in_the_later_one(tmp_path):
    files = [write(tmp_path / name, edited(put("labels.rollouts.rollouts", -1))) for name in ("a.yaml", "b.yaml")]
    assert [line.split(": ")[0] for line in _lines(*files)] == [str(files[1])]


def test_a_missing_key_stands_in_the_file_that_begins_the_node(tmp_path):
    base = write(tmp_path / "study.yaml", edited(put("labels.more", {"method": "monte_carlo", "policy": "sft"})))
    over = write(tmp_path / "over.yaml", {"labels": {"more": {"rollouts": 2}}})
    assert [line.split(": ")[:2] for line in _lines(base, over)] == [[str(base), "labels.more.trajectories"]]


def test_a_fault_in_a_list_names_the_last_file_that_gives_it(tmp_path):
    base = write(tmp_path / "study.yaml", SMALL)
    rows = {"tables": {"main": {"rows": [{"label": "SFT", "evaluation": "sft", "answer": "greedily"}]}}}
    over = write(tmp_path / "over.yaml", rows)
    assert [line.split(": ")[:2] for line in _lines(base, over)] == [[str(over), "tables.main.rows.0.answer"]]


def test_an_override_is_one_fault_in_its_file_for_all_nodes(tmp_path):
    base = write(tmp_path / "study.yaml", SMALL)
    scale = {
        "scale": {"override": {"prms": {"per_step": {"heldout": 1.5}}, "evaluations": {"sampled": {"split": "dev"}}}}
    }
    lines = _lines(base, write(tmp_path / "scale.yaml", scale))
    assert [line.split(": ")[:2] for line in lines] == [
        [f"{tmp_path}/scale.yaml", "scale.override.prms.per_step.heldout"],
        [f"{tmp_path}/scale.yaml", "scale.override.evaluations.sampled.split"],
    ]


def test_a_setting_of_the_command_line_is_named_so(tmp_path):
    sources = Sources([write(tmp_path / "study.yaml", SMALL)])
    with pytest.raises(StudyFaults) as caught:
        build(overlay(sources.merged(), {"sedes": 3, "seeds": [-1], "labels": {"rollouts": {"top_p": 2}}}), sources)
    assert [line.split(": ")[:2] for line in caught.value.lines] == [
        ["--config", "sedes"],
        ["--config", "seeds.0"],
        ["--config", "labels.rollouts.top_p"],
    ]


def test_a_faulty_setting_hides_no_override(tmp_path):
    # The override gives what the node lacks; a fault elsewhere must not make the node look faulty.
    config = edited(put("scale.override.labels.monte_carlo", {"policy": "sft"}), put("seeds", [-1]))
    del config["labels"]["rollouts"]["policy"]
    assert len(_lines(write(tmp_path / "study.yaml", config))) == 1


def test_a_kept_study_is_read_where_it_lies(tmp_path):
    config = {**small(), "results": "elsewhere", "scale": {"name": "x", "chunk": 7}}
    path = tmp_path / "moved" / "small" / "study.json"
    path.parent.mkdir(parents=True)
    path.write_text(study_text(config))
    assert read_study(path) == {**config, "results": str(tmp_path / "moved")}
    assert study_text(config) == study_text({**config, "results": "other"}) != study_text({**config, "seeds": [7]})
    path.write_text("{")
    with pytest.raises(StudyFaults, match="cannot be read; delete it"):
        read_study(path)
