"""Pairs a second of DPO beside TRL's DPOTrainer, and the losses of both over the same batches.

    python benchmarks/dpo_training.py [ROUNDS]

TRL has an environment of its own. Both sides get the same untrained model, token ids, pairs a batch, precision (fp32),
beta, optimiser and thread, and take turns in one run. TRL trains in a random order, its default, with the reference
beside the policy, also its default, and with the reference's log-probs computed before; then with these in our batches,
too, which hold pairs of like length. Ours are padded, and once more without padding. Gradient checkpointing, which TRL
has on, is off. Timed: the training loop over all pairs once; what the log-probs of the reference take once is told
apart. CPU time is steadier than wall time where other programs run.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

from prm_training import SHARED, THREADS, answer, ask, environment_with, medians, ours, start

HERE = Path(__file__).resolve().parent
TRL = "1.16.0"
PAIRS, BATCH, SHOWN = 512, 32, 8
SETTINGS = {"batch": BATCH, "beta": 0.1, "learning_rate": 1e-3, "steps": SHOWN}
GOAL = 1.3
OURS = "Stepladder"


def main(rounds: int) -> None:
    python = environment_with(HERE / ".venv-trl-dpo", [f"trl=={TRL}", *ours(*SHARED)])
    with tempfile.TemporaryDirectory() as folder:
        backbone, data = Path(folder, "backbone"), Path(folder, "pairs.json")
        padding = prepare(backbone, data)
        arguments = [str(backbone), str(data), json.dumps(SETTINGS)]
        theirs = [str(python), str(HERE / "trl_dpo.py"), *arguments]
        sides = {
            OURS: start([sys.executable, __file__, "--worker", *arguments, "padded"]),
            f"{OURS}, packed": start([sys.executable, __file__, "--worker", *arguments, "packed"]),
            "TRL, reference beside": start([*theirs, "beside", "random"]),
            "TRL, reference before": start([*theirs, "before", "random"]),
            "TRL, before, our batches": start([*theirs, "before", "given"]),
        }
        try:
            once = {name: ask(side, "reference") for name, side in sides.items() if "beside" not in name}
            losses = {name: losses_of(side) for name, side in sides.items()}
            seconds = {name: [] for name in sides}
            for turn in range(rounds + 1):  # the first turn warms up
                for name, found in seconds.items():
                    taken = ask(sides[name], "train")
                    found += [taken] if turn else []
        finally:
            for process in sides.values():
                process.stdin.close()
                process.wait(timeout=60)
    report(rounds, padding, once, losses, seconds)


def report(rounds: int, padding: float, once: dict, losses: dict, seconds: dict) -> None:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {THREADS} thread a side"
    print(f"machine: {machine}; torch {version('torch')}, TRL {TRL}")
    print(f"{PAIRS} pairs, {BATCH} a batch; medians of {rounds} rounds; goal {GOAL}; our padding {100 * padding:.1f} %")
    print(f"losses of the first {SHOWN} steps over the same batches:")
    for name, found in losses.items():
        apart = max(abs(a - b) for a, b in zip(found, losses[OURS], strict=True))
        print(f"  {name:24} {' '.join(f'{loss:.6f}' for loss in found)}  at most {apart:.1e} from ours")
    our_wall, our_cpu = medians(seconds[OURS])
    for name, found in seconds.items():
        wall, cpu = medians(found)
        print(
            f"{name:24} {PAIRS / wall:5.0f} pairs/s, {1000 * cpu / PAIRS:5.2f} ms of CPU a pair; "
            f"Stepladder is {wall / our_wall:.2f} times as fast, {cpu / our_cpu:.2f} by CPU time"
            + (f"; reference, once: {once[name][0]:.2f} s" if name in once else "")
        )


def losses_of(process: subprocess.Popen) -> list[float]:
    """The losses of a side's first steps over our batches."""
    process.stdin.write("losses\n")
    process.stdin.flush()
    return json.loads(answer(process, "losses"))


