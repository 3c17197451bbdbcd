"""On-policy trainings whose ranks are killed and started again: python kill_and_go_on.py INPUTS FOLDER CASES

INPUTS and CASES are JSON: paths by name, and of every case a name, the keys of its node, and for each attempt where, in
which iteration and which of its ranks is killed, or null. Prints the exit codes of all ranks by case and attempt. Ranks
are forks of this process, which has imported all that takes long; it stands for their launcher, and like that ends all
ranks when one dies.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# Imported late by every rank, which takes longer than its training.
import deepspeed  # noqa: F401
import vllm.model_executor.models.llama
import vllm.v1.worker.cpu_worker  # noqa: F401

import tiny
from stepladder.generation import engine
from stepladder.policies import onpolicy
from stepladder.records import QUESTIONS, Counts, read_records
from stepladder.training import trainer

# Where a rank dies: in a function, before so many calls of it in an iteration. The 20 answers of an iteration are told
# one by one, then the rollouts; an iteration has two updates.
PLACES = {
    "sampling": (engine, "_completion", 5),
    "rolling out": (engine, "_completion", 30),
    "updating": (trainer.Trainer, "_update", 2),
    "keeping": (trainer, "seal", 1),
}


def die(place: str, iteration: int) -> None:
    """Has this process kill itself at a place of an iteration, counted from 0."""
    owner, name, before_call = PLACES[place]
    work, begin, seen = getattr(owner, name), onpolicy.questions_of_iteration, {"iteration": -1, "calls": 0}

    def counted(*arguments: Any) -> Any:
        seen["calls"] += 1
        if seen == {"iteration": iteration, "calls": before_call}:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*arguments)

    def begun(job: Any, questions: Any, now: int) -> Any:
        seen.update(iteration=now, calls=0)
        return begin(job, questions, now)

    setattr(owner, name, counted)
    onpolicy.questions_of_iteration = begun


def train(
    folder: Path, inputs: dict[str, Path], keys: dict[str, Any], moment: list | None, rank: int, turn: int
) -> None:
    """One rank of one attempt; a checkpoint is kept after every iteration."""
    ranks = keys.get("optimisation", {}).get("processes", 1)
    if ranks > 1:
        names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks}
        attempt = folder.with_name(f"{folder.name}.attempt-{turn}")
        attempt.mkdir(exist_ok=True)
        names |= {"GROUP_WORLD_SIZE": 1, "TORCHELASTIC_ERROR_FILE": attempt / str(rank) / "error.json"}
        names |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 0}
        os.environ |= {name: str(value) for name, value in names.items()}
    trainer.CHECKPOINT_SECONDS, trainer._CHECKPOINT_SPACING = -1.0, 0
    if moment and rank == moment[2]:
        die(*moment[:2])
    questions = [row for row in read_records(inputs["questions"], QUESTIONS) if row["split"] == "train"]
    onpolicy.train_ppo(tiny.ppo_job(folder, inputs, **keys), questions, Counts())


def wait(ranks: list[BaseProcess]) -> list[int]:
    """The exit codes of ranks; when one fails, the others are ended."""
    while any(rank.exitcode is None for rank in ranks):
        if any(rank.exitcode for rank in ranks):
            for rank in ranks:
                rank.terminate()
        time.sleep(0.05)
    return [rank.exitcode for rank in ranks]


if __name__ == "__main__":
    inputs = {name: Path(path) for name, path in json.loads(sys.argv[1]).items()}
    fork, codes = multiprocessing.get_context("fork"), {}
    for name, keys, moments in json.loads(sys.argv[3]):
        count = keys.get("optimisation", {}).get("processes", 1)
        codes[name] = []
        for turn, moment in enumerate(moments):
            given = (Path(sys.argv[2], name), inputs, keys, moment)
            ranks = [fork.Process(target=train, args=(*given, rank, turn)) for rank in range(count)]
            for rank in ranks:
                rank.start()
            codes[name].append(wait(ranks))
    print(json.dumps(codes))
