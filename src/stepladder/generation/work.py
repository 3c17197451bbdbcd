"""A policy's answers to questions, chunk by chunk: shards together give what one job gives, row for row."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from stepladder.generation.chunks import chunks, in_chunks, sample_seed
from stepladder.generation.engine import Engine
from stepladder.generation.requests import Request, Sampling
from stepladder.generation.trajectories import prompts_of, trajectory_rows
from stepladder.job import Job
from stepladder.reasoning.tokens import load_tokenizer
from stepladder.records import TRAJECTORIES


class PolicyEngine:
    """A policy's engine and tokenizer; the engine starts with the first chunk that needs it."""

    def __init__(self, checkpoint: Path, settings: dict[str, int]):
        self.checkpoint, self.settings = checkpoint, settings
        self.tokenizer = load_tokenizer(checkpoint)

    @cached_property
    def engine(self) -> Engine:
        """The running engine."""
        return Engine(
            self.checkpoint,
            max_num_seqs=self.settings["batch_sequences"],
            tensor_parallel=self.settings["tensor_parallel"],
        )

    def close(self) -> None:
        """Frees the engine's memory, where it was ever started."""
        engine = self.__dict__.pop("engine", None)
        if engine is not None:
            engine.close()


def answer_questions(
    job: Job,
    questions: Iterable[dict[str, Any]],
    policy: PolicyEngine,
    sampling: Sampling,
    samples: int,
    decoding: str,
    part: tuple[int, int] = (1, 1),
) -> list[dict[str, Any]]:
    """Rows of the trajectory table: a policy's answers to the questions of one shard.

    Args:
        decoding: what these answers are called, in the progress bar and among the finished chunks.
    """

    def make_rows(chunk: Sequence[dict[str, Any]], label: str) -> list[dict[str, Any]]:
        prompts = prompts_of(policy.tokenizer, chunk)
        requests = [
            Request(prompts[key], samples, sample_seed(job.study, job.node, job.seed, key))
            for key in (row["question_id"] for row in chunk)
        ]
        answers = policy.engine.generate(requests, sampling, progress=f"{label} {decoding}")
        return [
            made
            for row, request, completions in zip(chunk, requests, answers, strict=True)
            for made in trajectory_rows(row, request.prompt_ids, completions, policy.tokenizer, job.step_style)
        ]

    ordered = sorted(questions, key=lambda row: row["question_id"])
    pieces = chunks(ordered, job.data["chunk"])
    return in_chunks(job, pieces, TRAJECTORIES, make_rows, job.checkpoint / decoding, part)
