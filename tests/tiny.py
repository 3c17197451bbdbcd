"""The smallest real things that tests share: a tokenizer, checkpoints of a few thousand weights, jobs, records."""

import json
import os
import random
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from stepladder.budget import Budget
from stepladder.job import Job, parse_job
from stepladder.policies.language import demonstration_sequences, train_language
from stepladder.questions.collect import collect
from stepladder.questions.world.tokenizer import train_tokenizer
from stepladder.records import QUESTIONS, Counts, write_records
from stepladder.rewards.heads.base import ProcessRewardModel
from stepladder.rewards.model import new_prm
from stepladder.study.canonical import canonical_json
from stepladder.study.optimisation import Optimisation
from stepladder.study.specs.prms import Prm
from stepladder.study.specs.questions import Questions
from stepladder.training.batches import plan_batches
from stepladder.training.sequences import TokenSequence, answer_logprobs
from stepladder.training.trainer import Trainer

CONTEXT = 128


@cache
def questions(count: int = 6, splits: tuple[str, ...] = ("train", "test"), sets: tuple[str, ...] = ("awpnli", "qqa")):
    """Rows of a generated question table, ``count`` per set and split."""
    spec = Questions(source="generated", sets=sets, splits=dict.fromkeys(splits, count))
    return collect(spec, Path("none"), Path("none"))[0]


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of the generated world."""
    texts = [row["prompt"] + row["demonstration"] for row in questions(40, ("train",))]
    return train_tokenizer(texts, 600)


def model(seed: int = 0, layers: int = 1, hidden: int = 32) -> LlamaForCausalLM:
    """A random causal model for the tokenizer above."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer()),
            hidden_size=hidden,
            intermediate_size=48,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=32,
            max_position_embeddings=CONTEXT,
            initializer_range=0.1,
            tie_word_embeddings=True,
            bos_token_id=tokenizer().bos_token_id,
            eos_token_id=tokenizer().eos_token_id,
            pad_token_id=tokenizer().pad_token_id,
        )
    )


def checkpoint(folder: Path, seed: int = 0) -> Path:
    """The model and the tokenizer on disk."""
    model(seed).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def job(
    folder: Path,
    stage: str,
    spec: dict[str, Any],
    inputs: dict[str, Path | list[Path]] | None = None,
    *,
    seed: int = 0,
    max_seconds: float | None = None,
    **data: Any,
) -> Job:
    """A job as a rule starts it, from its command line."""
    node = {"study": "tests", "stage": stage, "name": "node", "step_style": "line", "spec": spec, **data}
    arguments = ["--job", canonical_json(node), "--seed", str(seed), "--output", str(folder)]
    if max_seconds is not None:
        arguments += ["--max-seconds", str(max_seconds)]
    for name, paths in (inputs or {}).items():
        arguments += ["--input", name, *map(str, paths if isinstance(paths, list) else [paths])]
    return parse_job(arguments)


def ppo_job(folder: Path, inputs: dict[str, Path], max_seconds: float | None = None, **keys: Any) -> Job:
    """A small on-policy node on the generated questions, its rewards by a PRM and by the outcome unless told else."""
    optimisation = {"batch_size": 12, "learning_rate": 3e-3, **keys.pop("optimisation", {})}
    spec = {
        "method": "ppo", "from": "s", "questions": "q", "split": "train", "rewards": "r", "iterations": 3,
        "questions_per_iteration": 5, "samples": 4, "max_tokens": 40, "optimisation": optimisation,
        "credit": {"kind": "critic", "learning_rate": 1e-3}, **keys,
    }  # fmt: skip
    rewards = {"scores": "s", "outcome_weight": 1.0}
    return job(folder, "policies", spec, inputs, max_seconds=max_seconds, rewards=rewards)


