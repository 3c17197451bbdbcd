"""JSON schema of a study file, from the specs. ``python -m stepladder.study.schema`` writes config/schema/study.json.

A study is laid together from several files, in which a later null removes a key. So the schema of one file demands no
key and allows null for every one; it knows all keys and the values that they take.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from stepladder.study.nodes import DIVIDED, NODE_NAME
from stepladder.study.settings import Settings
from stepladder.study.specs import STAGES
from stepladder.study.validation import members

SCHEMA_FILE = Path("config/schema/study.json")


class _Untitled(GenerateJsonSchema):
    """Without titles, which only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def study_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of one study file or overlay."""
    whole = _models_schema(Settings)
    definitions = whole.pop("$defs")
    whole.pop("title")
    for model in STAGES.values():
        for each in members(model).values() or [model]:
            schema = _models_schema(each)
            definitions |= schema.pop("$defs", {}) | {each.__name__: schema}
    definitions["Scale"]["properties"]["override"] |= {
        "properties": {stage: _overridden(stage) for stage in STAGES},
        "additionalProperties": False,
    }
    whole["properties"] |= {stage: _nodes(stage) for stage in STAGES}
    whole["description"] = "A Stepladder study: settings, and stages of named nodes. Or an overlay of one."
    partial = _partial(whole | {"$defs": definitions})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Stepladder study"} | partial


def _models_schema(model: type[BaseModel]) -> dict[str, Any]:
    return TypeAdapter(model).json_schema(schema_generator=_Untitled)


def _spec(stage: str) -> dict[str, Any]:
    """The schema of one node of a stage: any of the stage's models, since a partial spec may not say which."""
    models = list(members(STAGES[stage]).values()) or [STAGES[stage]]
    references = [{"$ref": f"#/$defs/{model.__name__}"} for model in models]
    return references[0] if len(references) == 1 else {"anyOf": references}


def _nodes(stage: str) -> dict[str, Any]:
    models = list(members(STAGES[stage]).values()) or [STAGES[stage]]
    return {
        "type": "object",
        "description": " | ".join(model.__doc__ for model in models),
        "propertyNames": {"pattern": f"^{NODE_NAME}$"},
        "additionalProperties": _spec(stage),
    }


def _overridden(stage: str) -> dict[str, Any]:
    """Keys given to every node of a stage, or to every node of a kind where the stage has several."""
    if stage not in DIVIDED:
        return _spec(stage)
    kinds = members(STAGES[stage])
    properties = {kind: {"$ref": f"#/$defs/{model.__name__}"} for kind, model in kinds.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _partial(schema: Any) -> Any:
    """The same schema with no key demanded and null allowed for every key."""
    if isinstance(schema, list):
        return [_partial(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: _partial(value) for key, value in schema.items() if key != "required"}
    if "properties" in schema:
        parts["properties"] = {key: _or_null(_partial(value)) for key, value in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        parts["additionalProperties"] = _or_null(parts["additionalProperties"])
    return parts


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema or null, with its description left where editors look for it."""
    if {"type": "null"} in schema.get("anyOf", []):
        return schema
    outside = {key: value for key, value in schema.items() if key in ("description", "default")}
    inside = {key: value for key, value in schema.items() if key not in outside}
    choices = inside["anyOf"] if set(inside) == {"anyOf"} else [inside]
    return outside | {"anyOf": [*choices, {"type": "null"}]}


def schema_text() -> str:
    """The content of the schema file."""
    return json.dumps(study_schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
