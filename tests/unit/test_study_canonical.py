"""Canonical JSON and lineage: the same meaning is the same text, another meaning changes what is made from it only."""

import json
import random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from study_files import edited, put, small, study_from, study_of, write

from stepladder.study.canonical import canonical_json, derive_seed, digest
from stepladder.study.graph import Study

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def _shuffled(value: Any, draw: random.Random) -> Any:
    """The same mapping with its keys in another order, all the way down."""
    if isinstance(value, list):
        return [_shuffled(item, draw) for item in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    draw.shuffle(keys)
    return {key: _shuffled(value[key], draw) for key in keys}


def _identities(study: Study) -> dict[tuple[str, str], tuple[str, str]]:
    return {key: (study.job(*key), study.lineage(*key)) for key in study.nodes}


@given(PLAIN, st.randoms(use_true_random=False))
def test_order_of_keys_has_no_meaning(value, draw):
    text = canonical_json(value)
    assert canonical_json(_shuffled(value, draw)) == text
    assert json.loads(text) == value


@given(PLAIN, PLAIN)
def test_different_values_have_different_texts_and_digests(a, b):
    same = json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    assert (canonical_json(a) == canonical_json(b)) is same
    assert (digest(a) == digest(b)) is same


def test_nan_has_no_canonical_text():
    with pytest.raises(ValueError):
        canonical_json(float("nan"))


def test_text_has_no_blanks_and_sorted_keys():
    assert canonical_json({"b": [1, 0.5, None], "a": "é"}) == '{"a":"é","b":[1,0.5,null]}'


def test_seeds_differ_by_every_part_and_its_place():
    seeds = {
        derive_seed(*parts) for parts in [("a", 1), ("a", 2), ("b", 1), (1, "a"), ("a", "1"), ("a1",), ("a", 1, 1)]
    }
    assert len(seeds) == 7
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed("a", 1) == derive_seed("a", 1)


@pytest.mark.parametrize("seed", range(5))
def test_order_of_keys_in_a_study_changes_no_job(seed):
    shuffled = _shuffled(small(), random.Random(seed))
    assert list(shuffled) != list(small())
    assert _identities(study_from(shuffled)) == _identities(study_from(small()))


def test_order_of_keys_in_the_quickstart_changes_no_job(root):
    file = root / "config" / "config.yaml"
    whole = _identities(study_of(file))
    shuffled = _shuffled(yaml.safe_load(file.read_text()), random.Random(0))
    assert _identities(study_from(shuffled)) == whole


@pytest.mark.parametrize("written", ["1e-6", "1.0e-6", "0.000001", "1E-06", "'1e-6'"])
def test_a_number_is_a_number_however_it_is_written(written, tmp_path):
    text = yaml.safe_dump(edited(put("policies.dpo.beta", "HERE"))).replace("HERE", written)
    study = study_of(write(tmp_path / "study.yaml", text))
    assert study.spec("policies", "dpo").beta == 1e-6
    assert _identities(study) == _identities(study_from(edited(put("policies.dpo.beta", 1e-6))))


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("policies.dpo.beta", 1, 1.0),
        ("labels.rollouts.rollouts", 4, 4.0),
        ("labels.rollouts.rollouts", 4, "4"),
        ("policies.base.drills", 10000, "1e4"),
        ("questions.six.splits.sft", 40, 40.0),
        ("seeds", 2, [0, 1]),
        ("seeds", "2", [0, 1]),
        ("prms.bce.loss", None, "bce"),
    ],
)
def test_one_meaning_written_in_two_ways(path, one, other):
    assert _identities(study_from(edited(put(path, one)))) == _identities(study_from(edited(put(path, other))))


# For every stage a key that its nodes have, and a value that none of them has in a shipped study.
CHANGES: dict[str, tuple[str, Any]] = {
    "questions": ("seed", 71),
    "models": ("init_std", 0.071),
    "policies": ("optimisation.weight_decay", 0.071),
    "trajectories": ("temperature", 0.71),
    "labels": ("temperature", 0.71),
    "rollouts": ("temperature", 0.71),
    "prms": ("zeta", 7.1),
    "scores": ("prm", "another"),
    "rewards": ("process_weight", 0.71),
    "pairs": ("margin", 0.071),
    "evaluations": ("temperature", 0.71),
    "tables": ("title", "Another title"),
}


def _descendants(study: Study, key: tuple[str, str]) -> set[tuple[str, str]]:
    """The nodes that are made from a node, through any number of others."""
    found: set[tuple[str, str]] = set()
    grew = True
    while grew:
        more = {
            other
            for other, node in study.nodes.items()
            if any((stage, name) == key or (stage, name) in found for _, stage, name in node.references)
        }
        grew, found = more > found, found | more
    return found


def _quickstart(root) -> dict[str, Any]:
    # Through JSON, so that nodes that share an anchor share no mapping.
    config = json.loads(json.dumps(yaml.safe_load((root / "config" / "config.yaml").read_text())))
    config["prms"]["another"] = dict(next(iter(config["prms"].values())))
    return config


def test_a_changed_node_changes_itself_and_what_is_made_from_it(root):
    before = study_from(_quickstart(root))
    lineages = {key: before.lineage(*key) for key in before.nodes}
    for stage, name in before.nodes:
        key, value = CHANGES[stage]
        config = _quickstart(root)
        put(f"{stage}.{name}.{key}", value)(config)
        after = study_from(config)
        changed = {node for node in after.nodes if after.lineage(*node) != lineages[node]}
        assert changed == {(stage, name)} | _descendants(before, (stage, name)), (stage, name)
        assert after.job(stage, name) != before.job(stage, name)


def test_a_job_changes_only_with_what_it_reads_from_the_study(root):
    before = study_from(_quickstart(root))
    for stage, name in before.nodes:
        key, value = CHANGES[stage]
        config = _quickstart(root)
        put(f"{stage}.{name}.{key}", value)(config)
        after = study_from(config)
        changed = {node for node in after.nodes if after.job(*node) != before.job(*node)}
        # PPO computes the rewards of its own samples, so their definition is part of its job.
        readers = {("policies", p) for p in before.names("policies", "ppo")} if stage == "rewards" else set()
        assert (stage, name) in changed
        assert changed <= {(stage, name)} | readers


def test_resources_and_names_of_files_change_no_job():
    plain = _identities(study_from(small()))
    scale = {
        "name": "large",
        "shards": 4,
        "batch_sequences": 64,
        "tensor_parallel": 2,
        "gpu_model": "h200",
        "resources": {"train": {"gpu": 1, "mem_mb": 64000}},
    }
    other = edited(put("scale", scale), put("results", "elsewhere"), put("tracking", "http://localhost:5000"))
    assert _identities(study_from(other)) == plain


@pytest.mark.parametrize("path", ["study", "step_style", "scale.chunk"])
def test_settings_that_matter_change_jobs(path):
    value = {"study": "other", "step_style": "numbered", "scale.chunk": 8}[path]
    before, after = _identities(study_from(small())), _identities(study_from(edited(put(path, value))))
    changed = {stage for stage, name in before if before[stage, name][0] != after[stage, name][0]}
    sampled = {"trajectories", "labels", "rollouts", "evaluations"}
    assert changed == (sampled if path == "scale.chunk" else {stage for stage, _ in before})


def test_more_seeds_change_the_tables_alone():
    before, after = _identities(study_from(small())), _identities(study_from(edited(put("seeds", 3))))
    assert {key for key in before if before[key] != after[key]} == {("tables", "main")}
