"""The JSON schema of study files: as generated, true of what ships, and able to tell what is wrong."""

import re

import pytest
import yaml
from jsonschema import Draft202012Validator
from study_files import SMALL, edited, put, rename, small

from stepladder.study.schema import SCHEMA_FILE, schema_text, study_schema
from stepladder.study.settings import Settings
from stepladder.study.specs import STAGES


class _AsEditorsRead(yaml.SafeLoader):
    """Editors read YAML 1.2, to which 1e-6 is a number."""


_AsEditorsRead.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = study_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_committed_schema_is_the_generated_one(root):
    committed = (root / SCHEMA_FILE).read_text(encoding="utf-8")
    assert committed == schema_text(), "the specs changed: run python -m stepladder.study.schema"


def test_shipped_study_files_follow_the_schema(root, validator):
    files = [
        root / "config" / "config.yaml",
        *sorted((root / "config" / "studies").glob("*.yaml")),
        *sorted((root / "config" / "scale").glob("*.yaml")),
        *sorted((root / "config" / "overlays").glob("*.yaml")),
    ]
    for file in files:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_AsEditorsRead)
        assert [error.message for error in validator.iter_errors(content)] == [], file


def test_shipped_study_files_name_the_schema(root):
    for file in sorted((root / "config").glob("**/*.yaml")):
        first = file.read_text(encoding="utf-8").splitlines()[0]
        named = first.removeprefix("# yaml-language-server: $schema=")
        assert (file.parent / named).resolve() == (root / SCHEMA_FILE).resolve(), file


@pytest.mark.parametrize(
    "overlay",
    [
        {},
        {"seeds": 3},
        {"policies": {"ppo": None, "dpo": {"beta": None}, "sft": {"optimisation": {"batch_size": 4}}}, "tables": None},
        {"scale": {"override": {"policies": {"ppo": {"iterations": 3}}, "models": {"hidden_size": None}}}},
        {"scale": {"override": {"models": {"source": "hub", "repository": "a/b"}}, "gpu_model": None}},
        {"questions": {"six": {"splits": {"rl": None, "test": 10}}}},
    ],
)
def test_parts_of_studies_follow_the_schema(overlay, validator):
    assert validator.is_valid(overlay)


def test_the_small_study_follows_the_schema(validator):
    assert validator.is_valid(yaml.load(SMALL, Loader=_AsEditorsRead))


@pytest.mark.parametrize(
    "edit",
    [
        rename("seeds", "sedes"),
        rename("policies", "polices"),
        rename("policies.sft.from", "form"),
        rename("policies.sft.from", "start"),
        put("policies.sft.method", "sfft"),
        put("policies.sft.optimisation", {"lr": 1}),
        put("policies.sft.optimisation", {"batch_size": 0}),
        put("models.tiny", {"source": "hub", "hidden_size": 64}),
        put("labels.rollouts.rolouts", 4),
        put("labels.rollouts.rollouts", "many"),
        put("labels.rollouts.top_p", 1.5),
        put("prms.bce.loss", "rnak"),
        put("rewards.wrs.shape", {"lambda": 8}),
        put("tables.main.rows.0.evaluatoin", "sft"),
        put("models.a-b", {"source": "new"}),
        put("scale", {"overide": {}}),
        put("scale.override", {"prm": {}}),
        put("scale.override", {"prms": {"per_step": {"zetta": 1}}}),
        put("scale.override", {"policies": {"beta": 1}}),
        put("scale.override", {"policies": {"dpo": {"clip": 1}}}),
        put("scale.resources", {"trian": {}}),
        put("seeds", -1),
        put("questions.six.sets", ["qqq"]),
    ],
)
def test_what_is_wrong_does_not_follow_the_schema(edit, validator):
    broken = edited(put("policies.sft.optimisation.learning_rate", 1e-3), edit)
    assert validator.is_valid(edited(put("policies.sft.optimisation.learning_rate", 1e-3)))
    assert not validator.is_valid(broken)


def test_editors_find_every_key_and_its_description(validator):
    properties = validator.schema["properties"]
    assert set(properties) == set(Settings.model_fields) | set(STAGES)
    assert all(properties[stage]["description"] for stage in STAGES)
    assert properties["study"]["description"] == Settings.model_fields["study"].description
    optimisation = validator.schema["$defs"]["Optimisation"]["properties"]
    assert optimisation["batch_size"]["description"] == "rows in one optimizer step, over all ranks"
    assert optimisation["batch_size"]["default"] == 32
    assert validator.schema["$defs"]["Sft"]["properties"].keys() >= {"from", "split", "method"}


def test_no_key_is_demanded_of_a_part(validator):
    assert "required" not in schema_text()
    assert small().keys() <= validator.schema["properties"].keys()
