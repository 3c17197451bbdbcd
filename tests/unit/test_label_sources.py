"""PRM800K's format, stepwise files and the human three-class format, against rows worked out by hand."""

import json
import os
import subprocess
import sys
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_host import COMMIT, file_host

from stepladder.errors import StepladderError
from stepladder.records import Counts
from stepladder.supervision import stepwise
from stepladder.supervision.human_steps import JudgedStep, read_human_chains, read_human_steps
from stepladder.supervision.prm800k import read_prm800k
from stepladder.supervision.solutions import LabelledSolution, problem_id


def written(path, data) -> object:
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


# --- PRM800K


def option(text: str, rating, flagged=False) -> dict:
    return {"text": text, "rating": rating, "flagged": flagged}


def step(*options, chosen=None, human=None) -> dict:
    return {"completions": list(options), "chosen_completion": chosen, "human_completion": human}


def record(*steps, problem="P", reason="solution") -> dict:
    return {"question": {"problem": problem}, "label": {"steps": list(steps), "finish_reason": reason}}


def read(tmp_path, *records, neutral="correct"):
    counts = Counts()
    solutions = list(read_prm800k(written(tmp_path / "prm800k.json", list(records)), neutral, counts))
    return [("".join(s.steps), s.soft, s.finished) for s in solutions], counts.as_data()


def test_the_published_samples(real_data):
    counts = Counts()
    path = real_data / "prm800k" / "samples.jsonl"
    solutions = list(read_prm800k(path, "half", counts))
    assert counts.as_data() == {"rows_in": 6, "rows_out": 36, "dropped": {}}
    by_problem = Counter(each.problem[:12] for each in solutions)
    # 5 + 4 options and the path; 4 options; 6 and the path; 6 and the path; 6 and the labeller's step; the path.
    assert list(by_problem.values()) == [10, 4, 7, 7, 7, 1]
    for each, line in zip([s for s in solutions if s.problem.startswith("A Senate")], range(4), strict=True):
        assert each.soft == (1, 0.5, 1, 1, 1, 1, float(line > 0)) and not each.finished
    rated = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    options = [o["rating"] for r in rated for s in r["label"]["steps"] for o in s["completions"] or []]
    last = Counter(int(2 * s.soft[-1] - 1) for s in solutions)
    # Every option is a last step once, but for those that lead on; all of these are correct or neutral.
    assert last[-1] == options.count(-1) and len(options) == 73


def test_options_branch_off_the_path(tmp_path):
    found, counts = read(
        tmp_path,
        record(
            step(option("a", 1), option("b", -1), chosen=0),
            step(option("c", 0), chosen=0),
            step(option("d", -1), option("e# Answer\n\n3", 1), chosen=1),
        ),
    )
    assert found == [
        ("b", (0.0,), False),
        ("acd", (1.0, 1.0, 0.0), False),
        ("ace# Answer\n\n3", (1.0, 1.0, 1.0), True),
    ]
    assert counts == {"rows_in": 1, "rows_out": 3, "dropped": {}}


@pytest.mark.parametrize(("neutral", "label"), [("correct", 1.0), ("wrong", 0.0), ("half", 0.5)])
def test_neutral_steps_are_what_is_asked(tmp_path, neutral, label):
    found, _ = read(tmp_path, record(step(option("a", 0), option("b", -1), option("c", 1))), neutral=neutral)
    assert found == [("a", (label,), False), ("b", (0.0,), False), ("c", (1.0,), False)]


def test_a_path_ends_where_it_was_given_up_and_is_no_row_twice(tmp_path):
    human = {"text": "h", "rating": None, "flagged": False}
    nothing = {"completions": None, "chosen_completion": None, "human_completion": None}
    found, _ = read(tmp_path, record(step(option("a", -1), human=human), step(option("b", 1), chosen=0), nothing))
    assert found == [("a", (0.0,), False), ("hb", (1.0, 1.0), False)]
    # An error found: the options say all that the path says.
    found, _ = read(tmp_path, record(step(option("a", 1), chosen=0), step(option("b", -1)), reason="found_error"))
    assert found == [("ab", (1.0, 0.0), False)]


def test_what_is_left_out_is_counted(tmp_path):
    found, counts = read(
        tmp_path,
        record(step(option("a", None), option("b", 1, flagged=True), option("c", 1), chosen=2)),
        record(step(option("a", 1), chosen=0), step(option("b", None), chosen=0), step(option("c", 1), chosen=0)),
        record(step(option("a", 1), chosen=0), reason="bad_problem"),
        record(),
        record(step(option("a", 1)), problem=" "),
        {"prompt": "x"},
    )
    assert found == [("c", (1.0,), False), ("a", (1.0,), False)]
    dropped = {
        "option without a rating": 2,
        "flagged option": 1,
        "bad problem": 1,
        "no rated step": 1,
        "no problem or no steps": 2,
    }
    assert counts == {"rows_in": 6, "rows_out": 2, "dropped": dict(sorted(dropped.items()))}
    with pytest.raises(StepladderError, match="holds no labelled solution"):
        read(tmp_path, {"prompt": "x"})


# --- stepwise files

STEPWISE = [
    {"prompt": " P ", "completions": ["a ", "b"], "labels": [True, False]},
    {"prompt": "P", "completions": ["a"], "labels": [0.7]},
    {"prompt": "", "completions": ["a"], "labels": [True]},
    {"prompt": "P", "completions": [], "labels": []},
    {"prompt": "P", "completions": ["a"], "labels": [True, True]},
    {"prompt": "P", "completions": ["a", " "], "labels": [True, True]},
    {"prompt": "P", "completions": ["a"], "labels": [-1]},
    "P",
]
REASONS = {"no prompt", "no steps", "numbers of steps and labels differ", "empty step", "label outside [0, 1]"}


