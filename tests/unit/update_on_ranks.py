"""Run on several ranks: python update_on_ranks.py START FOLDER SPECS, one update of fixed episodes by each spec."""

import json
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState
from onpolicy_scene import ppo, prepared
from torch.nn.parallel import DistributedDataParallel

from stepladder.policies.updates import update


def end_without(wrapper: weakref.ref, end: Callable[[Any], None]) -> Callable[[Any], None]:
    """The end of the exchange, which fails where data parallelism's wrapper would be its last holder."""

    def checked(group: Any) -> None:
        assert wrapper() is None
        end(group)

    return checked


if __name__ == "__main__":
    start, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for name, keys in json.loads(sys.argv[3]).items():
        AcceleratorState._reset_state(reset_partial_state=True)  # accelerate keeps one state a process
        spec = ppo(**keys)
        episodes, trainer = prepared(start, spec)
        said = update(episodes, spec, trainer, 0, seed=0)
        if trainer.accelerator.is_main_process:
            made = {"ranks": trainer.ranks, "said": said, "weights": trainer.bare_model.state_dict()}
            torch.save(made, folder / f"{name}.pt")
    assert isinstance(trainer.model, DistributedDataParallel)
    ends = torch.distributed.destroy_process_group
    torch.distributed.destroy_process_group = end_without(weakref.ref(trainer.model), ends)
    trainer.leave_ranks()
