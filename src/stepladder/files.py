"""Files and folders that are whole or absent, whatever is killed, filled up or switched off while they are written."""

import errno
import fcntl
import glob
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stepladder.errors import StepladderError

_DISK_FAULTS = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
}  # fmt: skip
_PROBE_BYTES = 1 << 20


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its name when the block ends well, and vanishes otherwise.

    Raises:
        StepladderError: when the disk is full or may not be written.
    """
    path = Path(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):  # of a job that was killed
            remove(stale)
        temporary = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            with explained(path):  # while the temporary is still there: removed, it would leave room again
                yield temporary
                take_name(temporary, path)
        finally:
            remove(temporary)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A temporary folder that takes the target's name when the block ends well, and vanishes otherwise.

    Raises:
        StepladderError: when the disk is full or may not be written.
    """
    with atomic_path(target) as temporary:
        temporary.mkdir()
        yield temporary


def write_text(text: str, path: Path) -> None:
    """Writes a text in UTF-8, whole or not at all.

    Raises:
        StepladderError: when the disk is full or may not be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def take_name(temporary: Path, target: Path) -> None:
    """Gives a finished file or folder its name, once all of it is on the disk: whole even after a power cut."""
    for path in [*temporary.rglob("*"), temporary]:
        _flush(path)
    if temporary.is_dir():
        remove(target)
    os.replace(temporary, target)
    _flush(target.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (error.errno == errno.EINVAL and path.is_dir()):  # some file systems flush no folders
            raise
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Removes a file or a folder, or nothing."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def set_aside(path: Path, fault: StepladderError) -> None:
    """Removes kept work that cannot be used, with one line in the log; whoever asks for it makes it anew."""
    said = str(fault).partition(";")[0]
    print(f"stepladder: kept work cannot be used and is made anew: {said}", file=sys.stderr, flush=True)
    remove(path)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns a failure to write into one line, where the disk is the cause.

    Raises:
        StepladderError: when the disk is full or may not be written.
    """
    try:
        yield
    except StepladderError:
        raise
    except Exception as error:
        fault = _disk_fault(error, path.parent)
        if fault is None:
            raise
        raise StepladderError(
            f"{path}: cannot be written ({os.strerror(fault)}); mend that and run the same command again"
        ) from error


def _disk_fault(error: Exception, folder: Path) -> int | None:
    """The disk's fault behind an error. Libraries say it in their own ways or not at all; then the disk is asked."""
    said = re.search(r"\(os error (\d+)\)", str(error))  # as Rust's standard library words it
    code = int(said[1]) if said else getattr(error, "errno", None)
    if code is None:
        code = _refusal(folder)
    return code if code in _DISK_FAULTS else None


def _refusal(folder: Path) -> int | None:
    """The number of the error with which a folder refuses a file of moderate size, or None."""
    probe = folder / f".probe.{uuid.uuid4().hex[:8]}.tmp"
    try:
        with probe.open("wb") as file:
            file.write(bytes(_PROBE_BYTES))
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno
    finally:
        with suppress(OSError):
            probe.unlink()
    return None


def claim(folder: Path) -> None:
    """Claims a results folder for this process until it ends, however it ends: the lock is the operating system's.

    Raises:
        StepladderError: when another run has the folder, or it cannot be written.
    """
    path = folder / ".lock"
    with explained(path):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _open(path)
    if not _lock(descriptor, fcntl.LOCK_NB):
        raise StepladderError(f"{folder}: another run uses this folder; wait until it has ended, or stop it")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Lets one process at a time into the block, on all machines that see the lock; the others wait.

    A job may outlive the run that started it, and the next run starts the same job.

    Args:
        path: the lock file, which is there only while somebody is in the block or was killed in it.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _open(path)
    try:
        if not _lock(descriptor, fcntl.LOCK_NB):
            print("stepladder: waits for another process that does the same", file=sys.stderr, flush=True)
            _lock(descriptor)
        while not _is_named(descriptor, path):  # whoever was in the block took the name away
            os.close(descriptor)
            descriptor = _open(path)
            _lock(descriptor)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int, how: int = 0) -> bool:
    """Locks an open file; False when another process holds it and ``how`` says not to wait."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        said = "this file system has no locks: see to it yourself that no two runs use one folder"
        print(f"stepladder: {said}", file=sys.stderr, flush=True)
    return True
