"""What may not change a training: the size of a micro-batch, the company of a row, the ranks, the launcher."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tiny
from stepladder.study.resources import torchrun_on_one_node

STEPS = 8
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def alone() -> tuple[dict, list]:
    run = tiny.LanguageRun()
    return run.steps(STEPS), run.weights()


@pytest.mark.parametrize("micro_batch", [1, 3, 8])
def test_the_size_of_a_micro_batch_changes_nothing(alone, micro_batch):
    run = tiny.LanguageRun(micro_batch=micro_batch)
    said = run.steps(STEPS)
    assert tiny.furthest(run.weights(), alone[1]) < 1e-5
    for point, expected in zip(said, alone[0], strict=True):
        assert point == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("keys", [{}, {"micro_batch": 3}, {"gradient_checkpointing": True}])
def test_packed_batches_train_as_padded_ones(alone, keys):
    run = tiny.LanguageRun(packed=True, **keys)
    said = run.steps(STEPS)
    assert tiny.furthest(run.weights(), alone[1]) < 1e-5
    for point, expected in zip(said, alone[0], strict=True):
        assert point == pytest.approx(expected, rel=1e-4)


def test_the_micro_batches_of_muon_change_nothing():
    runs = [tiny.LanguageRun(optimizer="muon", micro_batch=size) for size in (None, 1)]
    for run in runs:
        run.steps(4)
    # Muon turns gradients to bf16, whose last bit is worth 0.4 % of a step.
    assert tiny.furthest(runs[0].weights(), runs[1].weights()) < 2e-3
    assert tiny.furthest(runs[0].weights(), tiny.model().state_dict()) > 1e-2


@torch.no_grad()
def test_neither_padding_nor_company_changes_a_loss():
    run = tiny.LanguageRun()
    model = tiny.model()
    together, _ = run.loss(model, range(17))
    assert together.item() == pytest.approx(sum(run.loss(model, [i])[0].item() for i in range(17)), rel=1e-6)
    assert together.item() == pytest.approx(run.loss(model, list(range(17))[::-1])[0].item(), rel=1e-6)


def launched(tmp_path: Path, ranks: int, *modes: str) -> None:
    command = [str(HERE / "train_on_ranks.py"), str(tmp_path), str(STEPS), *modes]
    torchrun = Path(sys.executable).parent / "torchrun"
    launcher = ["env", *torchrun_on_one_node(ranks, str(torchrun))] if ranks > 1 else [sys.executable]
    path = os.pathsep.join([str(HERE.parent), *sys.path])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run([*launcher, *command], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr


def compare(folder: Path, mode: str, ranks: int, alone, tolerance: float) -> None:
    found = torch.load(folder / f"{mode}.pt")
    assert tiny.furthest(found["weights"], alone[1]) < tolerance
    assert len(found["history"]) == STEPS
    for point, expected in zip(found["history"], alone[0], strict=True):
        assert point == pytest.approx(expected, rel=1e-3)
    said = json.loads((folder / f"{mode}.json").read_text())
    saved = [f"step-2/random_states_{rank}.pkl" for rank in range(ranks)]
    assert set(said.pop("listening")) <= {"127.0.0.1"}
    assert said == {"ranks": list(range(ranks)), "saved": saved, "agreed": [True, False], "resumed": 0.0}


def test_two_ranks_train_as_one_with_and_without_zero(tmp_path, alone):
    launched(tmp_path, 2, "none", "none_packed", "zero2", "zero3_offload_packed")
    compare(tmp_path, "none", 2, alone, 1e-5)
    compare(tmp_path, "none_packed", 2, alone, 1e-5)
    compare(tmp_path, "zero2", 2, alone, 1e-4)
    compare(tmp_path, "zero3_offload_packed", 2, alone, 1e-4)


def test_zero_on_one_rank_needs_no_launcher(tmp_path, alone):
    launched(tmp_path, 1, "zero2")
    compare(tmp_path, "zero2", 1, alone, 1e-4)
