"""Published solutions become trajectories and labels that know each other by key, whatever is left out of either."""

import json
import os
import runpy
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from file_host import file_host

import tiny
from stepladder.errors import StepladderError
from stepladder.records import LABELS, TRAJECTORIES, read_json, read_records
from stepladder.supervision import math_shepherd
from stepladder.supervision.process_bench import REVISION
from stepladder.supervision.solutions import problem_id

ROOT = Path(__file__).resolve().parents[2]
LONG = "b " * 400


def shepherd(problem: str, *steps: tuple[str, str]) -> dict:
    """A row of Math-Shepherd's format."""
    texts = [f"Step {number}: {text}" for number, (text, _) in enumerate(steps, start=1)]
    opened = f"{problem} "
    return {
        "input": opened + "\n".join(f"{text} {math_shepherd.TAG}" for text in texts),
        "label": opened + "\n".join(f"{text} {sign}" for text, (_, sign) in zip(texts, steps, strict=True)),
        "task": "GSM8K",
    }


ROWS = [
    shepherd("How many?", (LONG, "+")),
    shepherd("How many?", ("one", "+"), ("two", "-")),
    {"input": "no tag", "label": "no tag", "task": "GSM8K"},
    shepherd("How long?", ("three", "+")),
    shepherd("How  many?", ("four", "-"), ("five", "+")),
]


class Scene:
    """A checkpoint, a source, and the two jobs that read it."""

    def __init__(self, folder: Path):
        self.folder, self.policy = folder, tiny.checkpoint(folder / "policy")

    def write(self, rows: list[dict]) -> Path:
        path = self.folder / "rows.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return path

    def trajectories(self, spec: dict, *files: Path) -> list[dict]:
        inputs = {"tokenizer": self.policy, "files": list(files)}
        entry("solutions")(tiny.job(self.folder / "solutions", "trajectories", spec, inputs))
        return read_records(self.folder / "solutions" / "trajectories.parquet", TRAJECTORIES)

    def labels(self, spec: dict, *files: Path, neutral: str = "correct") -> list[dict]:
        published = {"method": "published", "trajectories": "t", "neutral": neutral}
        inputs = {"trajectories": self.folder / "solutions" / "trajectories.parquet", "files": list(files)}
        entry("published_labels")(tiny.job(self.folder / "labels", "labels", published, inputs, trajectories=spec))
        return read_records(self.folder / "labels" / "labels.parquet", LABELS)

    def both(self, spec: dict, *files: Path, neutral: str = "correct") -> tuple[list[dict], list[dict]]:
        return self.trajectories(spec, *files), self.labels(spec, *files, neutral=neutral)

    def counts(self, folder: str) -> dict:
        return read_json(self.folder / folder / "metrics.json")["counts"]


def entry(script: str):
    """What an entry point of the workflow does with its job."""
    return runpy.run_path(str(ROOT / "workflow" / "scripts" / f"{script}.py"))["main"]


def local(format_: str, **keys) -> dict:
    return {"method": "solutions", "format": format_, "files": ["rows.jsonl"], "tokenizer": "p", **keys}


@pytest.fixture
def scene(tmp_path) -> Scene:
    return Scene(tmp_path)


def test_keys_match_though_long_and_broken_rows_are_left_out(scene):
    trajectories, labels = scene.both(local("math_shepherd"), scene.write(ROWS))
    many, long = problem_id("How many?"), problem_id("How long?")
    texts = {(row["question_id"], row["sample"]): row["text"] for row in trajectories}
    assert texts == {
        (many, 1): "Step 1: one\nStep 2: two",
        (many, 2): "Step 1: four\nStep 2: five",
        (long, 0): "Step 1: three",
    }
    soft = {(row["question_id"], row["sample"], row["step"]): row["soft"] for row in labels}
    assert soft == {(many, 1, 0): 1, (many, 1, 1): 0, (many, 2, 0): 0, (many, 2, 1): 1, (long, 0, 0): 1}
    assert scene.counts("solutions") == {
        "rows_in": 5, "rows_out": 3, "dropped": {f"longer than {tiny.CONTEXT} tokens": 1, "no step tag": 1}
    }  # fmt: skip
    assert scene.counts("labels")["dropped"] == {"no step tag": 1, "no trajectory": 1}


def test_a_limit_is_the_same_for_both(scene):
    trajectories, labels = scene.both(local("math_shepherd", limit=1), scene.write(ROWS))
    assert len({row["question_id"] for row in trajectories}) == 1
    assert {(row["question_id"], row["sample"]) for row in labels} == {
        (row["question_id"], row["sample"]) for row in trajectories
    }
    assert scene.counts("solutions")["dropped"]["over the limit"] in (1, 3)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ROWS[1], *ROWS], "sample 1: not the solution that the trajectory was made from"),
        (ROWS[:3], "2 of its solutions are not in the source any more"),
    ],
)
def test_a_source_that_has_changed_is_refused(scene, rows, said):
    path = scene.write(ROWS)
    scene.trajectories(local("math_shepherd"), path)
    scene.write(rows)
    with pytest.raises(StepladderError, match=said):
        scene.labels(local("math_shepherd"), path)


