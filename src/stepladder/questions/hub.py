"""Files of published data sets, fetched from where they are published, at one revision, checksum verified."""

import hashlib
import os
import shutil
import tempfile
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal

from stepladder.errors import StepladderError

GITHUB = "https://github.com"
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class HubFile:
    """One file of a public repository.

    Attributes:
        host: where the repository is.
        repository: "owner/name".
        revision: the commit; of a Hugging Face repository its first digits will do.
        file: path in the repository.
        checksum: "sha256:<hex>", or "git-blob:<hex>" (the id under which the commit's tree lists the file);
            None where no published checksum is known, and then the pinned commit alone fixes the content.
        kind: of a Hugging Face repository.
    """

    host: Literal["huggingface", "github"]
    repository: str
    revision: str
    file: str
    checksum: str | None
    kind: Literal["dataset", "model"] = "dataset"


@dataclass(frozen=True)
class SourceFile:
    """A file that was read: where it lies, where it came from (local files: None), and its SHA-256."""

    path: Path
    sha256: str
    origin: HubFile | None = None


def local_source(path: Path) -> SourceFile:
    """A local file with the checksum seen.

    Raises:
        StepladderError: when it cannot be read.
    """
    return SourceFile(path, _digest(path, "sha256"))


def fetch(hub_file: HubFile, cache: Path) -> SourceFile:
    """The file, from the cache or else from its host; its checksum is verified either way.

    Raises:
        StepladderError: when the host cannot be reached or has no such file, or when the checksum differs.
    """
    path = cache / hub_file.host / hub_file.repository / hub_file.revision / hub_file.file
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        incoming = path.with_name(f"{path.name}.{os.getpid()}.incoming")
        download = _from_hugging_face if hub_file.host == "huggingface" else _from_github
        try:
            download(hub_file, incoming)
            _verify(hub_file, incoming)
            incoming.replace(path)
        finally:
            incoming.unlink(missing_ok=True)
    _verify(hub_file, path)
    return SourceFile(path, _digest(path, "sha256"), hub_file)


def files_at(
    repository: str, revision: str, kind: Literal["dataset", "model"] = "dataset"
) -> tuple[str, tuple[str, ...]]:
    """The commit that a commit, tag or branch of a Hugging Face repository stands for, and the files at it.

    Raises:
        StepladderError: when the hub cannot be reached, or has no such repository or revision.
    """
    from huggingface_hub import HfApi

    # The client's network errors have no base class of their own, so every failure in it counts as one.
    try:
        found = HfApi().repo_info(repository, revision=revision, repo_type=kind)
    except Exception as error:
        raise StepladderError(
            f"{repository} at {revision} on the Hugging Face hub: {_one_line(error)}; "
            "check the network, or use local files"
        ) from error
    return found.sha, tuple(sorted(each.rfilename for each in found.siblings or []))


def _from_github(hub_file: HubFile, target: Path) -> None:
    address = f"{GITHUB}/{hub_file.repository}/raw/{hub_file.revision}/{hub_file.file}"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as response, target.open("wb") as out:
            shutil.copyfileobj(response, out)
    except (OSError, HTTPException) as error:
        raise StepladderError(f"{address}: {_one_line(error)}; check the network, or use local files") from error


def _from_hugging_face(hub_file: HubFile, target: Path) -> None:
    from huggingface_hub import HfApi, hf_hub_download

    repository = {"repo_id": hub_file.repository, "repo_type": hub_file.kind}
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        # The client's network errors have no base class of their own, so every failure in it counts as one.
        try:
            commits = [commit.commit_id for commit in HfApi().list_repo_commits(**repository)]
            revision = next(commit for commit in commits if commit.startswith(hub_file.revision))
            found = hf_hub_download(filename=hub_file.file, revision=revision, cache_dir=folder, **repository)
        except StopIteration:
            raise StepladderError(
                f"{hub_file.repository} has no commit {hub_file.revision} any more; use local files"
            ) from None
        except Exception as error:
            raise StepladderError(
                f"{hub_file.repository} on the Hugging Face hub: {_one_line(error)}; "
                "check the network, or use local files"
            ) from error
        shutil.copyfile(found, target)


def _verify(hub_file: HubFile, path: Path) -> None:
    if hub_file.checksum is None:
        return
    kind, _, expected = hub_file.checksum.partition(":")
    seen = _digest(path, kind)
    if seen != expected:
        raise StepladderError(
            f"{path}: its {kind} checksum is {seen}, but {hub_file.repository} at {hub_file.revision} has "
            f"{expected}; delete the file and fetch it again, or use local files"
        )


def _digest(path: Path, kind: str) -> str:
    try:
        if kind == "git-blob":
            content = path.read_bytes()
            return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StepladderError(f"{path}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
