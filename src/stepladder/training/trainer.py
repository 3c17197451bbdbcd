"""The trainer: one optimizer step over a global batch, checkpoints that resume exactly, a time budget, progress."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.integrations import unset_hf_deepspeed_config
from transformers.modeling_layers import GradientCheckpointingLayer

from stepladder.budget import Budget
from stepladder.errors import StepladderError
from stepladder.files import explained, remove, set_aside
from stepladder.job import Job
from stepladder.progress import Progress
from stepladder.records import Counts, write_history
from stepladder.study.optimisation import Optimisation
from stepladder.training.batches import share_of_rank
from stepladder.training.kept import check_seal, folder_of_step, newest_first, read_state, seal
from stepladder.training.optimizer import build_optimizer, learning_rate_factor
from stepladder.training.packing import read_packed
from stepladder.training.pickles import tensors_only
from stepladder.training.ranks import start_ranks

# Loss over some rows: its SUM over their units (tokens, steps, pairs), and sums to report, over the same units.
Loss = Callable[[nn.Module, Sequence[int]], tuple[Tensor, dict[str, Tensor]]]
CHECKPOINT_KEPT = "the checkpoint is kept, run again to go on from it"
# A checkpoint is due after so many seconds, and after so many times as long as the last one took to write.
CHECKPOINT_SECONDS = 120.0
_CHECKPOINT_SPACING = 20


class Trainer:
    """Trains one module on all ranks that the launcher started.

    Losses are sums, divided by the weight of the *global* batch: neither the micro-batch size nor the number of ranks
    changes the result.
    """

    def __init__(
        self,
        model: nn.Module,
        parts: Iterable[tuple[nn.Module, float]],
        optimisation: Optimisation,
        total_steps: int,
        seed: int,
    ):
        set_seed(seed % 2**32)
        self.optimisation = optimisation
        self.total_steps = total_steps
        self.accelerator = start_ranks(optimisation)
        if optimisation.packed:
            read_packed(model)
        if optimisation.gradient_checkpointing:
            for part in model.modules():
                if isinstance(part, PreTrainedModel):
                    part.gradient_checkpointing_enable()
                if isinstance(part, GradientCheckpointingLayer):
                    part.training = True  # or it would keep its activations; the dropout inside it is another module
        # The module without the wrappers of DeepSpeed or data parallelism, which share its weights.
        self.bare_model = model
        optimizer = build_optimizer(parts, optimisation)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        unset_hf_deepspeed_config()  # or ZeRO-3 would split models loaded later, too, which do not learn
        self.steps_done = 0
        self.history: list[dict[str, float]] = []
        self._saved, self._saving_took = time.monotonic(), 0.0

    @property
    def rank(self) -> int:
        """This process's number."""
        return self.accelerator.process_index

    @property
    def ranks(self) -> int:
        """How many processes train together."""
        return self.accelerator.num_processes

    @property
    def splits_weights(self) -> bool:
        """Whether each rank holds a part of the weights only, so that all must take part in every pass."""
        return self.optimisation.deepspeed == "zero3"

    @contextmanager
    def whole_weights(self) -> Iterator[None]:
        """In the block every rank has the module's whole weights, to be read; every rank must enter it."""
        if not self.splits_weights:
            yield
            return
        from deepspeed.runtime.zero import GatheredParameters

        with GatheredParameters(list(self.bare_model.parameters())):
            yield

    def step(self, batch: Sequence[int], weight: float, loss: Loss, done: float | None = None) -> dict[str, float]:
        """One optimizer step over a global batch of rows.

        Args:
            batch: row numbers, the same on every rank.
            weight: units in the batch that the summed loss is divided by.
            loss: sum of the loss over some of the rows.
            done: share of the training that is done, which the learning rate follows; None: that of the steps.

        Returns:
            means over the batch of what the loss reports, with the gradient norm and the learning rate.

        Raises:
            StepladderError: on every rank, when the gradient norm is not finite; the last checkpoint stays.
        """
        at = self.steps_done if done is None else done * self.total_steps
        factor = learning_rate_factor(at, self.total_steps, self.optimisation)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        micro_batches = share_of_rank(batch, self.rank, self.ranks, self.optimisation.micro_batch)
        sums: dict[str, Tensor] = {}
        for number, rows in enumerate(micro_batches):
            last = number == len(micro_batches) - 1
            self.accelerator.gradient_state._set_sync_gradients(last)
            with nullcontext() if last or self.ranks == 1 else self.accelerator.no_sync(self.model):
                with self.accelerator.autocast(), torch.enable_grad():
                    total, reported = loss(self.model, rows or batch[:1])
                if not rows:  # every rank must take part in every exchange of gradients
                    total, reported = total * 0.0, {name: value * 0.0 for name, value in reported.items()}
                self.accelerator.backward(total * (self.ranks / max(weight, 1e-9)))
            for name, value in {"loss": total, **reported}.items():
                sums[name] = sums.get(name, 0.0) + value.detach().float()
        norm = self._update()
        self.steps_done += 1
        stacked = self.accelerator.reduce(torch.stack(list(sums.values())), "sum") / max(weight, 1e-9)
        means = dict(zip(sums, stacked.tolist(), strict=True))
        return means | {"gradient_norm": norm, "learning_rate": self.optimizer.param_groups[-1]["lr"]}

    def _update(self) -> float:
        limit = self.optimisation.clip_norm
        if self.optimisation.deepspeed != "none":  # which has stepped already, or silently has not
            return self._finite(self.model.get_global_grad_norm() or 0.0)
        norm = self._finite(self.accelerator.clip_grad_norm_(self.model.parameters(), limit if limit else float("inf")))
        self.optimizer.step()
        self.optimizer.zero_grad()
        return norm

    def _finite(self, norm: float | Tensor) -> float:
        """The global gradient norm, the same on every rank, if it is one: DeepSpeed says -1 or inf where it is not."""
        found = float(norm)
        if not 0.0 <= found < float("inf"):
            raise StepladderError(
                f"gradient of step {self.steps_done + 1} is not finite; lower optimisation.learning_rate or clip_norm"
            )
        return found

    def save_checkpoint(self, folder: Path, extra: dict[str, Any]) -> None:
        """Keeps everything that a resume needs, under a name that appears only when it is whole."""
        target = folder_of_step(folder, self.steps_done)
        temporary = target.with_suffix(".tmp")
        try:
            with explained(target):
                folder.mkdir(parents=True, exist_ok=True)
                self.accelerator.wait_for_everyone()
                self.accelerator.save_state(str(temporary))
                self.accelerator.wait_for_everyone()
                if self.accelerator.is_main_process:
                    state = {"steps_done": self.steps_done, "history": self.history, "extra": extra}
                    seal(temporary, state, target)
        finally:
            if self.accelerator.is_main_process:
                remove(temporary)
        if self.accelerator.is_main_process:
            for other in folder.glob("step-*"):
                if other != target:
                    remove(other)
        self.accelerator.wait_for_everyone()

    def load_checkpoint(self, folder: Path) -> dict[str, Any] | None:
        """Restores the last whole checkpoint and returns what was kept with it; None when there is none.

        One that is not what was written is set aside: the training goes on from the one before, or from the start.
        """
        found = newest_first(folder)
        self.accelerator.wait_for_everyone()  # before one rank removes what others have not seen yet
        for checkpoint in found:
            if self.agree(self._set_aside_if_broken(checkpoint)):
                continue
            state = read_state(checkpoint)
            with tensors_only(checkpoint, self.optimisation.deepspeed != "none"):
                self.accelerator.load_state(str(checkpoint))
            self.steps_done, self.history = state["steps_done"], state["history"]
            return state["extra"]
        return None

    def _set_aside_if_broken(self, checkpoint: Path) -> bool:
        """One rank reads all files, so that the others need not."""
        if self.accelerator.is_main_process:
            try:
                check_seal(checkpoint)
            except StepladderError as error:
                set_aside(checkpoint, error)
                return True
        return False

    def fit(
        self,
        batches: Sequence[Sequence[int]],
        weight: Callable[[Sequence[int]], float],
        loss: Loss,
        *,
        checkpoint: Path,
        budget: Budget,
        label: str,
    ) -> None:
        """Trains on the batches, one optimizer step each, from the last checkpoint on.

        Raises:
            StepladderError: when the time budget is spent; the work so far is kept and the next run goes on from it.
        """
        self.load_checkpoint(checkpoint)
        bar = Progress(label, len(batches), "steps", self.steps_done) if self.accelerator.is_main_process else None
        every = max(1, len(batches) // 50)
        while self.steps_done < len(batches):
            batch = batches[self.steps_done]
            with budget.unit():
                means = self.step(batch, weight(batch), loss)
            if self.steps_done % every == 0 or self.steps_done in (1, len(batches)):
                self.history.append({"step": self.steps_done, **means})
            if bar:
                bar.update(self.steps_done, f"loss {means['loss']:.4f}")
            if self.keep_or_stop(budget, checkpoint, {}, more=self.steps_done < len(batches)):
                raise budget.fault(f"at step {self.steps_done} of {len(batches)}", CHECKPOINT_KEPT)
        if bar and batches:
            bar.close(f"loss {self.history[-1]['loss']:.4f}")

    def keep_or_stop(self, budget: Budget, checkpoint: Path, extra: dict[str, Any], *, more: bool) -> bool:
        """Saves a checkpoint when one is due or the time is spent; true on every rank when training must stop.

        Args:
            more: whether there is work left.
        """
        stop = self.agree(more and budget.spent())
        wait = max(CHECKPOINT_SECONDS, _CHECKPOINT_SPACING * self._saving_took)
        if stop or self.agree(time.monotonic() - self._saved > wait):
            began = time.monotonic()
            self.save_checkpoint(checkpoint, extra)
            self._saved = time.monotonic()
            self._saving_took = self._saved - began
        return stop

    def finish(self, job: Job, metrics: dict[str, Any], counts: Counts) -> None:
        """Writes the course of the training and its metrics, and forgets the checkpoints."""
        if self.accelerator.is_main_process:
            write_history(self.history, job.output / "history.jsonl")
            job.write_metrics(metrics, counts)
            remove(job.checkpoint)
        self.leave_ranks()

    def leave_ranks(self) -> None:
        """Ends the exchange between the ranks, and with it the training.

        Its last holder must not be the wrapper of data parallelism: that would hold the interpreter while it waits for
        the exchange's threads, one of which may wait for the interpreter, for ever.
        """
        self.model = self.bare_model
        self.accelerator.free_memory()
        self.accelerator.end_training()

    def agree(self, flag: bool) -> bool:
        """True on every rank as soon as it is true on one."""
        if self.ranks == 1:
            return flag
        flags = torch.tensor(float(flag), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flags, "sum").item())
