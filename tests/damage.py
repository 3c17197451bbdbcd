"""What happens to files: cut short, emptied, overwritten, lost; and a disk that takes no more."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cut_short(path: Path) -> None:
    """The first half of what was written, as after a power cut or a full disk."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """A name without content."""
    path.write_bytes(b"")


def overwrite(path: Path) -> None:
    """As long as before, eight bytes in the middle changed."""
    content = path.read_bytes()
    middle = len(content) // 2
    changed = bytes(255 - byte for byte in content[middle : middle + 8])
    path.write_bytes(content[:middle] + changed + content[middle + 8 :])


DAMAGES = {"missing": Path.unlink, "empty": empty, "cut short": cut_short, "overwritten": overwrite}


@contextmanager
def small_disk(limit: int = 4096) -> Iterator[None]:
    """Files may not grow beyond some bytes: to this process, that is a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