def prepare(backbone: Path, data: Path) -> float:
    """Writes the quickstart's backbone, untrained; pairs of demonstrations, of a question and of another; our batches.

    Returns:
        the share of padding in our batches.
    """
    import random

    from stepladder.policies.checkpoints import make_checkpoint
    from stepladder.policies.dpo import tokens_of
    from stepladder.questions.prompts import build_prompt
    from stepladder.questions.world import DATASETS, generate_questions
    from stepladder.reasoning.tokens import encode_answer, encode_prompt, load_tokenizer
    from stepladder.study.optimisation import Optimisation
    from stepladder.study.specs.models import NewModel
    from stepladder.training.batches import plan_batches

    make_checkpoint(NewModel(source="new"), 0, Path("none"), backbone)
    tokenizer, rng = load_tokenizer(backbone), random.Random(0)
    pairs = []
    for dataset in DATASETS:
        questions = generate_questions(dataset, -(-PAIRS // len(DATASETS)) + 1, 7)
        for question, other in pairwise(questions):
            chosen, rejected = (encode_answer(tokenizer, each.solution) for each in (question, other))
            prompt = encode_prompt(tokenizer, build_prompt(question, instruction=False))
            pairs.append({"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected})
    rng.shuffle(pairs)
    pairs = pairs[:PAIRS]
    batches = plan_batches([tokens_of(pair) for pair in pairs], Optimisation(batch_size=BATCH, epochs=1), 0)
    data.write_text(json.dumps({"pairs": pairs, "batches": batches}), encoding="utf-8")
    real = sum(2 * len(p["prompt_ids"]) + len(p["chosen_ids"]) + len(p["rejected_ids"]) for p in pairs)
    return 1 - real / sum(len(batch) * max(tokens_of(pairs[i]) for i in batch) for batch in batches)


def work(backbone: str, data: str, settings: str, batches_are: str) -> None:
    """Our side: one line in, its wall and CPU seconds out."""
    from stepladder.budget import Budget
    from stepladder.policies.dpo import pair_loss, reference_logprobs
    from stepladder.policies.language import load_policy
    from stepladder.study.optimisation import Optimisation
    from stepladder.study.specs.policies import Dpo
    from stepladder.training.trainer import Trainer

    given, read = json.loads(settings), json.loads(Path(data).read_text(encoding="utf-8"))
    pairs = [pair | {"pair_id": f"{i:04}", "kind": "outcome"} for i, pair in enumerate(read["pairs"])]
    # The rate stays as it is, which is what TRL is told, too.
    keys = {"batch_size": given["batch"], "learning_rate": given["learning_rate"], "warmup": 0, "decay": 0}
    optimisation = Optimisation.model_validate(keys | {"packed": batches_are == "packed"})
    spec = Dpo.model_validate({"method": "dpo", "from": "s", "pairs": ["p"], "beta": given["beta"]})
    print("ready", flush=True)
    for line in sys.stdin:
        model = load_policy(Path(backbone))
        began, spent = time.perf_counter(), time.process_time()
        if line.strip() == "reference":
            rows = reference_logprobs(model.eval(), pairs, "reference")
            pairs = [pair | row for pair, row in zip(pairs, rows, strict=True)]
        else:
            batches = read["batches"][: given["steps"] if line.strip() == "losses" else None]
            trainer = Trainer(model, [(model, given["learning_rate"])], optimisation, len(batches), 0)
            loss = pair_loss(spec, pairs, trainer.accelerator.device)
            with tempfile.TemporaryDirectory() as folder:
                trainer.fit(batches, lambda batch: float(len(batch)), loss, checkpoint=Path(folder),
                            budget=Budget(None, time.time()), label="train")  # fmt: skip
            if line.strip() == "losses":
                print("losses", json.dumps([point["loss"] for point in trainer.history]), flush=True)
                continue
        print("seconds", time.perf_counter() - began, time.process_time() - spent, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(*sys.argv[2:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
