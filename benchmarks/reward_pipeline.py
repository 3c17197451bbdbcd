"""From answers to rewards: split, score, accumulate and shape 1,000 answers, beside a loop of one step a call.

    python benchmarks/reward_pipeline.py [ROUNDS]

Both sides start from the texts of the same answers and end with the same rewards, which is checked. The loop does what
PSPO's released reward code does: every prefix up to a step's end is encoded and goes through the model alone, on one
core, with a graph of gradients that nobody needs. The model is the quickstart's backbone with a head per step.
"""

import os
import platform
import random
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import torch

from stepladder.policies.checkpoints import make_checkpoint
from stepladder.questions.prompts import build_prompt
from stepladder.questions.world import DATASETS, generate_questions
from stepladder.reasoning.steps import split_steps
from stepladder.reasoning.tokens import encode_prompt, encode_text
from stepladder.rewards.heads.base import ProcessRewardModel, Reading
from stepladder.rewards.model import new_prm
from stepladder.rewards.reward import reward
from stepladder.rewards.scores import sigmoid
from stepladder.study.specs.models import NewModel
from stepladder.study.specs.prms import PerStep
from stepladder.study.specs.rewards import Rewards

ANSWERS = 1000
GOAL = 50
SPEC = Rewards(scores="s")


def pipeline(prm: ProcessRewardModel, answers: list[tuple[str, str]]) -> list[float]:
    """All answers at once."""
    return [reward([sigmoid(logit) for logit in steps], True, SPEC).reward for steps in prm.score_texts(answers)]


def one_step_a_call(prm: ProcessRewardModel, answers: list[tuple[str, str]]) -> list[float]:
    """One answer after the other, one forward pass a step."""
    rewards = []
    for prompt, answer in answers:
        scores = []
        spans = split_steps(answer, prm.format.step_style)
        for place, span in enumerate(spans):
            ids = [*encode_prompt(prm.tokenizer, prompt), *encode_text(prm.tokenizer, answer[: span.end])]
            if place == len(spans) - 1:
                ids.append(prm.tokenizer.eos_token_id)
            scores.append(sigmoid(prm([Reading(ids, (len(ids),))]).item()))
        rewards.append(reward(scores, True, SPEC).reward)
    return rewards


def main(rounds: int) -> None:
    prm, answers = prepare()
    if max(abs(a - b) for a, b in zip(pipeline(prm, answers), one_step_a_call(prm, answers), strict=True)) > 1e-5:
        raise SystemExit("the two sides give other rewards")
    seconds = {pipeline: [], one_step_a_call: []}
    for _ in range(rounds):
        for side, found in seconds.items():
            began, spent = time.perf_counter(), time.process_time()
            side(prm, answers)
            found.append((time.perf_counter() - began, time.process_time() - spent))
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, ", end="")
    print(f"{torch.get_num_threads()} threads; torch {version('torch')}; goal {GOAL}")
    medians = [[statistics.median(each) for each in zip(*found, strict=True)] for found in seconds.values()]
    for name, (wall, cpu) in zip(("at once", "one step a call"), medians, strict=True):
        print(f"{name:15} {ANSWERS} answers in {wall:6.2f} s, {cpu:6.2f} s of CPU (medians of {rounds} rounds)")
    (wall, cpu), (their_wall, their_cpu) = medians
    print(f"ratio {their_wall / wall:.1f}, by CPU time {their_cpu / cpu:.1f}")


def prepare() -> tuple[ProcessRewardModel, list[tuple[str, str]]]:
    """A PRM with a random head, and solutions of the generated world with their prompts."""
    with tempfile.TemporaryDirectory() as folder:
        backbone = Path(folder, "backbone")
        make_checkpoint(NewModel(source="new"), 0, Path("none"), backbone)
        spec = PerStep(head="per_step", labels="l", backbone="b", initial_head="random")
        prm = new_prm(spec, backbone, "line", backbone).eval()
    answers = [
        (build_prompt(question, instruction=False), question.solution)
        for dataset in DATASETS
        for question in generate_questions(dataset, -(-ANSWERS // len(DATASETS)), 7)
    ]
    random.Random(0).shuffle(answers)
    return prm, answers[:ANSWERS]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