def ppo_inputs(folder: Path) -> dict[str, Path]:
    """A start policy that has learnt to answer in form, a PRM that is not constant, and a question table."""
    untrained = checkpoint(folder / "untrained")
    rows = demonstration_sequences(tokenizer(), questions(40, ("sft",)), "chain", CONTEXT, Counts())
    optimisation = {"optimizer": "muon", "learning_rate": 1e-2, "batch_size": 16, "steps": 80}
    spec = {"method": "sft", "from": "p", "questions": "q", "split": "sft", "optimisation": optimisation}
    train_language(job(folder, "policies", spec, {"start": untrained}), rows, Counts())
    model = prm(folder / "checkpoint")
    torch.manual_seed(1)
    nn.init.normal_(model.head.weight)
    model.save(folder / "prm")
    write_records(questions(), QUESTIONS, folder / "questions.parquet")
    return {"start": folder / "checkpoint", "prm": folder / "prm", "questions": folder / "questions.parquet"}


def prm(backbone: Path, read_with: Path | None = None, **keys: Any) -> ProcessRewardModel:
    """An untrained PRM for steps of one line each, with a head per step unless the keys say otherwise."""
    spec = TypeAdapter(Prm).validate_python({"head": "per_step", "labels": "l", "backbone": "b", **keys})
    return new_prm(spec, backbone, "line", read_with or backbone).eval()


def trajectory(question_id: str, sample: int, rng: random.Random, steps: int = 3, prompt: int = 6) -> dict[str, Any]:
    """A trajectory of random token ids, 1 to 4 to a step."""
    ends, ids = [], []
    for _ in range(steps):
        ids += [rng.randrange(3, len(tokenizer())) for _ in range(rng.randint(1, 4))]
        ends.append(len(ids))
    return {
        "question_id": question_id,
        "sample": sample,
        "dataset": "qqa",
        "prompt_ids": [random.Random(question_id).randrange(3, len(tokenizer())) for _ in range(prompt)],
        "token_ids": ids,
        "step_ends": ends,
        "correct": rng.random() < 0.5,
    }


def sequences(count: int, seed: int = 1) -> list[TokenSequence]:
    """Random prompts with random answers, of many lengths."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        ids = tuple(rng.randrange(3, len(tokenizer())) for _ in range(rng.randrange(6, 30)))
        rows.append(TokenSequence(ids, rng.randrange(1, 6)))
    return rows


class LanguageRun:
    """A few steps of next-token training, driven by hand."""

    def __init__(self, rows: int = 17, seed: int = 0, total: int = 12, **optimisation: Any):
        ranks = int(os.environ.get("WORLD_SIZE", "1"))
        spec = Optimisation.model_validate({"batch_size": 8, "learning_rate": 1e-3, "processes": ranks, **optimisation})
        self.rows = sequences(rows)
        self.batches = plan_batches([len(row.ids) for row in self.rows], spec.model_copy(update={"steps": total}), seed)
        start = model(seed)
        self.trainer = Trainer(start, [(start, spec.learning_rate)], spec, total, seed)

    def weight(self, batch: Sequence[int]) -> float:
        """Target tokens of a batch."""
        return float(sum(self.rows[i].targets for i in batch))

    def loss(self, module: nn.Module, chosen: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        """Summed negative log-probs; the share of tokens likelier than one in 500 is reported."""
        logprobs, mask = answer_logprobs(module, [self.rows[i] for i in chosen], self.trainer.accelerator.device)
        return -logprobs.sum(), {"likely": ((logprobs > -6.2) & mask).sum()}

    def steps(self, count: int) -> list[dict[str, float]]:
        """What the first steps report."""
        return [self.trainer.step(batch, self.weight(batch), self.loss) for batch in self.batches[:count]]

    def fit(self, checkpoint: Path, max_seconds: float | None = None) -> None:
        """All steps, with checkpoints."""
        self.trainer.fit(
            self.batches,
            self.weight,
            self.loss,
            checkpoint=checkpoint,
            budget=Budget(max_seconds, time.time()),
            label="tiny",
        )

    def weights(self) -> dict[str, Tensor]:
        """A copy of the trained weights."""
        with self.trainer.whole_weights():
            return {name: value.detach().clone() for name, value in self.trainer.bare_model.state_dict().items()}


def course(folder: Path) -> list[dict[str, float]]:
    """The history of a training, without what its phases took."""
    points = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{name: value for name, value in point.items() if not name.endswith("_seconds")} for point in points]


def furthest(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Greatest difference of two sets of weights."""
    assert a.keys() == b.keys()
    return max((a[name].double() - b[name].double()).abs().max().item() for name in a)
