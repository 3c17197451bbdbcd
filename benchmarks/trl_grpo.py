"""TRL's side of grpo_iteration.py, run by the Python of its own environment: a line in, an iteration's cost out.

    python trl_grpo.py BACKBONE PROMPTS SETTINGS VLLM

SETTINGS is the JSON of what both sides share; VLLM is 1 for sampling with vLLM in the process, 0 for TRL's generate().
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


class Clock(TrainerCallback):
    """Says what every iteration took, and waits for a line before the next one."""

    def on_step_begin(self, *_, **__) -> None:
        sys.stdin.readline()
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def on_step_end(self, *_, **__) -> None:
        print("seconds", time.perf_counter() - self.wall, time.process_time() - self.cpu, flush=True)


def main(backbone: str, prompts: str, settings: str, vllm: str) -> None:
    given, rows = json.loads(settings), json.loads(Path(prompts).read_text(encoding="utf-8"))

    def outcome(completions: list[str], answer: list[str], **_) -> list[float]:
        return [float(f"#### {right}" in text) for text, right in zip(completions, answer, strict=True)]

    arguments = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=given["questions"] * given["samples"],
        num_generations=given["samples"],
        max_completion_length=given["tokens"],
        temperature=1.0,
        learning_rate=given["learning_rate"],
        beta=given["kl_coefficient"],
        loss_type="dapo",  # a mean over the tokens of the batch, as ours is
        max_steps=given["iterations"],
        use_vllm=vllm == "1",
        vllm_mode="colocate",
        vllm_max_model_length=given["context"],
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(backbone, dtype=torch.float32),
        reward_funcs=outcome,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[Clock()],
    )
    print("ready", flush=True)
    trainer.train()


if __name__ == "__main__":
    main(*sys.argv[1:])
