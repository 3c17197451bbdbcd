"""An on-policy training that is killed inside an iteration and goes on ends, bit for bit, as an undisturbed one."""

import json
import os
import random
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

import tiny

OF_ROLLOUTS = {"rewards": None, "credit": {"kind": "rollouts", "rollouts": 2}}
ON_TWO_RANKS = {
    "rewards": None, "credit": {"kind": "leave_one_out"}, "iterations": 2, "optimisation": {"processes": 2},
}  # fmt: skip
WITH_A_CRITIC = {"rewards": None}
# A moment of its own in every run; a failure prints the seed, which STEPLADDER_KILL_SEED gives again.
SEED = int(os.environ.get("STEPLADDER_KILL_SEED", secrets.randbelow(10**6)))
_dice = random.Random(SEED)
MOMENT = (_dice.choice(["sampling", "updating", "keeping"]), _dice.randrange(3), 0)
# Of every attempt the place, the iteration and the rank that dies; None: nobody does.
CASES = [
    ("whole", OF_ROLLOUTS, [None]),
    ("killed", OF_ROLLOUTS, [("rolling out", 0, 0), ("keeping", 1, 0), ("updating", 2, 0), None]),
    ("whole on two ranks", ON_TWO_RANKS, [None]),
    ("killed on two ranks", ON_TWO_RANKS, [("sampling", 1, 1), ("keeping", 1, 0), None]),
    ("whole with a critic", WITH_A_CRITIC, [None]),
    ("killed with a critic", WITH_A_CRITIC, [MOMENT, None]),
]
# What a checkpoint of a policy holds, with its critic where it has one.
WEIGHTS = ("model.safetensors", "critic/model.safetensors", "critic/value_head.safetensors")


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The folder of all trainings, and of each the exit codes of the ranks of every attempt."""
    inputs = tiny.ppo_inputs(tmp_path_factory.mktemp("inputs"))
    folder = tmp_path_factory.mktemp("ended")
    given = [json.dumps({name: str(path) for name, path in inputs.items()}), str(folder), json.dumps(CASES)]
    path = os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])
    command = [sys.executable, str(Path(__file__).with_name("kill_and_go_on.py")), *given]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize(("whole", "killed"), [(0, 1), (2, 3), (4, 5)], ids=["one rank", "two ranks", "critic"])
def test_a_training_that_is_killed_and_goes_on_ends_as_an_undisturbed_one(ended, whole, killed):
    folder, codes, said = ended
    (undisturbed, *_), (name, keys, moments) = CASES[whole], CASES[killed]
    assert not any(codes[undisturbed][0]), said[-3000:]
    print(f"STEPLADDER_KILL_SEED={SEED}: {MOMENT}")
    *died, last = codes[name]
    assert len(died) == len(moments) - 1
    assert all(ranks[victim] == -9 for ranks, (*_, victim) in zip(died, moments[:-1], strict=True)), codes
    assert not any(last), said[-3000:]
    checkpoints = [folder / each / "checkpoint" for each in (name, undisturbed)]
    kept = [[each for each in WEIGHTS if (checkpoint / each).exists()] for checkpoint in checkpoints]
    assert kept[0] == kept[1] == list(WEIGHTS if keys is WITH_A_CRITIC else WEIGHTS[:1])
    for each in kept[0]:
        assert (checkpoints[0] / each).read_bytes() == (checkpoints[1] / each).read_bytes(), each
    assert tiny.course(folder / name) == tiny.course(folder / undisturbed)
    assert not (folder / name / ".checkpoint").exists()
