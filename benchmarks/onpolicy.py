"""Seconds of one on-policy iteration by what gives credit: PPO with its critic beside rollouts of states (VinePPO).

    OMP_NUM_THREADS=1 python benchmarks/onpolicy.py CHECKPOINT QUESTIONS [--rollouts 9] [--iterations 4]

CHECKPOINT and QUESTIONS are of a study that has run, such as results/quickstart/policies/sft/seed0/checkpoint and
results/quickstart/questions/six/questions.parquet. Every kind of credit has a process of its own, one after the other,
with the same questions, seeds and sizes, 64 questions of 8 samples in an iteration, and no PRM. Each runs once with one
iteration and once with more: the difference leaves out what loading and writing cost. Wall seconds mean something on a
quiet machine only, processor seconds on a busy one, too. Bound: rollouts with K = 9 take at most twice as long as PPO.

With --every-state it compares rollouts of an iteration's distinct states with those of every state of every episode:
the same episodes, weights, engine, sampling and grading, one process, side after side. Seconds are those of episodes
and rollouts; log-probs and updates, which are the same for both sides, are left out. The engine shares the work of
equal prompts between requests on either side. Bound: the gain in episodes/s grows with K.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stepladder.study.canonical import canonical_json

ROOT = Path(__file__).resolve().parent.parent
OPTIMISATION = {"learning_rate": 1e-3, "betas": [0.9, 0.95], "batch_size": 256}


def job_text(split: str, credit: dict, iterations: int) -> str:
    """The node that is measured, as its rule gives it to the entry point."""
    spec = {
        "method": "ppo", "from": "sft", "questions": "six", "split": split, "credit": credit,
        "iterations": iterations, "optimisation": OPTIMISATION,
    }  # fmt: skip
    return canonical_json(
        {"study": "benchmark", "stage": "policies", "name": "credit", "step_style": "line", "spec": spec}
    )


def seconds(arguments: argparse.Namespace, credit: dict, iterations: int) -> tuple[float, float, dict]:
    """Wall and processor seconds of one training, and what its metrics.json says."""
    job = job_text(arguments.split, credit, iterations)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "workflow" / "scripts" / "ppo.py"), "--job", job]
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


def every_state(arguments: argparse.Namespace) -> None:
    """Rolls out distinct states, and every state, of the same episodes of one iteration."""
    from stepladder.generation.engine import Engine
    from stepladder.generation.requests import Request
    from stepladder.job import parse_job
    from stepladder.policies.episodes import Sampler, questions_of_iteration
    from stepladder.policies.state_values import states_by_question
    from stepladder.questions.collect import question_of
    from stepladder.questions.judging import are_right
    from stepladder.reasoning.tokens import decode, load_tokenizer
    from stepladder.records import QUESTIONS, read_records

    text = job_text(arguments.split, {"kind": "rollouts"}, 1)
    job = parse_job(["--job", text, "--input", "start", str(arguments.checkpoint), "--output", "unwritten"])
    rows = [row for row in read_records(arguments.questions, QUESTIONS) if row["split"] == arguments.split]
    by_id, tokenizer = {row["question_id"]: row for row in rows}, load_tokenizer(arguments.checkpoint)
    sampler = Sampler(job, tokenizer, Engine(arguments.checkpoint), None)
    sampling = replace(sampler.sampling, logprobs=False)

    def roll_out(states: Sequence, k: int) -> tuple[int, int]:
        """Rollouts and their tokens, all graded."""
        requests = [
            Request((*state.prompt_ids, *state.prefix_ids), k, job.derive_seed("rollouts", place),
                    max_tokens=job.spec.max_tokens - len(state.prefix_ids))
            for place, state in enumerate(states)
        ]  # fmt: skip
        completed = sampler.engine.generate(requests, sampling, progress="")
        for state, completions in zip(states, completed, strict=True):
            texts = [decode(tokenizer, [*state.prefix_ids, *each.token_ids]) for each in completions]
            are_right(texts, question_of(by_id[state.question_id]))
        return k * len(states), sum(len(each.token_ids) for completions in completed for each in completions)

    chosen = questions_of_iteration(job, rows, 0)
    sampler.sample(chosen[:4])
    began = time.perf_counter(), time.process_time()
    episodes = sampler.sample(chosen)
    floor = time.perf_counter() - began[0], time.process_time() - began[1]
    sides = {
        "distinct states": [state for group in states_by_question(episodes, True)[0] for state in group],
        "every state": [s for each in episodes for group in states_by_question([each], True)[0] for s in group],
    }
    print(f"{len(episodes)} episodes: {floor[0]:.2f} s wall, {floor[1]:.2f} s processor", flush=True)
    for k in arguments.rollouts:
        speed = {}
        for name, states in sides.items():
            began = time.perf_counter(), time.process_time()
            rollouts, tokens = roll_out(states, k)
            took = time.perf_counter() - began[0], time.process_time() - began[1]
            speed[name] = [len(episodes) / (own + more) for own, more in zip(floor, took, strict=True)]
            print(
                f"K {k}, {name:>15}: {len(states):5d} states, {rollouts:6d} rollouts, {tokens:8d} tokens, "
                f"{took[0]:6.2f} s wall, {took[1]:6.2f} s processor; {speed[name][0]:6.1f} episodes/s by wall, "
                f"{speed[name][1]:6.1f} by processor",
                flush=True,
            )
        gains = [few / all_ for few, all_ in zip(*speed.values(), strict=True)]
        print(f"K {k}: {gains[0]:.2f} x the episodes/s by wall, {gains[1]:.2f} x by processor", flush=True)
    sampler.engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--split", default="rl")
    parser.add_argument("--rollouts", type=int, nargs="+", default=[1, 3, 9])
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--every-state", action="store_true", help="distinct states against every state")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, {os.environ.get('OMP_NUM_THREADS', 'all')} threads, load {os.getloadavg()[0]:.1f}")
    if arguments.every_state:
        every_state(arguments)
        return
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
