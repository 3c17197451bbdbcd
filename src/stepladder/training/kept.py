"""A training's kept checkpoints: one folder a step, sealed with the digest of every file in it."""

import hashlib
from pathlib import Path
from typing import Any

from stepladder.errors import StepladderError
from stepladder.files import take_name
from stepladder.records import read_json, write_json

_SEAL = "trainer.json"


def folder_of_step(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step is kept."""
    return folder / f"step-{step}"


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints that are kept in a folder; those that never got their name are none."""
    found = [path for path in folder.glob("step-*") if path.name.removeprefix("step-").isdigit()]
    return sorted(found, key=lambda path: -int(path.name.removeprefix("step-")))


def seal(temporary: Path, state: dict[str, Any], target: Path) -> None:
    """Writes the state beside the files of a checkpoint, with their digests, and gives the folder its name."""
    write_json(state | {"digests": _digests(temporary)}, temporary / _SEAL)
    take_name(temporary, target)


def check_seal(checkpoint: Path) -> None:
    """Reads every file of a checkpoint.

    Raises:
        StepladderError: when a file is missing or not what was written.
    """
    digests = read_state(checkpoint)["digests"]
    found = _digests(checkpoint)
    for name in sorted(digests.keys() | found.keys()):
        if digests.get(name) != found.get(name):
            raise StepladderError(
                f"{checkpoint / name}: {'is missing' if name not in found else 'not what was written'}"
            )


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The state that a checkpoint was sealed with.

    Raises:
        StepladderError: when there is none, or it cannot be read.
    """
    state = read_json(checkpoint / _SEAL)
    if not (isinstance(state, dict) and isinstance(state.get("digests"), dict)):
        raise StepladderError(f"{checkpoint / _SEAL}: not what a training writes")
    return state


def _digests(folder: Path) -> dict[str, str]:
    digests = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name != _SEAL:
            with path.open("rb") as file:
                digests[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests
