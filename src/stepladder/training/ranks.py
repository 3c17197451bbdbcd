"""The ranks of one training: as many as the study says, on GPUs where there are any, with DeepSpeed or without."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import Accelerator, DeepSpeedPlugin
from accelerate.utils import InitProcessGroupKwargs

from stepladder.errors import StepladderError
from stepladder.files import alone
from stepladder.study.optimisation import Optimisation

Item = TypeVar("Item")

_ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}


def start_ranks(optimisation: Optimisation) -> Accelerator:
    """This process as one of the ranks that the launcher started; the only one without a launcher.

    Raises:
        StepladderError: when the launcher started another number of ranks than the study says.
    """
    if os.environ.get("GROUP_WORLD_SIZE") == "1" and not torch.distributed.is_initialized():
        _meet_on_this_node()
    accelerator = _accelerator(optimisation)
    if accelerator.num_processes != optimisation.processes:
        raise StepladderError(
            f"{accelerator.num_processes} ranks were started, and optimisation.processes is {optimisation.processes}; "
            "start as many as the study says, as the rule does: torchrun --nproc-per-node"
        )
    return accelerator


def _meet_on_this_node() -> None:
    """Joins the ranks of one node through a file and over loopback: torch's own store listens on every interface."""
    rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    os.environ |= {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    # The launcher makes a private folder for every attempt, and in it one for what each rank has to say of its faults.
    attempt = Path(os.environ["TORCHELASTIC_ERROR_FILE"]).parents[1]
    store = torch.distributed.FileStore(str(attempt / "ranks"), ranks)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=ranks)


def _accelerator(optimisation: Optimisation) -> Accelerator:
    precision = "bf16" if optimisation.precision == "bf16" else "no"
    on_cpu = not torch.cuda.is_available()
    if optimisation.deepspeed == "none":
        return Accelerator(cpu=on_cpu, mixed_precision=precision)
    if "LOCAL_RANK" not in os.environ:  # DeepSpeed would look for MPI to learn that it is alone
        os.environ |= _ALONE
    if on_cpu:
        _load_exchange()
    # On CPUs accelerate sees the ranks of DeepSpeed only if it is told how they talk to each other.
    talk = [InitProcessGroupKwargs(backend="gloo")] if on_cpu else []
    return Accelerator(mixed_precision=precision, deepspeed_plugin=_deepspeed(optimisation), kwargs_handlers=talk)


def _load_exchange() -> None:
    """DeepSpeed's exchange between the ranks of one node's CPUs, compiled at its first use on a machine."""
    from deepspeed.accelerator import get_accelerator
    from torch.utils.cpp_extension import _get_build_directory

    builder = get_accelerator().create_op_builder("ShareMemCommBuilder")
    with without_dead_builds(Path(_get_build_directory(builder.name, verbose=False))):
        builder.load()


@contextmanager
def without_dead_builds(folder: Path) -> Iterator[None]:
    """Lets one process at a time build or load an extension in a folder of torch's.

    Torch's own lock there is a file: a process that is killed leaves it behind, and all others would wait for it for
    ever. Under a lock of the operating system, which dies with its process, such a file is nobody's.
    """
    with alone(folder.with_name(f"{folder.name}.lock")):
        (folder / "lock").unlink(missing_ok=True)
        yield


def _deepspeed(optimisation: Optimisation) -> DeepSpeedPlugin:
    zero = {"stage": int(optimisation.deepspeed.removeprefix("zero")), "overlap_comm": False}
    if optimisation.offload:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    return DeepSpeedPlugin(
        hf_ds_config={
            "train_micro_batch_size_per_gpu": 1,  # batches are ours; DeepSpeed only wants a number
            "gradient_accumulation_steps": 1,
            "gradient_clipping": optimisation.clip_norm or 0.0,
            "zero_optimization": zero,
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,  # ours, offloaded or not; DeepSpeed's own would be compiled first
            "bf16": {"enabled": optimisation.precision == "bf16"},
        }
    )


def gather(own: Item, ranks: int) -> list[Item]:
    """What each rank holds, in the order of the ranks; every rank must ask for it."""
    held = [own] * ranks
    if ranks > 1:
        torch.distributed.all_gather_object(held, own)
    return held
