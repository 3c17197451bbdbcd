"""Data sets from their hosts, played by a server on the loopback address."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from file_host import COMMIT, file_host

from stepladder.errors import StepladderError
from stepladder.questions import hub, newsnli, qqa
from stepladder.questions.hub import HubFile, fetch

HEADER = "premise,hypothesis,label,sample_index\n"
OFFICIAL = {"question": "Which? ", "Option1": "a", "Option2": "b", "answer": "Option 2", "type": "Type_3"}


@pytest.fixture
def host():
    with file_host() as host:
        yield host


CSV = (HEADER + "a,b,entailment,0\nc,d,neutral,1\n").encode()
CSV_AT = "/some/where/raw/abc/data/x.csv"
CSV_FILE = HubFile("github", "some/where", "abc", "data/x.csv", f"sha256:{hashlib.sha256(CSV).hexdigest()}")


def test_a_github_file_is_fetched_once_and_verified(host, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "GITHUB", host.address)
    host.files[CSV_AT] = CSV
    monkeypatch.setattr(newsnli, "HUB", CSV_FILE)
    first = newsnli.load_hub(tmp_path)
    assert [question.answer for question in first.questions] == [0, 1]
    assert first.sources[0].origin == CSV_FILE and first.sources[0].path.read_bytes() == CSV
    host.files.clear()
    assert newsnli.load_hub(tmp_path) == first
    assert host.asked == [CSV_AT]


def test_a_changed_file_is_refused_and_not_kept(host, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "GITHUB", host.address)
    host.files[CSV_AT] = CSV + b"e,f,neutral,2\n"
    with pytest.raises(StepladderError, match=r"its sha256 checksum is [0-9a-f]{64}, but some/where at abc has"):
        fetch(CSV_FILE, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    host.files[CSV_AT] = CSV
    kept = fetch(CSV_FILE, tmp_path).path
    kept.write_bytes(CSV[:-5])
    with pytest.raises(StepladderError, match="delete the file and fetch it again"):
        fetch(CSV_FILE, tmp_path)


def test_git_blob_ids_are_those_of_git(host, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "GITHUB", host.address)
    host.files["/o/n/raw/r/hello"] = b"hello\n"
    # `printf 'hello\n' | git hash-object --stdin`
    right = HubFile("github", "o/n", "r", "hello", "git-blob:ce013625030ba8dba906f756967f9e9ca394464a")
    assert fetch(right, tmp_path).sha256 == hashlib.sha256(b"hello\n").hexdigest()
    with pytest.raises(StepladderError, match="its git-blob checksum is ce013625"):
        fetch(replace(right, checksum="git-blob:" + "0" * 40), tmp_path)


def test_qqa_from_the_official_files(host, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "GITHUB", host.address)
    files = {name: replace(hub_file, checksum=None) for name, hub_file in qqa.HUB.items()}
    monkeypatch.setattr(qqa, "HUB", files)
    for name, hub_file in files.items():
        line = json.dumps({**OFFICIAL, "question": f"Which {name}?"})
        host.files[f"/allenai/numglue/raw/{hub_file.revision}/{hub_file.file}"] = f"{line}\n".encode()
    loaded = qqa.load_hub(tmp_path)
    assert loaded.published_split == {"train": [0], "test": [1]}
    assert [question.fields["question"] for question in loaded.questions] == ["Which train?", "Which test?"]


def test_a_missing_file_and_a_silent_host_are_one_clear_line(host, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "GITHUB", host.address)
    with pytest.raises(StepladderError, match=r"x.csv: HTTP Error 404.*; check the network, or use local files"):
        fetch(CSV_FILE, tmp_path)
    monkeypatch.setattr(hub, "GITHUB", "http://127.0.0.1:1")
    with pytest.raises(StepladderError, match="check the network, or use local files"):
        fetch(CSV_FILE, tmp_path)


LOAD_AWPNLI = """
import sys
from pathlib import Path
from stepladder.errors import StepladderError
from stepladder.questions import awpnli
try:
    loaded = awpnli.load_hub(Path(sys.argv[1]))
    print([question.answer for question in loaded.questions], loaded.sources[0].sha256)
except StepladderError as error:
    print("refused:", error)
"""


def load_awpnli(host, cache: Path) -> str:
    # The client reads its address when it is imported, hence a process of its own.
    environment = {
        **os.environ,
        "HF_ENDPOINT": host.address,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_OFFLINE": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD_AWPNLI, str(cache)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_hugging_face_hub_at_the_pinned_commit(host, tmp_path):
    pairs = [("a", "b", "contradiction"), ("c", "d", "entailment")]
    content = "".join(
        json.dumps({"sentence1": a, "sentence2": b, "gold_label": label}) + "\n" for a, b, label in pairs
    ).encode()
    commits = [
        {"id": commit, "title": "t", "message": "m", "authors": [], "date": "2023-06-21T00:00:00.000Z"}
        for commit in ("f" * 40, COMMIT)
    ]
    host.files["/api/datasets/tasksource/equate/commits/main"] = json.dumps(commits).encode()
    host.files[f"/datasets/tasksource/equate/resolve/{COMMIT}/AWPNLI.jsonl"] = content
    expected = f"[1, 0] {hashlib.sha256(content).hexdigest()}"
    assert load_awpnli(host, tmp_path) == expected
    host.files.clear()
    assert load_awpnli(host, tmp_path) == expected
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_commit_that_is_gone_is_refused(host, tmp_path):
    host.files["/api/datasets/tasksource/equate/commits/main"] = b"[]"
    assert load_awpnli(host, tmp_path) == ("refused: tasksource/equate has no commit c2b995a any more; use local files")
