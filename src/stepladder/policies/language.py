"""Next-token training: the base model's drills and supervised fine-tuning."""

import os
import random
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from stepladder.errors import StepladderError
from stepladder.files import whole_folder
from stepladder.job import Job
from stepladder.policies.checkpoints import link_files
from stepladder.pretrained import load_model
from stepladder.questions.world import drill_rows
from stepladder.reasoning.tokens import encode_answer, encode_prompt, encode_text, load_tokenizer
from stepladder.records import Counts, write_history
from stepladder.training.batches import plan_batches, tokens_in
from stepladder.training.sequences import TokenSequence, answer_logprobs
from stepladder.training.trainer import Trainer


def load_policy(checkpoint: Path) -> nn.Module:
    """A checkpoint's causal language model, to be trained: its master weights are fp32 whatever it computes in."""
    return load_model(AutoModelForCausalLM, checkpoint, dtype=torch.float32)


def load_reference(checkpoint: Path) -> nn.Module:
    """A checkpoint's causal language model that does not learn: in its own precision on a GPU, in fp32 elsewhere."""
    if torch.cuda.is_available():
        return load_model(AutoModelForCausalLM, checkpoint, dtype="auto").cuda().eval()
    return load_model(AutoModelForCausalLM, checkpoint, dtype=torch.float32).eval()


def drill_sequences(
    tokenizer: PreTrainedTokenizerFast, count: int, seed: int, sets: Collection[str]
) -> list[TokenSequence]:
    """Rows of the atomic skills that data sets need, several a row and one a line; the loss is on their results alone.

    The rest of a line is drawn at random, so there is nothing to learn from it.
    """
    line_end = encode_text(tokenizer, "\n")
    rows = []
    for skills in drill_rows(random.Random(seed), count, sets):
        ids: list[int] = []
        targets: list[int] = []
        for prompt, result in skills:
            ids += encode_text(tokenizer, prompt)
            answer = encode_text(tokenizer, result)
            targets += range(len(ids), len(ids) + len(answer))
            ids += [*answer, *line_end]
        context = frozenset(range(targets[0], len(ids))) - frozenset(targets)
        rows.append(TokenSequence(tuple(ids), targets[0], context))
    return rows


def demonstration_sequences(
    tokenizer: PreTrainedTokenizerFast, questions: Sequence[dict[str, Any]], loss_on: str, longest: int, counts: Counts
) -> list[TokenSequence]:
    """Rows of a split's demonstrations.

    Args:
        questions: rows of the question table.
        loss_on: "chain" for the whole demonstration, "answer" for its last line only (the published masking).
        longest: most tokens of a row; longer ones are dropped and counted.
    """
    rows = []
    for question in questions:
        prompt = encode_prompt(tokenizer, question["prompt"])
        reasoning, line_end, answer = question["demonstration"].rpartition("\n")
        if loss_on == "answer" and line_end:
            context = encode_text(tokenizer, reasoning + line_end)
            row = TokenSequence((*prompt, *context, *encode_answer(tokenizer, answer)), len(prompt) + len(context))
        else:
            row = TokenSequence((*prompt, *encode_answer(tokenizer, question["demonstration"])), len(prompt))
        if len(row.ids) > longest:
            counts.drop("longer than the model's context")
        else:
            rows.append(row)
    return rows


def right_answer_sequences(
    trajectories: Iterable[dict[str, Any]], per_question: int, longest: int, counts: Counts
) -> list[TokenSequence]:
    """Rows of a policy's own right answers, as the ids that it sampled; equal answers once (RestEM).

    Args:
        trajectories: rows of the trajectory table.
        per_question: most answers of one question, the first ones that were sampled.
        longest: most tokens of a row.
    """
    kept: dict[str, set[tuple[int, ...]]] = {}
    rows = []
    for trajectory in trajectories:
        mine = kept.setdefault(trajectory["question_id"], set())
        row = TokenSequence((*trajectory["prompt_ids"], *trajectory["token_ids"]), len(trajectory["prompt_ids"]))
        if not trajectory["correct"]:
            counts.drop("wrong answer")
        elif trajectory["finish_reason"] != "stop":
            counts.drop("cut off before its end")
        elif row.ids in mine:
            counts.drop("equal to another answer")
        elif len(mine) == per_question:
            counts.drop("more than per_question")
        elif len(row.ids) > longest:
            counts.drop("longer than the model's context")
        else:
            mine.add(row.ids)
            rows.append(row)
    return rows


def train_language(
    job: Job,
    rows: Sequence[TokenSequence],
    counts: Counts,
    mean_over: Literal["tokens", "answers"] = "tokens",
    temperature: float = 1.0,
) -> None:
    """Trains the start checkpoint on the rows and writes the policy.

    Args:
        mean_over: the loss is the mean over all target tokens of a batch, or over its rows of the mean of each one's.
        temperature: of the log-probs in the loss.

    Raises:
        StepladderError: without rows, or when the time budget is spent.
    """
    spec = job.spec.optimisation
    if spec.steps == 0:
        keep_start(job, counts)
        return
    if not rows:
        raise StepladderError("there is no row to train on; look at the counts of the nodes above")
    lengths = [len(row.ids) for row in rows]
    batches = plan_batches(lengths, spec, job.derive_seed("batches"))
    counts.rows_out = len(rows)
    model = load_policy(job.path("start"))
    trainer = Trainer(model, [(model, spec.learning_rate)], spec, len(batches), job.derive_seed("training"))
    device = trainer.accelerator.device

    def loss(module: nn.Module, chosen: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        logprobs, targets = answer_logprobs(module, [rows[i] for i in chosen], device, temperature)
        if mean_over == "answers":
            logprobs = logprobs.sum(1) / targets.sum(1)
        return -logprobs.sum(), {}

    def weight(batch: Sequence[int]) -> int:
        return len(batch) if mean_over == "answers" else sum(rows[i].targets for i in batch)

    trainer.fit(
        batches,
        weight,
        loss,
        checkpoint=job.checkpoint,
        budget=job.budget(),
        label=f"{job.node} seed {job.seed}",
    )
    save_policy(job, trainer)
    trained = {"steps": len(batches), "trained_tokens": tokens_in(batches, lengths)}
    trainer.finish(job, trained | trainer.history[-1], counts)


def keep_start(job: Job, counts: Counts) -> None:
    """The start checkpoint as the policy, file by file: what a training of no steps gives."""
    if int(os.environ.get("RANK", "0")) == 0:
        with whole_folder(job.output / "checkpoint") as folder:
            link_files(job.path("start"), folder)
        write_history([], job.output / "history.jsonl")
        job.write_metrics({"steps": 0}, counts)


def save_policy(job: Job, trainer: Trainer) -> None:
    """Writes the trained policy with its tokenizer as a Hugging Face checkpoint."""
    with trainer.whole_weights():
        if trainer.accelerator.is_main_process:
            with whole_folder(job.output / "checkpoint") as folder:
                trainer.bare_model.save_pretrained(folder)
                load_tokenizer(job.path("start")).save_pretrained(folder)
        trainer.accelerator.wait_for_everyone()
