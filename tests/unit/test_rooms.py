"""Data flows one way: a room of the package imports only rooms that stand above it."""

import ast
from pathlib import Path

import pytest

ROOMS = [
    "errors", "budget", "files", "progress", "study", "study_job", "attempts", "status", "records", "weights", "job",
    "questions", "pretrained", "reasoning", "generation", "supervision", "training", "rewards", "policies",
    "evaluation", "report", "tracking", "command",
]  # fmt: skip
PACKAGE = Path(__file__).resolve().parents[2] / "src" / "stepladder"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def imported_rooms(path: Path) -> set[str]:
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("stepladder.")}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_room_imports_only_rooms_above_it(module):
    room = module.parts[0].removesuffix(".py")
    below = {other for other in imported_rooms(module) if ROOMS.index(other) > ROOMS.index(room)}
    assert not below, f"{module} imports {', '.join(sorted(below))}, which stand below {room}"
