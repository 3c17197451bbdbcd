"""An on-policy training that is killed inside an iteration and goes on ends, bit for bit, as an undisturbed one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tiny

OF_ROLLOUTS = {"rewards": None, "credit": {"kind": "rollouts", "rollouts": 2}}
ON_TWO_RANKS = {
    "rewards": None, "credit": {"kind": "leave_one_out"}, "iterations": 2, "optimisation": {"processes": 2},
}  # fmt: skip
CASES = [
    ("whole", OF_ROLLOUTS, [None]),
    ("killed", OF_ROLLOUTS, [("rolling out", 0), ("keeping", 1), ("updating", 2), None]),
    ("whole on two ranks", ON_TWO_RANKS, [None]),
    ("killed on two ranks", ON_TWO_RANKS, [("sampling", 1), None]),
]


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


@pytest.mark.parametrize(("whole", "killed"), [(0, 1), (2, 3)], ids=["one rank", "two ranks"])
def test_a_training_that_is_killed_and_goes_on_ends_as_an_undisturbed_one(ended, whole, killed):
    folder, codes, said = ended
    (undisturbed, *_), (name, _, moments) = CASES[whole], CASES[killed]
    assert not any(codes[undisturbed][0]), said[-3000:]
    *died, last = codes[name]
    assert len(died) == len(moments) - 1 and all(ranks[-1] == -9 for ranks in died), codes
    assert not any(last), said[-3000:]
    weights = [(folder / each / "checkpoint" / "model.safetensors").read_bytes() for each in (name, undisturbed)]
    assert weights[0] == weights[1]
    assert tiny.course(folder / name) == tiny.course(folder / undisturbed)
    assert not (folder / name / ".checkpoint").exists()