def test_nothing_left_is_one_line(scene):
    with pytest.raises(StepladderError, match=rf"no solution is left: longer than {tiny.CONTEXT} tokens \(1\)"):
        scene.trajectories(local("math_shepherd"), scene.write(ROWS[:1]))


@pytest.mark.parametrize(("neutral", "soft"), [("correct", 1.0), ("wrong", 0.0), ("half", 0.5)])
def test_a_neutral_step_counts_as_the_labels_node_says(scene, neutral, soft):
    rows = [{"sentence": "a", "label": "0"}, {"sentence": "a </s><s>b", "label": "-1"}]
    trajectories, labels = scene.both(local("human_steps"), scene.write(rows), neutral=neutral)
    assert [(row["prompt_ids"], row["text"]) for row in trajectories] == [([], "a\nb")]
    assert [row["soft"] for row in labels] == [soft, 0.0]


def test_process_bench_has_labels_up_to_the_first_error(scene):
    record = {"id": "1", "generator": "g", "problem": "P", "steps": ["a", "b", "c"], "final_answer_correct": True}
    rows = [record | {"label": 1}, record | {"label": -1}]
    trajectories, labels = scene.both(local("process_bench"), scene.write(rows))
    assert [(len(row["step_ends"]), row["correct"]) for row in trajectories] == [(3, True), (3, True)]
    assert [(row["sample"], row["step"], row["soft"]) for row in labels] == [
        (0, 0, 1.0), (0, 1, 0.0), (1, 0, 1.0), (1, 1, 1.0), (1, 2, 1.0)
    ]  # fmt: skip
    assert read_json(scene.folder / "labels/metrics.json")["metrics"]["without_label"] == 1


def test_a_benchmark_keeps_the_labels_of_what_is_too_long_to_score(scene):
    record = {"id": "1", "problem": "P", "final_answer_correct": True, "label": -1}
    for subset, generator, steps in (("gsm8k", "m1", [LONG, "a"]), ("math", "org/m2", ["b"])):
        (scene.folder / f"{subset}.json").write_text(json.dumps([record | {"generator": generator, "steps": steps}]))
    files = [scene.folder / f"{subset}.json" for subset in ("gsm8k", "math")]
    trajectories, labels = scene.both(local("process_bench"), *files)
    assert [(row["sample"], row["text"]) for row in trajectories] == [(1, "b")]
    found = [(row["sample"], row["step"], row["source"], row["state"] is None) for row in labels]
    assert found == [(0, 0, "gsm8k/m1", True), (0, 1, "gsm8k/m1", True), (1, 0, "math/org/m2", False)]
    assert scene.counts("labels")["dropped"] == {}
    assert read_json(scene.folder / "labels/metrics.json")["metrics"]["solutions_without_trajectory"] == 1


def test_the_published_samples(scene, real_data):
    tiny.checkpoint(scene.policy)
    config = json.loads((scene.policy / "config.json").read_text())
    (scene.policy / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
    trajectories, labels = scene.both(local("math_shepherd"), real_data / "math_shepherd" / "samples.jsonl")
    assert (len(trajectories), len(labels)) == (7, 25)
    trajectories, labels = scene.both(local("prm800k"), real_data / "prm800k" / "samples.jsonl", neutral="half")
    assert len(trajectories) == 36 and len(labels) == sum(len(row["step_ends"]) for row in trajectories)
    assert {row["soft"] for row in labels} == {0.0, 0.5, 1.0}


FETCH = """
import sys
from pathlib import Path
from stepladder.study.specs.trajectories import Solutions
from stepladder.supervision.published import sources
spec = Solutions.model_validate_json(sys.argv[1])
print(*(source.path.read_text() for source in sources(spec, [], Path(sys.argv[2]))))
"""


@pytest.mark.parametrize(
    ("format_", "parts", "hub"),
    [
        ("math_shepherd", [], asdict(math_shepherd.HUB)),
        ("process_bench", ["gsm8k"], {"repository": "Qwen/ProcessBench", "revision": REVISION, "file": "gsm8k.json"}),
    ],
)
def test_a_node_of_the_hub_fetches_its_pinned_file_once(tmp_path, format_, parts, hub):
    with file_host() as host:
        # The client reads its address when it is imported, hence a process of its own.
        environment = {"HF_ENDPOINT": host.address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        about = {"title": "t", "message": "m", "authors": [], "date": "2024-01-01T00:00:00.000Z"}
        commits = [about | {"id": commit} for commit in ("f" * 40, hub["revision"])]
        host.files[f"/api/datasets/{hub['repository']}/commits/main"] = json.dumps(commits).encode()
        host.files[f"/datasets/{hub['repository']}/resolve/{hub['revision']}/{hub['file']}"] = b"published"
        spec = {"method": "solutions", "format": format_, "source": "hub", "tokenizer": "p", "parts": parts}
        command = [sys.executable, "-c", FETCH, json.dumps(spec), str(tmp_path)]
        for _ in range(2):
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
            )
            assert done.stdout == "published\n", done.stderr
        assert sum("commits" in path for path in host.asked) == 1
