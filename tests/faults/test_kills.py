"""Twenty kills of one run, in jobs of every stage and at random moments of them: it ends as if nothing had happened."""

import json
import random
import shutil
import time
from pathlib import Path

from scene import STUDY, attempt, kill, nothing_left, start, state, untouched, waits_for

from graph import TINY, planned, run, same_tables
from stepladder.study.graph import build
from stepladder.study.load import Sources
from stepladder.study.specs import STAGES

SEED = 2611
SOURCES = Sources(TINY)
# In an order in which each can be killed before the next one begins.
NODES = [
    "questions/six", "models/tiny", "policies/base", "policies/sft", "trajectories/samples", "labels/monte_carlo",
    "prms/bce", "prms/rank", "scores/samples", "rewards/wrs", "rewards/wrs_outcome", "pairs/outcome", "pairs/process",
    "pairs/random", "policies/dpo_outcome", "policies/dpo_process", "policies/ppo_published", "evaluations/sft",
    "evaluations/ppo_published", "tables/main",
]  # fmt: skip
COLD = "policies/base"  # its job is killed about when it has loaded its libraries; all others begin with them


def test_a_run_that_is_killed_again_and_again_ends_with_identical_tables(finished, tmp_path):
    # The quickstart keeps no rollouts; they are sampled and kept as those of labels are. It audits nothing.
    assert len(NODES) == 20 and {node.split("/")[0] for node in NODES} == set(STAGES) - {"rollouts", "audits"}
    results, rng = tmp_path / "results", random.Random(SEED)
    moments, done, before = [], set(), {}
    for node in NODES:
        (metrics,) = (finished / STUDY / node).rglob("metrics.json")
        seconds = rng.random() * seconds_of(metrics)
        while not killed(results, node, metrics.relative_to(finished), seconds):
            shutil.rmtree(results / STUDY / node)  # this time it was faster than undisturbed
            seconds /= 2
        moments.append(f"{node} after {seconds:.1f} s")
        after = state(results)
        if before:
            untouched(before, after)
        done |= made_from(node)  # its job had begun
        before = {place: seen for place, seen in after.items() if "/".join(Path(place).parts[1:3]) in done}
    said = f"seed {SEED}: {moments}"
    last = attempt(results)
    assert last.returncode == 0, (said, last.stdout[-4000:])
    untouched(before, state(results))
    same_tables(results, finished)
    nothing_left(results)
    assert planned(run(results, TINY, "--dry-run")) == {}, said


def made_from(node: str) -> set[str]:
    """The nodes that must be finished before a node's job begins: those whose files it reads, and theirs."""
    study = build(SOURCES.merged(), SOURCES)
    found: set[str] = set()
    todo = [node]
    while todo:
        read = study.inputs(*todo.pop().split("/"), 0).values()
        paths = [path for each in read for path in ([each] if isinstance(each, str) else each)]
        above = {"/".join(Path(path).relative_to(study.root).parts[:2]) for path in paths} - found
        found |= above
        todo += above
    return found


def killed(results: Path, node: str, metrics: Path, seconds: float) -> bool:
    """Starts a run, kills it some seconds after the node's job began, and says whether it was still going on then."""
    since = time.time_ns()
    process = start(results, str(results / metrics), cold=node == COLD)
    stage, name = node.split("/")
    logs = results / STUDY / "logs" / stage

    def began() -> bool:
        assert process.poll() is None, f"ended before {node} began: {process.stdout.read()[-3000:]}"
        return any(log.stat().st_mtime_ns >= since for log in logs.glob(f"{name}.*"))

    waits_for(began, 300)
    time.sleep(seconds)
    alive = process.poll() is None
    if alive:
        kill(process)
    return alive


def seconds_of(metrics: Path) -> float:
    """How long a node's job took; of a node in shards, its shard."""
    made = json.loads(metrics.read_text())
    return made["metrics"].get("shard_seconds", made["wall_seconds"])
