"""What an on-policy iteration does with a GPU: tokens/s of sampling, MFU of the updates, shares of its phases, memory.

    python benchmarks/gpu_onpolicy.py [--hidden 1024] [--layers 16] [--questions 64] [--samples 8] [--tokens 512]
        [--credit critic] [--rollouts 9] [--iterations 4] [--peak-tflops 989]

The model is made on the spot and untrained, so that nearly every answer is as long as it may be; questions are
generated. The first iteration, which warms up, is left out. MFU: 6 floating-point operations for every weight and
trained token, and as many for a critic's, over the seconds of the updates and what the GPU can do (--peak-tflops; known
by name for A100, H100 and H200). Without a GPU it says so and ends.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import fmean

# Dense bf16 operations a second in units of 10^12, from the data sheets.
PEAKS = {"A100": 312.0, "H100": 989.0, "H200": 989.0}
PROMPT = 256
PHASES = ("swap", "sampling", "logprob", "rollout", "update")


def arguments_of(line: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=512, help="most of an answer")
    parser.add_argument("--credit", default="critic", choices=("critic", "group_relative", "rollouts"))
    parser.add_argument("--rollouts", type=int, default=9, help="of a state, with --credit rollouts")
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--peak-tflops", type=float)
    return parser.parse_args(line)


def train(given: argparse.Namespace, folder: Path) -> int:
    """Trains on policy in a folder; returns the policy's number of weights."""
    from stepladder.job import parse_job
    from stepladder.policies.checkpoints import make_checkpoint
    from stepladder.policies.language import load_policy
    from stepladder.policies.onpolicy import train_ppo
    from stepladder.questions.collect import collect
    from stepladder.records import Counts
    from stepladder.study.canonical import canonical_json
    from stepladder.study.specs.models import NewModel
    from stepladder.study.specs.questions import Questions

    heads = max(given.hidden // 64, 1)
    model = NewModel(
        source="new", hidden_size=given.hidden, layers=given.layers, heads=heads, kv_heads=heads, head_size=64,
        intermediate_size=4 * given.hidden, max_length=given.tokens + PROMPT,
    )  # fmt: skip
    make_checkpoint(model, 0, Path("none"), folder / "checkpoint")
    policy = load_policy(folder / "checkpoint").bfloat16()
    policy.save_pretrained(folder / "checkpoint")
    credit = {"kind": given.credit} | ({"rollouts": given.rollouts} if given.credit == "rollouts" else {})
    spec = {
        "method": "ppo", "from": "start", "questions": "generated", "split": "rl", "credit": credit,
        "iterations": given.iterations, "questions_per_iteration": given.questions, "samples": given.samples,
        "max_tokens": given.tokens,
        "optimisation": {"batch_size": given.questions * given.samples // 4, "micro_batch": 16, "precision": "bf16"},
    }  # fmt: skip
    job = {"study": "benchmark", "stage": "policies", "name": "gpu", "step_style": "line", "spec": spec}
    line = ["--job", canonical_json(job), "--output", str(folder / "out"), "--checkpoint", str(folder / "kept")]
    questions = Questions(source="generated", sets=("rte_quant",), splits={"rl": given.questions})
    rows, _, _ = collect(questions, Path("none"), Path("none"))
    train_ppo(parse_job([*line, "--input", "start", str(folder / "checkpoint")]), rows, Counts(len(rows)))
    return sum(weight.numel() for weight in policy.parameters())


def report(given: argparse.Namespace, points: list[dict], weights: int, peak: float | None) -> list[str]:
    """What the iterations after the first say, line by line."""
    later = points[1:]
    generated = (later[-1]["generated_tokens"] - points[0]["generated_tokens"]) / len(later)
    seconds = {phase: fmean(point[f"{phase}_seconds"] for point in later) for phase in PHASES}
    whole = sum(seconds.values())
    trained = given.questions * given.samples * fmean(point["sequence_tokens"] for point in later)
    operations = 6 * weights * trained * (2 if given.credit == "critic" else 1)
    share = f"MFU {operations / seconds['update'] / peak / 1e12:.1%}" if peak else "MFU not known: give --peak-tflops"
    shares = ", ".join(f"{phase} {spent / whole:.1%}" for phase, spent in seconds.items())
    return [
        f"{weights / 1e6:.0f} M weights, {given.questions} x {given.samples} episodes, credit {given.credit}",
        f"an iteration: {whole:.2f} s; {shares}",
        f"sampling: {generated / (seconds['sampling'] + seconds['rollout']):.0f} tokens/s",
        f"updates: {trained / seconds['update']:.0f} tokens/s, {share}",
    ]


def main() -> None:
    given = arguments_of()
    import torch

    if not torch.cuda.is_available():
        print("there is no GPU here (torch.cuda.is_available() is false): nothing measured")
        sys.exit(0)
    name = torch.cuda.get_device_name()
    peak = given.peak_tflops or next((value for part, value in PEAKS.items() if part in name), None)
    with tempfile.TemporaryDirectory() as folder:
        weights = train(given, Path(folder))
        points = [json.loads(line) for line in Path(folder, "out", "history.jsonl").read_text().splitlines()]
    memory = torch.cuda.max_memory_allocated() / 2**30
    print(*report(given, points, weights, peak), f"most memory of the GPU: {memory:.1f} GiB, {name}", sep="\n")


if __name__ == "__main__":
    main()
