"""The vLLM engine, in process: generates, takes new weights, and is the only module that imports vllm.

Several ranks (torchrun, accelerate, DeepSpeed): let accelerate or DeepSpeed initialise ``torch.distributed``
first, then build the engine on every rank. It joins that world through vLLM's ``external_launcher`` executor,
which takes the ranks in groups of ``tensor_parallel``: with 1, each rank holds an engine of its own and generates
what and when it likes; with k, each k neighbours share one model and must call every method together with the
same arguments. Building is collective either way. In a plain process the engine stands alone, and its threads
follow OMP_NUM_THREADS (they are not pinned to cores).

Log-probs are vLLM's ``raw_logprobs``: those of the sampled tokens under the model's own distribution, before
temperature and top_p, so at temperature 1 and top_p 1 they are those of the distribution sampled from.
"""

import random
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PretrainedConfig
from vllm import EngineArgs, LLMEngine, SamplingParams
from vllm.outputs import CompletionOutput
from vllm.sampling_params import RequestOutputKind

from stepladder.errors import StepladderError
from stepladder.generation.requests import Completion, Request, Sampling
from stepladder.pretrained import load_config
from stepladder.progress import Progress

_CPU_CACHE_TOKENS = 1 << 18


class Engine:
    """A running engine with one model's weights.

    Args:
        checkpoint: a Hugging Face folder with its tokenizer.
        max_model_len: most tokens of prompt and completion together; None for the model's own context.
        max_num_seqs: most sequences decoded together.
        tensor_parallel: how many ranks hold one model.
        memory_share: of a GPU's memory, for weights and cache together; leave room for a trainer on the same GPU.

    Raises:
        StepladderError: when there is no model, or one that vLLM cannot run on this machine.
    """

    def __init__(
        self,
        checkpoint: Path,
        *,
        max_model_len: int | None = None,
        max_num_seqs: int = 1024,
        tensor_parallel: int = 1,
        memory_share: float = 0.9,
    ):
        config = load_config(checkpoint)
        self.max_model_len = max_model_len or config.max_position_embeddings
        if self.max_model_len > config.max_position_embeddings:
            raise StepladderError(
                f"max_model_len {self.max_model_len} is more than the {config.max_position_embeddings} positions "
                f"of {checkpoint}; ask for less"
            )
        on_gpu = torch.cuda.is_available()
        device = (
            {"dtype": "auto", "gpu_memory_utilization": memory_share}
            if on_gpu
            else _cpu_arguments(config, self.max_model_len, max_num_seqs)
        )
        self._is_guest = torch.distributed.is_initialized()
        launched = self._is_guest and torch.distributed.get_world_size() > 1
        # Whole prompts only: a prompt prefilled in pieces would draw once from its seed for each piece.
        with _random_state_kept(), warnings.catch_warnings(action="ignore", category=FutureWarning):
            self._engine = LLMEngine.from_engine_args(
                EngineArgs(
                    str(checkpoint),
                    load_format="safetensors",
                    trust_remote_code=False,
                    max_model_len=self.max_model_len,
                    max_num_seqs=max_num_seqs,
                    max_num_batched_tokens=max(16384, max_num_seqs, self.max_model_len),
                    enable_chunked_prefill=False,
                    enable_prefix_caching=True,
                    tensor_parallel_size=tensor_parallel,
                    distributed_executor_backend="external_launcher" if launched else None,
                    disable_log_stats=True,
                    use_tqdm_on_load=False,
                    **device,
                )
            )
        if self._is_guest:
            # vLLM's clean-up at exit destroys torch.distributed, which belongs to the trainer of this process.
            self._engine.engine_core._finalizer.detach()

    def generate(self, requests: Sequence[Request], sampling: Sampling, progress: str) -> list[list[Completion]]:
        """The completions of every request, in the order of the requests.

        They depend on the weights and the arguments alone: cached prefixes of earlier calls are forgotten first,
        and the caller's random state is neither read nor changed. A request with no room left (its own budget
        spent, or its prompt as long as the model's context) gets completions of no tokens, finished by "length".

        Args:
            progress: what the progress bar says; empty for no bar.

        Raises:
            StepladderError: when a prompt is empty, or a greedy request asks for several samples.
        """
        _check(requests, sampling)
        self._engine.reset_prefix_cache()
        done: dict[int, list[Completion]] = {}
        for number, request in enumerate(requests):
            budget = self._budget(request, sampling)
            if budget < 1:
                done[number] = [Completion((), (), "length")] * request.samples
            else:
                prompt = {"prompt_token_ids": list(request.prompt_ids)}
                self._engine.add_request(str(number), prompt, _parameters(request, sampling, budget))
        bar = Progress(progress, len(requests), "prompts") if progress else None
        tokens, started = 0, time.monotonic()
        with _random_state_kept():
            for number, completions in self._finished():
                done[number] = completions
                tokens += sum(len(completion.token_ids) for completion in completions)
                if bar:
                    bar.update(len(done), f"{tokens / (time.monotonic() - started):.0f} tokens/s")
        if bar:
            bar.close(f"{tokens / (time.monotonic() - started):.0f} tokens/s")
        return [done[number] for number in range(len(requests))]

    def _budget(self, request: Request, sampling: Sampling) -> int:
        budget = min(sampling.max_tokens, self.max_model_len - len(request.prompt_ids))
        return budget if request.max_tokens is None else min(budget, request.max_tokens)

    def _finished(self) -> Iterator[tuple[int, list[Completion]]]:
        while self._engine.has_unfinished_requests():
            for output in self._engine.step():
                if output.finished:
                    samples = sorted(output.outputs, key=lambda sample: sample.index)
                    yield int(output.request_id), [_completion(sample) for sample in samples]

    def swap_weights(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Copies new weights in from memory; their names are those of the checkpoint."""
        detached = ((name, tensor.detach()) for name, tensor in weights)
        self._engine.collective_rpc("reload_weights", kwargs={"weights_iterator": detached})

    def close(self) -> None:
        """Stops the engine and frees its memory; a ``torch.distributed`` that was there before it stays."""
        if self._is_guest:
            self._engine.model_executor.shutdown()
        else:
            self._engine.engine_core.shutdown()


def _cpu_arguments(config: PretrainedConfig, max_model_len: int, max_num_seqs: int) -> dict[str, Any]:
    """What differs on a CPU: full precision, nothing compiled, blocks that short prompts fill, a small cache."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    sizes = CPUAttentionBackend.get_supported_head_sizes()
    if head_dim not in sizes:
        raise StepladderError(f"vLLM on a CPU cannot run heads of size {head_dim}; it can run sizes {sizes}")
    # vLLM compiles the count that ranks a log-prob, and nothing else here; plain torch does it without a C++ compiler.
    torch._dynamo.config.disable = True
    tokens = max(max_model_len, min(max_num_seqs * max_model_len, _CPU_CACHE_TOKENS))
    bytes_per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * head_dim * torch.float32.itemsize
    return {
        "dtype": "float32",
        "enforce_eager": True,
        "block_size": 32,
        "kv_cache_memory_bytes": (tokens + 64) * bytes_per_token,
    }


def _check(requests: Sequence[Request], sampling: Sampling) -> None:
    if any(not request.prompt_ids for request in requests):
        raise StepladderError("a prompt has no tokens; leave such questions out")
    if sampling.temperature == 0 and any(request.samples > 1 for request in requests):
        raise StepladderError("temperature 0 gives one answer every time; ask for one sample or a higher temperature")


def _parameters(request: Request, sampling: Sampling, budget: int) -> SamplingParams:
    return SamplingParams(
        n=request.samples,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=budget,
        stop=list(sampling.stop),
        seed=request.seed,
        logprobs=0 if sampling.logprobs else None,
        flat_logprobs=True,
        detokenize=bool(sampling.stop),
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _completion(sample: CompletionOutput) -> Completion:
    logprobs = () if sample.logprobs is None else tuple(sample.logprobs.logprobs)
    return Completion(tuple(sample.token_ids), logprobs, "stop" if sample.finish_reason == "stop" else "length")


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """vLLM in process seeds the process's generators and draws from them; nothing outside should notice."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([torch.cuda.current_device()] if torch.cuda.is_available() else []):
        yield
    random.setstate(python)
    np.random.set_state(numpy)
