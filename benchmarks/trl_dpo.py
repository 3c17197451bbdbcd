"""TRL's side of dpo_training.py, run by the Python of its own environment: one line in, its wall and CPU seconds out.

    python trl_dpo.py BACKBONE DATA SETTINGS REFERENCE ORDER

SETTINGS is the JSON of what both sides share. REFERENCE: beside the policy, which is TRL's default, or computed before
the training. ORDER: random, which is TRL's default, or given: our batches.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer


class OnIds(DPOTrainer):
    """Takes token ids as they are, where TRL would encode texts, and clocks the reference's log-probs."""

    def _prepare_dataset(self, dataset: Dataset, *_) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, *arguments) -> Dataset:
        began, spent = time.perf_counter(), time.process_time()
        found = super()._precompute_ref_logps(*arguments)
        self.reference_seconds = time.perf_counter() - began, time.process_time() - spent
        return found


def main(backbone: str, data: str, settings: str, reference: str, order: str) -> None:
    given, read = json.loads(settings), json.loads(Path(data).read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    in_our_order = Dataset.from_list([read["pairs"][i] for batch in read["batches"] for i in batch])

    def trainer(steps: int, strategy: str) -> DPOTrainer:
        arguments = DPOConfig(
            output_dir=tempfile.mkdtemp(),
            per_device_train_batch_size=given["batch"],
            train_sampling_strategy=strategy,
            num_train_epochs=1,
            max_steps=steps,
            beta=given["beta"],
            learning_rate=given["learning_rate"],
            lr_scheduler_type="constant",
            precompute_ref_log_probs=reference == "before",
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            dataloader_pin_memory=False,
            report_to="none",
            save_strategy="no",
            logging_strategy="steps" if steps > 0 else "no",
            logging_steps=1,
            disable_tqdm=True,
        )
        model = AutoModelForCausalLM.from_pretrained(backbone, dtype=torch.float32)
        return OnIds(model=model, args=arguments, train_dataset=in_our_order, processing_class=tokenizer)

    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        if line.strip() == "reference":
            print("seconds", *trainer(-1, "random").reference_seconds, flush=True)
        elif line.strip() == "losses":
            course = trainer(given["steps"], "sequential")
            course.train()
            told = [point["loss"] for point in course.state.log_history if "loss" in point]
            print("losses", json.dumps(told), flush=True)
        else:
            ready = trainer(-1, "random" if order == "random" else "sequential")
            began, spent = time.perf_counter(), time.process_time()
            ready.train()
            print("seconds", time.perf_counter() - began, time.process_time() - spent, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
