"""Seconds of one on-policy iteration by what gives credit: PPO with its critic beside rollouts of states (VinePPO).

    OMP_NUM_THREADS=1 python benchmarks/onpolicy.py CHECKPOINT QUESTIONS [--rollouts 9] [--iterations 4]

CHECKPOINT and QUESTIONS are of a study that has run, such as results/quickstart/policies/sft/seed0/checkpoint and
results/quickstart/questions/six/questions.parquet. Every kind of credit has a process of its own, one after the other,
with the same questions, seeds and sizes, 64 questions of 8 samples in an iteration, and no PRM. Each runs once with one
iteration and once with more: the difference leaves out what loading and writing cost. Wall seconds mean something on a
quiet machine only, processor seconds on a busy one, too. Bound: rollouts with K = 9 take at most twice as long as PPO.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stepladder.study.canonical import canonical_json

ROOT = Path(__file__).resolve().parent.parent
OPTIMISATION = {"learning_rate": 1e-3, "betas": [0.9, 0.95], "batch_size": 256}


def seconds(arguments: argparse.Namespace, credit: dict, iterations: int) -> tuple[float, float, dict]:
    """Wall and processor seconds of one training, and what its metrics.json says."""
    spec = {
        "method": "ppo", "from": "sft", "questions": "six", "split": arguments.split, "credit": credit,
        "iterations": iterations, "optimisation": OPTIMISATION,
    }  # fmt: skip
    job = {"study": "benchmark", "stage": "policies", "name": "credit", "step_style": "line", "spec": spec}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "workflow" / "scripts" / "ppo.py"), "--job", canonical_json(job)]
        command += ["--input", "start", str(arguments.checkpoint), "--input", "questions", str(arguments.questions)]
        command += ["--input", "prm", "--output", f"{folder}/out", "--checkpoint", f"{folder}/kept"]
        started, before = time.perf_counter(), processor_seconds()
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env=os.environ)
        wall, processor = time.perf_counter() - started, processor_seconds() - before
        return wall, processor, json.loads(Path(folder, "out", "metrics.json").read_text())["metrics"]


def processor_seconds() -> float:
    """Of all processes that this one has waited for."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--split", default="rl")
    parser.add_argument("--rollouts", type=int, nargs="+", default=[1, 3, 9])
    parser.add_argument("--iterations", type=int, default=4)
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, {os.environ.get('OMP_NUM_THREADS', 'all')} threads, load {os.getloadavg()[0]:.1f}")
    credits = {"critic": {"kind": "critic"}, "group_relative": {"kind": "group_relative"}}
    credits |= {f"rollouts, K {k}": {"kind": "rollouts", "rollouts": k} for k in arguments.rollouts}
    floor = None
    for name, credit in credits.items():
        once, often = (seconds(arguments, credit, iterations) for iterations in (1, arguments.iterations))
        each = [(late - early) / (arguments.iterations - 1) for early, late in zip(once[:2], often[:2], strict=True)]
        floor, made = floor or each, often[2]
        times = [mine / of_ppo for mine, of_ppo in zip(each, floor, strict=True)]
        states = f", {made['distinct_states']} of {made['states']} states rolled out" if "states" in made else ""
        tokens = made["generated_tokens"] / arguments.iterations
        print(
            f"{name:>16}: an iteration {each[0]:6.2f} s wall ({times[0]:4.2f} x PPO), {each[1]:6.2f} s processor "
            f"({times[1]:4.2f} x PPO), {tokens:8.0f} tokens{states}",
            flush=True,
        )


if __name__ == "__main__":
    main()
