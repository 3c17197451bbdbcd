"""Twenty kills at random moments of one run, at least one in every stage: it still ends as if nothing had happened."""

import random
import time

from scene import STUDY, kill, nothing_left, start

from graph import TINY, planned, run, same_tables
from stepladder.study.specs import STAGES

KILLS = 20
SEED = 2611
# A random part of this many seconds passes after a stage has begun. Light jobs take about two seconds.
LONGEST = {"policies": 8.0, "trajectories": 8.0, "labels": 8.0, "prms": 8.0, "evaluations": 8.0}
LIGHT = 1.5


def test_a_run_that_is_killed_again_and_again_ends_with_identical_tables(finished, tmp_path):
    results, rng = tmp_path / "results", random.Random(SEED)
    moments = []
    for stage in STAGES:
        moments.append((stage, rng.uniform(0, LONGEST.get(stage, LIGHT))))
        if len(moments) < KILLS - 1 and stage in LONGEST:
            moments.append((None, rng.uniform(0, 15)))
    while len(moments) < KILLS:
        moments.insert(rng.randrange(len(moments)), (None, rng.uniform(0, 15)))
    met = []
    for stage, seconds in moments:
        process = start(results)
        if stage is not None:
            assert begins(results, stage, process), (SEED, stage, met)
        time.sleep(seconds)
        met.append((stage, round(seconds, 2), process.poll() is None))
        kill(process)
    said = f"seed {SEED}; stage, seconds, alive: {met}"
    assert sum(alive for _, _, alive in met) == KILLS, said
    run(results, TINY)
    same_tables(results, finished)
    nothing_left(results)
    assert planned(run(results, TINY, "--dry-run")) == {}, said


def begins(results, stage, process) -> bool:
    """Waits until a job of a stage has begun in this run; False when the run ended without."""
    since = time.time_ns()
    while process.poll() is None:
        for log in (results / STUDY / "logs" / stage).glob("*.log"):
            if log.stat().st_mtime_ns >= since:
                return True
        time.sleep(0.02)
    return False
