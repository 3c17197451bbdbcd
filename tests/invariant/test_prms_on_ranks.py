"""PRMs that two ranks train with ZeRO-3, which splits their weights, or ZeRO-2 are those of one rank, and judged so."""

import json
import os
import random
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import tiny
from stepladder.job import parse_job
from stepladder.policies.checkpoints import join_pairs, new_encoder
from stepladder.questions.world.tokenizer import train_tokenizer
from stepladder.reasoning.tokens import encode_answer, encode_prompt, step_ends
from stepladder.records import LABELS, TRAJECTORIES, read_json, write_records
from stepladder.study.canonical import canonical_json
from stepladder.study.resources import torchrun_on_one_node
from stepladder.study.specs.models import NewModel

WORTH = {"good": 4, "right": 3, "wrong": 1, "bad": 0}
HEADS = {
    "per_step": {"head": "per_step", "backbone": "policy", "loss": "rank", "target": "hard"},
    "zero2": {"head": "per_step", "backbone": "policy", "loss": "bce"},
    "adapters": {"head": "per_step", "backbone": "policy", "initial_head": "random", "lora": {"rank": 4}},
    "last_token": {"head": "last_token", "backbone": "policy", "trials": 4, "good": [3, 4]},
    "pair": {"head": "pair", "backbone": "encoder", "max_length": 48, "scoring_length": 60},
}
ON_TWO = {"processes": 2, "deepspeed": "zero3"}
ZERO = {"zero2": {"deepspeed": "zero2"}, "adapters": {"gradient_checkpointing": True}, "last_token": {"offload": True}}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, Path]:
    """A policy and an encoder, and answers whose lines say what they are worth, with labels of four rollouts."""
    folder = tmp_path_factory.mktemp("inputs")
    tiny.checkpoint(folder / "policy")
    tokenizer = train_tokenizer([row["prompt"] + row["demonstration"] for row in tiny.questions(40, ("train",))], 520)
    join_pairs(tokenizer)
    tokenizer.save_pretrained(folder / "encoder")
    spec = NewModel(source="new", architecture="bert", hidden_size=32, layers=2, heads=2, max_length=64)
    torch.manual_seed(0)
    encoder = new_encoder(spec, len(tokenizer), tokenizer.pad_token_id)
    # Each rank draws its own dropout.
    encoder.config.hidden_dropout_prob = encoder.config.attention_probs_dropout_prob = 0.0
    encoder.save_pretrained(folder / "encoder")
    rng, trajectories, labels = random.Random(0), [], []
    for number in range(40):
        key = {"question_id": f"q{number}", "sample": 0}
        words = [rng.choice(list(WORTH)) for _ in range(rng.randint(1, 4))]
        text = "\n".join(f"{place}. {word}" for place, word in enumerate(words, 1))
        ids = encode_answer(tiny.tokenizer(), text)
        trajectories.append(
            key | {"dataset": "qqa", "prompt_ids": encode_prompt(tiny.tokenizer(), f"{number}?\n"), "token_ids": ids,
            "logprobs": [0.0] * len(ids), "finish_reason": "stop", "text": text, "correct": True,
            "correct_flexible": True, "step_ends": step_ends(tiny.tokenizer(), ids, "line")[1]}
        )  # fmt: skip
        labels += [
            key | {"step": step, "finished": False, "rollouts": 4, "successes": WORTH[word], "soft": WORTH[word] / 4,
            "hard": WORTH[word] > 0, "tokens": 0}
            for step, word in enumerate(words)
        ]  # fmt: skip
    write_records(trajectories, TRAJECTORIES, folder / "trajectories.parquet")
    write_records(labels, LABELS, folder / "labels.parquet")
    return {path.stem: path for path in folder.iterdir()}


def command_lines(folder: Path, inputs: dict[str, Path], launch: dict[str, dict]) -> list[list[str]]:
    """Every head's job as its rule starts it."""
    lines = []
    for name, head in HEADS.items():
        training = {"batch_size": 7, "micro_batch": 2, "learning_rate": 1e-3, "steps": 5, **launch.get(name, {})}
        spec = {"labels": "l", "heldout": 0.4, "optimisation": training, **head}
        node = {"study": "tests", "stage": "prms", "name": name, "step_style": "line", "spec": spec}
        given = {**inputs, "backbone": inputs[head["backbone"]], "tokenizer": inputs["policy"]}
        line = ["--job", canonical_json(node), "--output", str(folder / name)]
        for each in ("backbone", "tokenizer", "labels", "trajectories"):
            line += ["--input", each, str(given[each])]
        lines.append(line)
    return lines


@pytest.fixture(scope="module")
def folders(inputs, tmp_path_factory, root) -> tuple[Path, Path]:
    """The PRMs that this process trains, and those of two ranks."""
    alone, together = (tmp_path_factory.mktemp(name) for name in ("alone", "together"))
    main = runpy.run_path(str(root / "workflow" / "scripts" / "prm.py"))["main"]
    for line in command_lines(alone, inputs, {}):
        main(parse_job(line))
    lines = command_lines(together, inputs, {name: ON_TWO | ZERO.get(name, {}) for name in HEADS})
    launcher = torchrun_on_one_node(2, str(Path(sys.executable).with_name("torchrun")))
    script = str(Path(__file__).with_name("train_prms_on_ranks.py"))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["env", *launcher, script, json.dumps(lines)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return alone, together


@pytest.mark.parametrize("head", HEADS)
def test_two_ranks_train_and_judge_as_one(head, folders):
    ours, theirs = (load_file(folder / head / "checkpoint" / "model.safetensors") for folder in folders)
    assert tiny.furthest(ours, theirs) < 2e-5
    courses = [tiny.course(folder / head) for folder in folders]
    for point, expected in zip(*courses, strict=True):
        assert point == pytest.approx(expected, rel=1e-3)
    assert len(courses[0]) == 5 and all(point["gradient_norm"] > 0 for point in courses[0])
    alone, together = (read_json(folder / head / "metrics.json")["metrics"] for folder in folders)
    assert alone["steps"] > 20 and 0 < alone["step_auc"] < 1
    assert near(together, alone)


def near(value, expected) -> bool:
    """Whether two judgements are equal, numbers to rounding."""
    match expected:
        case dict():
            return value.keys() == expected.keys() and all(near(value[name], expected[name]) for name in expected)
        case list():
            return len(value) == len(expected) and all(map(near, value, expected))
        case _:
            return value == (pytest.approx(expected, rel=1e-3, abs=1e-5) if expected is not None else None)
