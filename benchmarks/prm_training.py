"""Rows a second of PRM training and scoring, beside TRL's PRMTrainer in an environment of its own.

    python benchmarks/prm_training.py [ROUNDS]

Both sides get the same backbone, token ids, step labels, rows a batch, precision (fp32) and threads, and take turns in
one run. TRL trains in a random order, its default, and with rows grouped by length, as ours are; it scores with
``predict`` in batches of as many tokens as ours. Gradient checkpointing, which it has on, is off. Timed: the training
loop over all rows once, and the scores of all rows; neither loading nor encoding. CPU time is steadier than wall time
where other programs run.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv-trl"
TRL = "1.13.0"
SHARED = ("torch", "transformers", "accelerate")
ROWS, BATCH, THREADS = 512, 32, "1"
GOAL = 1.5
OURS = "Stepladder"


def main(rounds: int) -> None:
    python = environment_with(ENVIRONMENT, [f"trl=={TRL}", *ours(*SHARED)])
    with tempfile.TemporaryDirectory() as folder:
        backbone, data = Path(folder, "backbone"), Path(folder, "rows.json")
        arguments = [str(backbone), str(data), str(BATCH), str(prepare(backbone, data))]
        theirs = [str(python), str(HERE / "trl_prm.py"), *arguments]
        sides = {
            OURS: start([sys.executable, __file__, "--worker", *arguments]),
            "TRL, random order": start([*theirs, "random"]),
            "TRL, grouped by length": start([*theirs, "group_by_length"]),
        }
        seconds = {(work, side): [] for work in ("train", "score") for side in sides}
        try:
            for turn in range(rounds + 1):  # the first turn warms up
                for (work, side), found in seconds.items():
                    taken = ask(sides[side], work)
                    found += [taken] if turn else []
        finally:
            for process in sides.values():
                process.stdin.close()
                process.wait(timeout=60)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {THREADS} thread a side"
    print(f"machine: {machine}; torch {version('torch')}, TRL {TRL}")
    print(f"{ROWS} rows, {BATCH} a batch; medians of {rounds} rounds; goal {GOAL}")
    for (work, side), found in seconds.items():
        wall, cpu = medians(found)
        our_wall, our_cpu = medians(seconds[work, OURS])
        print(
            f"{work}: {side:22} {ROWS / wall:5.0f} rows/s, {1000 * cpu / ROWS:5.2f} ms of CPU a row; "
            f"Stepladder is {wall / our_wall:.2f} times as fast, {cpu / our_cpu:.2f} by CPU time"
        )


def medians(found: list[tuple[float, float]]) -> tuple[float, float]:
    """Of wall and of CPU seconds."""
    wall, cpu = zip(*found, strict=True)
    return statistics.median(wall), statistics.median(cpu)


def ours(*names: str) -> list[str]:
    """Distributions in the version that is installed here."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]


