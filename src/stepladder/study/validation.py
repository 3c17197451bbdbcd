"""What pydantic found wrong, in the words of a study file."""

import re
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from stepladder.study.faults import Fault, closest, did_you_mean, short

_PHRASES = {
    "model_type": "must be a mapping of keys",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "string_type": "must be text (in quotes, where YAML sees something else)",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "multiple_of": "must be a multiple of {multiple_of:g}",
    "too_short": "must have at least {min_length} of them",
    "too_long": "must have at most {max_length} of them",
}


def members(annotation: Any) -> dict[str, type[BaseModel]]:
    """The models of a union by the tag in a study file that chooses among them; empty for anything else."""
    union = _bare(annotation)
    models = get_args(union) if get_origin(union) in (Union, UnionType) else ()
    return {tag: model for model in models for tag in get_args(model.model_fields[tag_key(model)].annotation)}


def tag_key(model: type[BaseModel]) -> str:
    """The key that says which member of its union a spec is; a source may stand beside it."""
    return next(key for key in ("method", "head", "kind", "source") if key in model.model_fields)


def validation_faults(error: ValidationError, at: tuple[str, ...], annotation: Any) -> list[Fault]:
    """The faults that pydantic found in a value of type ``annotation`` that lies at location ``at`` of the study."""
    items = error.errors(include_url=False)
    unknown = [item["loc"] for item in items if item["type"] == "extra_forbidden"]
    meant = {(*loc[:-1], closest(str(loc[-1]), _keys(annotation, loc))) for loc in unknown}
    return [
        _fault(item, at, annotation)
        for item in items
        # A mistyped key is one fault, not also the lack of the right one; a wrong item does not shorten its list.
        if not (item["type"] == "missing" and item["loc"] in meant)
        and not (item["type"] == "too_short" and any(_inside(other["loc"], item["loc"]) for other in items))
    ]


def _inside(location: tuple[Any, ...], outer: tuple[Any, ...]) -> bool:
    return len(location) > len(outer) and location[: len(outer)] == outer


def _fault(item: dict[str, Any], at: tuple[str, ...], annotation: Any) -> Fault:
    path, owner, value_type = _walk(annotation, item["loc"])
    given, said = item["input"], item.get("ctx", {})
    match item["type"]:
        case "extra_forbidden":
            message = f"unknown key {path[-1]!r}{did_you_mean(path[-1], _keys(annotation, item['loc']))}"
        case "missing":
            message = "this is missing and has no default"
        case "invalid_key":
            message = f"a key must be text, got {short(given)}"
        case "literal_error":
            message = f"{short(given)} is not allowed{did_you_mean(str(given), _quoted(said['expected']))}"
        case "union_tag_invalid" | "union_tag_not_found" as kind:
            (key,), tags = _quoted(said["discriminator"]), list(members(value_type))
            path = (*path, key)
            message = (
                f"{short(given[key])} is not allowed{did_you_mean(str(given[key]), tags)}"
                if kind == "union_tag_invalid"
                else f"this is missing; allowed: {', '.join(tags)}"
            )
        case "string_pattern_mismatch":
            about = next(field.description for name, field in owner.model_fields.items() if name == path[-1])
            message = f"must match {said['pattern']}{f' ({about})' if about else ''}, got {short(given)}"
        case "value_error":
            message = str(said["error"])
        case kind if kind in _PHRASES:
            message = f"{_PHRASES[kind].format(**said)}, got {short(given)}"
        case _:
            message = f"{item['msg'].replace('Input should', 'must')}, got {short(given)}"
    return Fault(at + path, message)


def _quoted(text: str) -> list[str]:
    """The words that pydantic lists as ``'a', 'b' or 'c'``."""
    return re.findall(r"'([^']*)'", text)


def _keys(annotation: Any, loc: tuple[str | int, ...]) -> list[str]:
    """The keys that are allowed where the last part of ``loc`` stands."""
    _, model, _ = _walk(annotation, loc)
    return [field.alias or name for name, field in model.model_fields.items()]


def _walk(annotation: Any, loc: tuple[str | int, ...]) -> tuple[tuple[str, ...], Any, Any]:
    """From pydantic's location: the keys of the file, the type that owns the last one, and the type of its value."""
    path: list[str] = []
    owner = _bare(annotation)
    below: Any = owner
    for part in loc:
        owner = _bare(below)
        if tagged := members(owner):
            below = tagged[str(part)]
        elif part != "[key]":
            path.append(str(part))
            below = _below(owner, part)
    return tuple(path), owner, below


def _below(owner: Any, part: str | int) -> Any:
    """The type of what stands under key or index ``part``."""
    if isinstance(owner, type) and issubclass(owner, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in owner.model_fields.items()}
        return fields.get(str(part), Any)
    inner = get_args(owner) or (Any,)
    return inner[-1] if get_origin(owner) is dict else inner[0]


def _bare(annotation: Any) -> Any:
    """A type without its constraints and without ``| None``."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        left = [part for part in get_args(annotation) if part is not type(None)]
        return _bare(left[0]) if len(left) == 1 else annotation
    return annotation