def test_stepwise_rows_from_json_and_parquet(tmp_path):
    counts = Counts()
    found = list(stepwise.read_stepwise(written(tmp_path / "own.json", STEPWISE), counts))
    assert found == [
        LabelledSolution("P", ("a", "b"), (1.0, 0.0), 1, True),
        LabelledSolution("P", ("a",), (0.7,), 0, True),
    ]
    assert counts.dropped == dict.fromkeys([*REASONS, "not a record"], 1)
    path = tmp_path / "train-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist(STEPWISE[:1] * 3), path)
    assert list(stepwise.read_stepwise(path, Counts())) == found[:1] * 3
    path.write_bytes(b"PAR1")
    with pytest.raises(StepladderError, match="cannot be read"):
        list(stepwise.read_stepwise(path, Counts()))


FETCH = """
import sys
from pathlib import Path
from stepladder.errors import StepladderError
from stepladder.records import Counts
from stepladder.supervision.stepwise import fetch_stepwise, read_stepwise
try:
    for source in fetch_stepwise(sys.argv[3], "main", sys.argv[2], Path(sys.argv[1])):
        print(source.origin.revision, source.path.name, len(list(read_stepwise(source.path, Counts()))))
except StepladderError as error:
    print("refused:", error)
"""


@pytest.fixture
def host():
    with file_host() as host:
        yield host


def fetched(host, cache, repository: str, split: str) -> list[str]:
    # The client reads its address when it is imported, hence a process of its own.
    environment = {
        **os.environ,
        "HF_ENDPOINT": host.address,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    command = [sys.executable, "-c", FETCH, str(cache), split, repository]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("repository", stepwise.REPOSITORIES)
def test_a_published_split_is_fetched_at_the_commit_of_its_branch(host, tmp_path, repository):
    names = [f"data/train-0000{part}-of-00002.parquet" for part in (0, 1)]
    for place, name in enumerate(names):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(STEPWISE[:1] * (place + 1)), sink)
        host.files[f"/datasets/{repository}/resolve/{COMMIT}/{name}"] = sink.getvalue().to_pybytes()
    siblings = [{"rfilename": name} for name in ("README.md", *names, "data/test-00000-of-00001.parquet")]
    about = {"id": repository, "sha": COMMIT, "siblings": siblings, "tags": []}
    host.files[f"/api/datasets/{repository}/revision/main"] = json.dumps(about).encode()
    commits = [{"id": COMMIT, "title": "t", "message": "m", "authors": [], "date": "2025-01-01T00:00:00.000Z"}]
    host.files[f"/api/datasets/{repository}/commits/main"] = json.dumps(commits).encode()
    expected = [f"{COMMIT} {name.removeprefix('data/')} {rows}" for name, rows in zip(names, (1, 2), strict=True)]
    assert fetched(host, tmp_path, repository, "train") == expected
    (refused,) = fetched(host, tmp_path, repository, "validation")
    assert refused == f"refused: {repository} at main has no file data/validation-*.parquet; name another split"
    host.files.clear()
    (refused,) = fetched(host, tmp_path, repository, "train")
    assert refused.startswith(f"refused: {repository} at main on the Hugging Face hub: ")


# --- the human three-class format


def test_judged_steps_by_hand(tmp_path):
    sentences = [
        ("1. a", "0"),
        ("1. a </s><s>2. b", "1"),
        ("2. b </s><s>3. c", "-1"),
        ("1. a", "1"),
        ("9. lost </s><s>10. d", 1),
        ("x </s><s>y </s><s>z", "1"),
        ("only </s><s> ", "1"),
        ("1. e", "2"),
    ]
    records = [{"sentence": sentence, "label": label} for sentence, label in sentences] + [{"label": "1"}]
    counts = Counts()
    found = read_human_steps(written(tmp_path / "steps.json", records), counts)
    a, lost = problem_id("1. a"), problem_id("9. lost")
    assert found == [
        JudgedStep(None, "1. a", 0, a),
        JudgedStep("1. a", "2. b", 1, a),
        JudgedStep("2. b", "3. c", -1, a),
        JudgedStep(None, "1. a", 1, a),
        JudgedStep("9. lost", "10. d", 1, lost),
    ]
    dropped = {"several markers": 1, "empty step": 1, "label is not -1, 0 or 1": 1, "no sentence": 1}
    assert counts.as_data() == {"rows_in": 9, "rows_out": 5, "dropped": dict(sorted(dropped.items()))}
    with pytest.raises(StepladderError, match="holds no labelled solution"):
        read_human_steps(written(tmp_path / "other.json", [{"text": "a"}]), Counts())


def test_chains_are_solutions_without_a_question_named_by_their_first_step(tmp_path):
    sentences = [("a", "0"), ("a </s><s>b", "1"), ("b </s><s>c", "-1"), ("A", "1"), ("lost </s><s>d", "1")]
    records = [{"sentence": sentence, "label": label} for sentence, label in sentences]
    path = written(tmp_path / "steps.json", records)
    found = list(read_human_chains(path, "half", Counts()))
    assert found == [
        LabelledSolution("", ("a", "b", "c"), (0.5, 1.0, 0.0), 2, True),
        LabelledSolution("", ("A",), (1.0,), 2, True),
        LabelledSolution("", ("lost", "d"), (None, 1.0), 2, True),
    ]
    assert [each.question_id for each in found] == [problem_id("a"), problem_id("a"), problem_id("lost")]
    (first, *_) = read_human_chains(path, "wrong", Counts())
    assert (first.soft, first.trials) == ((0.0, 1.0, 0.0), 1)
