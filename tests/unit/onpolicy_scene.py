"""Random episodes, and what an update needs of them, for tests of on-policy learning."""

import random
from pathlib import Path
from typing import Any

import torch

import tiny
from stepladder.policies.credit import credit_episodes, step_stops
from stepladder.policies.episodes import Episode
from stepladder.policies.onpolicy import measure, new_trainer, reference_of
from stepladder.reasoning.states import state_key
from stepladder.rewards.reward import Reward
from stepladder.study.specs.credit import Critic
from stepladder.study.specs.policies import Ppo
from stepladder.training.sequences import TokenSequence
from stepladder.training.trainer import Trainer

CREDITS: list[dict[str, Any]] = [
    {"kind": "critic"},
    {"kind": "rollouts"},
    {"kind": "rollouts", "first_value": "episodes"},
    {"kind": "group_relative"},
    {"kind": "group_relative", "normalise": False},
    {"kind": "leave_one_out"},
    {"kind": "process"},
    {"kind": "process", "step_reward": "differences", "outcome_weight": 1.0},
    {"kind": "critic", "step_reward": "scores", "outcome_weight": 1.0},
]


def ppo(**keys: Any) -> Ppo:
    """An on-policy spec of constant learning rates, two samples a question, its reward the outcome."""
    optimisation = {"batch_size": 8, "learning_rate": 1e-3, "warmup": 0.0, "decay": 0.0} | keys.pop("optimisation", {})
    credit = keys.get("credit", {})
    rewards = "r" if credit.get("kind") == "process" or "step_reward" in credit else None
    spec = {"method": "ppo", "from": "s", "questions": "q", "split": "train", "samples": 2, "rewards": rewards}
    return Ppo.model_validate(spec | {"optimisation": optimisation} | keys)


def episodes(count: int = 8, seed: int = 0) -> list[Episode]:
    """Random answers of one to four steps with random rewards; two of each question, one after the other."""
    rng = random.Random(seed)
    found = []
    for i in range(count):
        row = tiny.trajectory(f"q{i // 2}", i % 2, rng, steps=rng.randint(1, 4))
        row |= {"logprobs": [-1.0] * len(row["token_ids"]), "answer": rng.choice([None, "1"])}
        value, prompt = rng.random(), row["prompt_ids"]
        sequence = TokenSequence((*prompt, *row["token_ids"]), len(prompt))
        scores, ends = tuple(rng.random() for _ in row["step_ends"]), tuple(row["step_ends"])
        found.append(Episode(row, Reward(3, value, value, float(i % 2), value), sequence, scores, ends))
    return found


def values_of(found: list[Episode], seed: int = 0) -> dict[str, float]:
    """A random value for every unfinished state of the episodes, bare questions included."""
    rng = random.Random(seed)
    values: dict[str, float] = {}
    for episode in found:
        row = episode.trajectory
        for end in (0, *step_stops(row)[:-1]):
            values.setdefault(state_key(row["prompt_ids"], row["token_ids"][:end]), rng.random())
    return values


def trainer_for(start: Path, spec: Ppo) -> Trainer:
    """A trainer; its critic, where there is one, is not constant."""
    trainer = new_trainer(spec, start, 0)
    if isinstance(spec.credit, Critic):
        torch.manual_seed(3)
        torch.nn.init.normal_(trainer.bare_model.value_head.weight, std=0.2)
    return trainer


def prepare(
    found: list[Episode], spec: Ppo, trainer: Trainer, start: Path, values: dict[str, float] | None = None
) -> None:
    """All that an update needs of episodes; the values of their states are random unless given."""
    measure(found, spec, trainer, reference_of(trainer, start))
    credit_episodes(found, spec, values or values_of(found))


def prepared(start: Path, spec: Ppo) -> tuple[list[Episode], Trainer]:
    """Random episodes, ready for an update of a new trainer."""
    trainer, found = trainer_for(start, spec), episodes()
    prepare(found, spec, trainer, start)
    return found, trainer
