"""Whether a checkpoint folder can be loaded: seen from its files alone, without building a model."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from stepladder.errors import StepladderError
from stepladder.records import read_json

_INDEX = "model.safetensors.index.json"


def check_checkpoint(folder: Path) -> None:
    """Reads the headers of a checkpoint's weights, which say how long each file must be, and its JSON files.

    Raises:
        StepladderError: when a file is missing or cut short, or the weights are no safetensors.
    """
    if not folder.is_dir():
        raise StepladderError(f"{folder}: no such checkpoint; the node that makes it has not run")
    if not (folder / "config.json").is_file():
        raise StepladderError(f"no model in {folder}: config.json is missing; give the folder of a saved model")
    if not any(folder.glob("*.safetensors")):
        raise StepladderError(
            f"{folder}: no weights in safetensors; pickles (.bin, .pt) can run code when they are read and are refused:"
            " convert them where you trust them, with save_pretrained"
        )
    for path in sorted(folder.glob("*.json")):
        read_json(path)
    index = folder / _INDEX
    names = set(read_json(index)["weight_map"].values()) if index.is_file() else {"model.safetensors"}
    for name in sorted(names):
        try:
            with safe_open(folder / name, framework="np"):
                pass
        except (SafetensorError, OSError) as error:
            said = "no such file" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0]
            raise StepladderError(
                f"{folder / name}: cannot be read ({said}); delete {folder} and run again to make it anew"
            ) from None
