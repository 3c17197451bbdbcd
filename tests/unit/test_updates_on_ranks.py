"""An on-policy update is that of its global batch: 1 x 8 = 8 x 1 = 2 ranks x 4, whatever gives credit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from onpolicy_scene import ppo, prepared, trainer_for

import tiny
from stepladder.policies.updates import update
from stepladder.study.resources import torchrun_on_one_node

HERE = Path(__file__).parent
CREDITS = {
    "critic": {"credit": {"kind": "critic"}, "whiten": "full"},
    "rollouts": {"credit": {"kind": "rollouts"}, "whiten": "scale"},
    "group": {"credit": {"kind": "group_relative"}, "whiten": "none", "kl_unit": "sequence_as_published"},
}


def keys(credit: str, micro_batch: int, ranks: int = 1) -> dict:
    """Of a spec whose one optimiser batch is all eight episodes, of unlike lengths."""
    sizes = {"batch_size": 8, "micro_batch": micro_batch, "processes": ranks}
    return CREDITS[credit] | {"optimisation": sizes | {"learning_rate": 5e-4}}


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def on_two_ranks(start, tmp_path_factory) -> Path:
    """What two gloo ranks of four episodes each make of the update, by credit."""
    folder = tmp_path_factory.mktemp("ranks")
    launcher = torchrun_on_one_node(2, str(Path(sys.executable).with_name("torchrun")))
    specs = json.dumps({credit: keys(credit, 4, ranks=2) for credit in CREDITS})
    command = ["env", *launcher, str(HERE / "update_on_ranks.py"), str(start), str(folder), specs]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("credit", CREDITS)
def test_neither_micro_batches_nor_ranks_change_an_update(credit, start, on_two_ranks):
    alone = []
    for micro_batch in (8, 1):
        spec = ppo(**keys(credit, micro_batch))
        episodes, trainer = prepared(start, spec)
        said = update(episodes, spec, trainer, 0, seed=0)
        assert trainer.steps_done == 1
        alone.append((said, trainer.bare_model.state_dict()))
    together = torch.load(on_two_ranks / f"{credit}.pt")
    assert together["ranks"] == 2
    (said, weights), *others = [*alone, (together["said"], together["weights"])]
    for its_said, its_weights in others:
        assert its_weights.keys() == weights.keys() and tiny.furthest(its_weights, weights) < 1e-5
        assert its_said == pytest.approx(said, rel=1e-4, abs=1e-6)
    before = trainer_for(start, ppo(**keys(credit, 8))).bare_model.state_dict()
    assert tiny.furthest(weights, before) > 4e-4, "the update moves weights"