def environment_with(folder: Path, wanted: list[str], without: tuple[str, ...] = ()) -> Path:
    """The Python of an environment that holds what is wanted, and nothing of ``without``; made on the first call."""
    python = folder / "bin" / "python"
    stamp = folder / ".wanted"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == "\n".join(wanted):
        return python
    shutil.rmtree(folder, ignore_errors=True)
    links = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS")
    torch_build = ["--find-links", links] if links else ["--torch-backend", "cpu"]
    folder.mkdir()
    overrides = folder / "overrides.txt"
    overrides.write_text("".join(f"{name}; sys_platform == 'never'\n" for name in without), encoding="utf-8")
    options = ["--quiet", "--python", str(python), "--overrides", str(overrides)]
    for command in (
        ["uv", "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)],
        ["uv", "pip", "install", *options, *torch_build, *wanted],
    ):
        if subprocess.run(command).returncode:
            raise SystemExit(f"what is measured against cannot be installed: {' '.join(command)}")
    stamp.write_text("\n".join(wanted), encoding="utf-8")
    return python


def start(command: list[str]) -> subprocess.Popen:
    """One side, which waits for work."""
    environment = os.environ | {"OMP_NUM_THREADS": THREADS, "TOKENIZERS_PARALLELISM": "false"}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    answer(process, "ready")
    return process


def ask(process: subprocess.Popen, work: str) -> tuple[float, float]:
    """Wall and CPU seconds that a side takes for one piece of work."""
    process.stdin.write(f"{work}\n")
    process.stdin.flush()
    wall, cpu = answer(process, "seconds").split()
    return float(wall), float(cpu)


def answer(process: subprocess.Popen, word: str) -> str:
    """What a side says after a word."""
    for line in process.stdout:
        if line.startswith(word):
            return line.removeprefix(word).strip()
    raise SystemExit(f"{process.args[1]} ended with {process.wait()}; run it alone to see why")


def prepare(backbone: Path, data: Path) -> int:
    """Writes the quickstart's backbone, untrained, and rows of the generated world with labels drawn at random.

    Returns:
        tokens of one pass without gradients.
    """
    import random

    from stepladder.policies.checkpoints import make_checkpoint
    from stepladder.questions.prompts import build_prompt
    from stepladder.questions.world import DATASETS, generate_questions
    from stepladder.reasoning.tokens import encode_answer, encode_prompt, load_tokenizer, step_ends
    from stepladder.study.specs.models import NewModel
    from stepladder.training.batches import TOKENS_AT_ONCE

    make_checkpoint(NewModel(source="new"), 0, Path("none"), backbone)
    tokenizer, rng = load_tokenizer(backbone), random.Random(0)
    rows = []
    for dataset in DATASETS:
        for question in generate_questions(dataset, -(-ROWS // len(DATASETS)), 7):
            prompt = encode_prompt(tokenizer, build_prompt(question, instruction=False))
            ids = encode_answer(tokenizer, question.solution)
            ends = [len(prompt) + end for end in step_ends(tokenizer, ids, "line")[1]]
            targets = [float(rng.random() < 0.5) for _ in ends]
            rows.append({"ids": [*prompt, *ids], "step_ends": ends, "targets": targets})
    rng.shuffle(rows)
    data.write_text(json.dumps(rows[:ROWS]), encoding="utf-8")
    return TOKENS_AT_ONCE


def work(backbone: str, data: str, batch: str, _: str) -> None:
    """Our side: one line in, its wall and CPU seconds out."""
    from stepladder.budget import Budget
    from stepladder.rewards.model import new_prm
    from stepladder.rewards.tasks import make_task
    from stepladder.rewards.training import loss_of
    from stepladder.study.optimisation import Optimisation
    from stepladder.study.specs.prms import PerStep
    from stepladder.training.batches import plan_batches
    from stepladder.training.trainer import Trainer

    rows = [
        row | {"prompt_ids": [], "token_ids": row["ids"], "soft": row["targets"]}
        for row in json.loads(Path(data).read_text(encoding="utf-8"))
    ]
    optimisation = Optimisation(batch_size=int(batch), epochs=1)
    spec = PerStep(head="per_step", labels="l", backbone="b", optimisation=optimisation)
    print("ready", flush=True)
    for line in sys.stdin:
        model = new_prm(spec, Path(backbone), "line", Path(backbone))
        task = make_task(spec, model, rows)
        if line.strip() == "train":
            batches = plan_batches([len(row["ids"]) for row in rows], optimisation, 0)
            trainer = Trainer(model.train(), [(model, 1e-5)], optimisation, len(batches), 0)
            weight = lambda batch, task=task: sum(task.weights[i] for i in batch)  # noqa: E731
            with tempfile.TemporaryDirectory() as folder:
                began, spent = time.perf_counter(), time.process_time()
                trainer.fit(batches, weight, loss_of(task), checkpoint=Path(folder), budget=Budget(None, time.time()),
                            label="train")  # fmt: skip
        else:
            model.eval()
            began, spent = time.perf_counter(), time.process_time()
            model.score(rows)
        print("seconds", time.perf_counter() - began, time.process_time() - spent, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(*sys.argv[2:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
