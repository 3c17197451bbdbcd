"""TRL's side of prm_training.py, run by the Python of its own environment: one line in, its wall and CPU seconds out.

    python trl_prm.py BACKBONE DATA BATCH TOKENS_AT_ONCE SAMPLING

SAMPLING is how the order of rows is drawn: random, which is TRL's default, or group_by_length.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForTokenClassification, AutoTokenizer
from trl.experimental.prm import PRMConfig, PRMTrainer


def labels_of(row: dict) -> list[int]:
    """A label at the last token of every step, -100 elsewhere."""
    labels = [-100] * len(row["ids"])
    for end, target in zip(row["step_ends"], row["targets"], strict=True):
        labels[end - 1] = int(target)
    return labels


def main(backbone: str, data: str, batch: int, tokens_at_once: int, sampling: str) -> None:
    rows = json.loads(Path(data).read_text(encoding="utf-8"))
    longest = max(len(row["ids"]) for row in rows)
    dataset = Dataset.from_list([{"input_ids": row["ids"], "labels": labels_of(row)} for row in rows])
    arguments = PRMConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=tokens_at_once // longest,
        train_sampling_strategy=sampling,
        num_train_epochs=1,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        model = AutoModelForTokenClassification.from_pretrained(backbone, num_labels=2, dtype=torch.float32)
        trainer = PRMTrainer(model=model, args=arguments, train_dataset=dataset, processing_class=tokenizer)
        began, spent = time.perf_counter(), time.process_time()
        if line.strip() == "train":
            trainer.train()
        else:
            trainer.predict(dataset)
        print("seconds", time.perf_counter() - began, time.process_time() - spent, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
