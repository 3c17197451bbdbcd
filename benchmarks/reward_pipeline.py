"""From answers to rewards: split, score, accumulate and shape answers, beside a loop of one step a call.

    python benchmarks/reward_pipeline.py [--model causal] [--answers 1000] [--rounds 3]

Both sides start from the texts of the same answers, run the same model and end with the same rewards, which is
checked. The loop does what PSPO's released reward code does: every step is encoded and goes through the model alone,
one after the other, with a graph of gradients that nobody needs. Models, with random heads:

causal: the quickstart's backbone with a head per step; the loop reads the whole prefix for every step.
encoder: an encoder as small, which reads a step behind the one before it, as PSPO's does; so does the loop.
bert_base: the same of BERT-base's shape (86 M parameters beside its embeddings); take about 50 answers.
"""

import argparse
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import torch

from stepladder.policies.checkpoints import make_checkpoint
from stepladder.questions.prompts import build_prompt
from stepladder.questions.world import DATASETS, generate_questions
from stepladder.reasoning.steps import split_steps
from stepladder.reasoning.tokens import encode_prompt, encode_text
from stepladder.rewards.heads.base import ProcessRewardModel, Reading
from stepladder.rewards.heads.pair import Pair
from stepladder.rewards.model import new_prm
from stepladder.rewards.reward import reward
from stepladder.rewards.scores import sigmoid
from stepladder.study.specs.models import NewModel
from stepladder.study.specs.prms import Pair as PairSpec
from stepladder.study.specs.prms import PerStep
from stepladder.study.specs.rewards import Rewards

GOAL = 50
SPEC = Rewards(scores="s")
BERT_BASE = {"hidden_size": 768, "intermediate_size": 3072, "layers": 12, "heads": 12, "max_length": 512}
MODELS = {"causal": {}, "encoder": {"architecture": "bert"}, "bert_base": {"architecture": "bert", **BERT_BASE}}


def pipeline(prm: ProcessRewardModel, answers: list[tuple[str, str]]) -> list[float]:
    """All answers at once."""
    return [reward([sigmoid(logit) for logit in steps], True, SPEC).reward for steps in prm.score_texts(answers)]


def texts_into_ids(prm: ProcessRewardModel, answers: list[tuple[str, str]]) -> None:
    """The part of the pipeline before the model."""
    prm.read_texts(answers)


def one_step_a_call(prm: ProcessRewardModel, answers: list[tuple[str, str]]) -> list[float]:
    """One answer after the other, one forward pass a step."""
    readings = steps_of_pair if isinstance(prm, Pair) else steps_of_prefix
    rewards = []
    for prompt, answer in answers:
        scores = [sigmoid(prm.step_logits(prm([reading])).item()) for reading in readings(prm, prompt, answer)]
        rewards.append(reward(scores, True, SPEC).reward)
    return rewards


def steps_of_prefix(prm: ProcessRewardModel, prompt: str, answer: str) -> Iterator[Reading]:
    """The prompt with every prefix of the answer, up to the end of a step."""
    spans = split_steps(answer, prm.format.step_style)
    for place, span in enumerate(spans):
        ids = [*encode_prompt(prm.tokenizer, prompt), *encode_text(prm.tokenizer, answer[: span.end])]
        if place == len(spans) - 1:
            ids.append(prm.tokenizer.eos_token_id)
        yield Reading(tuple(ids), (len(ids),))


def steps_of_pair(prm: Pair, prompt: str, answer: str) -> Iterator[Reading]:
    """Every step behind the one before it."""
    before, end = [], 0
    for span in split_steps(answer, prm.format.step_style):
        step, end = answer[end : span.end].strip(), span.end
        (encoded,) = prm.tokenizer(*before, [step], truncation="longest_first", max_length=512).encodings
        yield Reading(tuple(encoded.ids), (len(encoded.ids),), tuple(encoded.type_ids))
        before = [[step]]


def main(arguments: argparse.Namespace) -> None:
    prm, answers = prepare(arguments.model, arguments.answers)
    if max(abs(a - b) for a, b in zip(pipeline(prm, answers), one_step_a_call(prm, answers), strict=True)) > 1e-5:
        raise SystemExit("the two sides give other rewards")
    seconds = {pipeline: [], texts_into_ids: [], one_step_a_call: []}
    for _ in range(arguments.rounds):
        for side, found in seconds.items():
            began, spent = time.perf_counter(), time.process_time()
            side(prm, answers)
            found.append((time.perf_counter() - began, time.process_time() - spent))
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, ", end="")
    print(f"{torch.get_num_threads()} threads; torch {version('torch')}; goal {GOAL}")
    print(f"{arguments.model}: {sum(each.numel() for each in prm.parameters()) / 1e6:.1f} M parameters, ", end="")
    print(f"{len(answers)} answers with {sum(map(len, prm.score_texts(answers)))} steps")
    medians = [[statistics.median(each) for each in zip(*found, strict=True)] for found in seconds.values()]
    for name, (wall, cpu) in zip(("at once", "- texts into ids", "one step a call"), medians, strict=True):
        print(f"{name:17} {wall:7.2f} s, {cpu:7.2f} s of CPU (medians of {arguments.rounds} rounds)")
    (wall, cpu), _, (their_wall, their_cpu) = medians
    print(f"ratio {their_wall / wall:.1f}, by CPU time {their_cpu / cpu:.1f}")


def prepare(model: str, count: int) -> tuple[ProcessRewardModel, list[tuple[str, str]]]:
    """A PRM with a random head, and solutions of the generated world with their prompts."""
    common = {"labels": "l", "backbone": "b"}
    causal = model == "causal"
    spec = PerStep(head="per_step", initial_head="random", **common) if causal else PairSpec(head="pair", **common)
    with tempfile.TemporaryDirectory() as folder:
        backbone = Path(folder, "backbone")
        make_checkpoint(NewModel(source="new", **MODELS[model]), 0, Path("none"), backbone)
        prm = new_prm(spec, backbone, "line", backbone).eval()
    answers = [
        (build_prompt(question, instruction=False), question.solution)
        for dataset in DATASETS
        for question in generate_questions(dataset, -(-count // len(DATASETS)), 7)
    ]
    random.Random(0).shuffle(answers)
    return prm, answers[:count]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=MODELS, default="causal")
    parser.add_argument("--answers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    main(parser.parse_args())
