"""Run on one or several ranks: the same training as in one process, and once more with a stop and a resume."""

import json
import os
import sys
import time
from pathlib import Path

import psutil
import torch
from accelerate.state import AcceleratorState

import tiny
from stepladder.training.trainer import Trainer


def fresh(mode: str) -> tiny.LanguageRun:
    """A run of its own: accelerate keeps one state a process, and allows DeepSpeed only in a new one."""
    AcceleratorState._reset_state(reset_partial_state=True)
    deepspeed, *flags = mode.split("_")
    return tiny.LanguageRun(deepspeed=deepspeed, micro_batch=3, **dict.fromkeys(flags, True))


def slow_to_save(run: tiny.LanguageRun) -> None:
    """A rank that writes its part of a checkpoint when the others are done with theirs."""
    save_state = run.trainer.accelerator.save_state

    def late(folder: str) -> None:
        time.sleep(1)
        save_state(folder)

    run.trainer.accelerator.save_state = late


def listening() -> list[str]:
    """The addresses on which the launcher and its ranks listen."""
    launcher = psutil.Process(os.getppid())
    family = [launcher, *launcher.children(recursive=True)]
    sockets = [each for process in family for each in process.net_connections("inet")]
    return [each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN]


def train(folder: Path, steps: int, mode: str) -> Trainer:
    """Leaves what the training made and the training that was resumed."""
    run = fresh(mode)
    history, weights = run.steps(steps), run.weights()
    ranks = [0] * run.trainer.ranks
    if run.trainer.ranks > 1:
        torch.distributed.all_gather_object(ranks, run.trainer.rank)
    last = run.trainer.rank == run.trainer.ranks - 1
    agreed = [run.trainer.agree(last), run.trainer.agree(False)]
    stopped = fresh(mode)
    stopped.steps(2)
    if last:
        slow_to_save(stopped)
    stopped.trainer.save_checkpoint(folder / mode, {})
    resumed = fresh(mode)
    assert resumed.trainer.load_checkpoint(folder / mode) == {}
    for batch in resumed.batches[2:steps]:
        resumed.trainer.step(batch, resumed.weight(batch), resumed.loss)
    difference = tiny.furthest(weights, resumed.weights())
    if run.trainer.accelerator.is_main_process:
        torch.save({"weights": weights, "history": history}, folder / f"{mode}.pt")
        files = [path.relative_to(folder / mode) for path in (folder / mode).rglob("random_states_*.pkl")]
        said = {"ranks": ranks, "saved": sorted(map(str, files)), "agreed": agreed, "resumed": difference}
        said["listening"] = listening() if run.trainer.ranks > 1 else []
        (folder / f"{mode}.json").write_text(json.dumps(said))
    return resumed.trainer


if __name__ == "__main__":
    for mode in sys.argv[3:]:
        trainer = train(Path(sys.argv[1]), int(sys.argv[2]), mode)
    trainer.leave_ranks()
