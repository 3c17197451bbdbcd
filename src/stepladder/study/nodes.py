"""From what is written to settings and validated nodes, with the scale's overrides laid over them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from stepladder.study.faults import Fault, did_you_mean, short
from stepladder.study.fields import Reference
from stepladder.study.load import overlay, reach, without_nulls
from stepladder.study.settings import Settings
from stepladder.study.specs import STAGES
from stepladder.study.validation import members, tag_key, validation_faults

NODE_NAME = "[A-Za-z][A-Za-z0-9_]*"
Key = tuple[str, str]  # stage and name

# The stages whose nodes are of several kinds, with the key that says which: the scale overrides each kind for itself.
# Models are not among them, since a scale may replace one by a model from another source.
DIVIDED = {
    stage: tag_key(next(iter(kinds.values())))
    for stage, spec in STAGES.items()
    if stage != "models" and (kinds := members(spec))
}


@dataclass(frozen=True)
class Node:
    """One named artefact of a study."""

    stage: str
    name: str
    spec: Any

    @cached_property
    def references(self) -> tuple[tuple[tuple[str, ...], str, str], ...]:
        """(location of the key, stage, name) of every node that this one names."""
        return tuple(_references(self.spec, ()))

    @cached_property
    def above(self) -> tuple[Key, ...]:
        """Every node that this one names, each once, in the order of their stages' names and their own."""
        return tuple(sorted({(stage, name) for _, stage, name in self.references}))

    def as_data(self) -> dict[str, Any]:
        """The resolved spec as plain data, with the keys of the study file."""
        return self.spec.model_dump(mode="json", by_alias=True)


Nodes = dict[Key, Node]


def with_all_above(start: Key, nodes: Nodes) -> set[Key]:
    """A node and all that it is made from, through any number of others; names that no node has are passed over."""
    found: set[Key] = set()
    left = {start}
    while left := (left & nodes.keys()) - found:
        found |= left
        left = {above for key in left for above in nodes[key].above}
    return found


def _references(spec: BaseModel, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    for name, field in type(spec).model_fields.items():
        value, key = getattr(spec, name), (*at, field.alias or name)
        stage = next((mark.stage for mark in field.metadata if isinstance(mark, Reference)), None)
        items = enumerate(value) if isinstance(value, tuple) else [(None, value)]
        inner = _element_stage(field.annotation)
        for index, item in items:
            place = key if index is None else (*key, str(index))
            if isinstance(item, BaseModel):
                yield from _references(item, place)
            elif isinstance(item, str) and (stage or inner):
                yield place, stage or inner, item


def _element_stage(annotation: Any) -> str | None:
    """The stage referred to inside a container or an optional annotation, e.g. tuple[PrmNode, ...]."""
    for part in getattr(annotation, "__args__", ()):
        for mark in getattr(part, "__metadata__", ()):
            if isinstance(mark, Reference):
                return mark.stage
    return None


def unknown_keys(config: dict[str, Any]) -> list[Fault]:
    """The top-level keys that are neither a setting nor a stage."""
    allowed = [*Settings.model_fields, *STAGES]
    return [
        Fault((str(key),), f"unknown key {str(key)!r}{did_you_mean(str(key), allowed)}")
        for key in config
        if key not in allowed
    ]


def read_settings(config: dict[str, Any]) -> tuple[Settings | None, list[Fault]]:
    """The settings of a merged configuration, or their faults."""
    own = {key: value for key, value in config.items() if key in Settings.model_fields}
    try:
        return Settings.model_validate(without_nulls(own)), []
    except ValidationError as error:
        return None, validation_faults(error, (), Settings)


def read_nodes(config: dict[str, Any]) -> tuple[Nodes, list[Fault]]:
    """All nodes of a merged configuration that are right in themselves, and the faults of the others."""
    nodes: Nodes = {}
    faults: list[Fault] = []
    for stage in STAGES:
        written = without_nulls(config.get(stage) or {})
        if not isinstance(written, dict):
            faults.append(Fault((stage,), f"must be a mapping of names to nodes, got {short(written)}"))
            continue
        for name, value in written.items():
            try:
                nodes[stage, name] = _read_node(config, stage, name, value)
            except ValidationError as error:
                faults += validation_faults(error, (stage, name), STAGES[stage])
            except ValueError as error:
                faults.append(Fault((stage, str(name)), str(error)))
    return nodes, faults


def _read_node(config: dict[str, Any], stage: str, name: Any, value: Any) -> Node:
    if not (isinstance(name, str) and re.fullmatch(NODE_NAME, name)):
        raise ValueError("a node's name has letters, digits and '_' only and starts with a letter")
    if not isinstance(value, dict):
        raise ValueError(f"must be a mapping of keys, got {short(value)}")
    _, above = _override(config, stage, name)
    if stage == "models" and above.get("source", value.get("source")) != value.get("source"):
        value = {}  # a model from another source shares no key with the one that it replaces
    return Node(stage, name, _validator(stage).validate_python(without_nulls(overlay(value, above))))


@cache
def _validator(stage: str) -> TypeAdapter[Any]:
    return TypeAdapter(STAGES[stage])


def _override(config: dict[str, Any], stage: str, name: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Where the scale's override for a node stands, and its keys; null in it removes a key of the node."""
    at: tuple[str, ...] = ("scale", "override", stage)
    if stage in DIVIDED:
        at = (*at, str(reach(config, (stage, name, DIVIDED[stage]))[1]))
    depth, above = reach(config, at)
    return at, above if depth == len(at) and isinstance(above, dict) else {}


def as_written(fault: Fault, config: dict[str, Any]) -> Fault:
    """The fault at the place in the files where it arose, which for some nodes is the scale's override."""
    stage, *rest = fault.location or ("",)
    if stage not in STAGES or len(rest) < 2:
        return fault
    name, *key = rest
    at, above = _override(config, stage, name)
    depth, _ = reach(above, tuple(key))
    return Fault((*at, *key), fault.message) if depth == len(key) else fault
