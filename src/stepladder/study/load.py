"""Reading study files: duplicate keys are faults, later files lie over earlier ones, null removes a key."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from stepladder.study.canonical import canonical_json
from stepladder.study.faults import Fault, StudyFaults, short


class _UniqueKeys(yaml.SafeLoader):
    """A loader that notes what YAML lets pass in silence: one name given twice."""

    def __init__(self, stream: str):
        super().__init__(stream)
        self.twice: list[str] = []


def _mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            problem = "a key must be a plain word, not a list or a mapping"
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key_node.start_mark)
        # Several merges of anchors in one mapping are no duplicates.
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node)
        if key in seen:
            line = key_node.start_mark.line + 1
            loader.twice.append(f"line {line}: the name {key!r} is given twice; rename or remove one")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        StudyFaults: when the file is missing, is no YAML, names a key twice or is no mapping.
    """
    content, problems = None, []
    try:
        loader = _UniqueKeys(path.read_text(encoding="utf-8"))
        content, problems = loader.get_single_data(), loader.twice
    except FileNotFoundError:
        problems = ["no such file"]
    except IsADirectoryError:
        problems = ["is a folder; name a YAML file in it"]
    except UnicodeDecodeError:
        problems = ["is not text in UTF-8"]
    except OSError as error:
        problems = [f"cannot be read: {error.strerror}"]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems = [f"line {mark.line + 1}: not YAML: {error.problem}" if mark else f"not YAML: {error.problem}"]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problems = [f"not YAML: {error}"]
    if not problems and not isinstance(content, dict):
        kind = "nothing" if content is None else short(content)
        problems = [f"a study file is a mapping of keys; this one holds {kind}"]
    if problems:
        raise StudyFaults([Fault((), problem).line(str(path)) for problem in problems])
    return content


def overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """``above`` laid over ``below``, mapping by mapping."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlay(merged[key], value) if both else value
    return merged


def without_nulls(value: Any) -> Any:
    """The same mapping with every key removed that an overlay set to null."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def reach(content: Any, location: tuple[str, ...]) -> tuple[int, Any]:
    """How many parts of a location exist in nested mappings, and the value at the last of them."""
    for depth, part in enumerate(location):
        if not (isinstance(content, dict) and part in content):
            return depth, content
        content = content[part]
    return len(location), content


class Sources:
    """The files of a study, kept to say in which of them a key stands."""

    def __init__(self, paths: Iterable[Path]):
        self.contents: list[tuple[Path, dict[str, Any]]] = []
        lines: list[str] = []
        for path in paths:
            try:
                self.contents.append((path, read_yaml(path)))
            except StudyFaults as faults:
                lines += faults.lines
        if lines:
            raise StudyFaults(lines)

    def merged(self) -> dict[str, Any]:
        """All files, later over earlier."""
        whole: dict[str, Any] = {}
        for _, content in self.contents:
            whole = overlay(whole, content)
        return whole

    def file_of(self, location: tuple[str, ...], config: dict[str, Any]) -> str:
        """The file in which a location stands, or ``--config`` for what stands in none.

        Args:
            location: stage, node, key ...; a missing key stands in the first file that has the mapping it belongs to,
                a value in the last file that gives it.
            config: what became of the files and of the settings on the command line.
        """
        depth, value = reach(config, location)
        found = [(*reach(content, location), str(path)) for path, content in self.contents]
        if isinstance(value, dict):
            return max(found, key=lambda each: each[0])[2] if found else "--config"
        # NaN differs from itself.
        givers = [path for its_depth, its, path in found if its_depth == depth and (its == value or its != its)]
        return givers[-1] if givers else "--config"


def study_text(config: dict[str, Any]) -> str:
    """A merged configuration as it stands in ``study.json``: all but the results folder, which that file lies in."""
    return canonical_json({key: value for key, value in config.items() if key != "results"})


def read_study(path: Path) -> dict[str, Any]:
    """The merged configuration of the study whose ``study.json`` this is: ``<results>/<study>/study.json``.

    Raises:
        StudyFaults: when the file is missing or broken.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise StudyFaults([f"{path}: cannot be read; delete it and run again to make it anew"]) from None
    return {**config, "results": str(path.parent.parent)}
