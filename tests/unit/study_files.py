"""A small study of every stage, and ways to read, change and write studies in tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from stepladder.study.graph import Study, build
from stepladder.study.load import Sources

SMALL = """
study: small
seeds: [0, 1]
questions:
  six: {source: generated, sets: [awpnli, qqa], splits: {sft: 40, rl: 20, test: 10}}
models:
  tiny: {source: new}
policies:
  base: {method: pretrain, model: tiny}
  sft: {method: sft, from: base, questions: six, split: sft, optimisation: {learning_rate: 1e-3}}
  dpo: {method: dpo, from: sft, pairs: [outcome]}
  ppo: {method: ppo, from: sft, questions: six, split: rl, rewards: wrs}
trajectories:
  samples: {method: sampled, policy: sft, questions: six, split: rl, samples: 4}
labels:
  rollouts: {method: monte_carlo, trajectories: samples, policy: sft}
rollouts:
  many: {trajectories: samples, policy: sft, rollouts: 8}
prms:
  bce: {head: per_step, labels: rollouts, backbone: sft}
  rank: {head: per_step, labels: rollouts, backbone: sft, loss: rank, target: threshold}
scores:
  samples: {prm: bce, trajectories: samples}
rewards:
  wrs: {scores: samples}
pairs:
  outcome: {kind: outcome, rewards: wrs, reference: sft}
evaluations:
  sft: {method: sampled, policy: sft, questions: six, split: test, samples: 4, prms: [bce]}
  dpo: {method: sampled, policy: dpo, questions: six, split: test}
  ppo: {method: sampled, policy: ppo, questions: six, split: test}
tables:
  main:
    kind: answers
    title: Accuracy
    baseline: SFT
    rows:
      - {label: SFT, evaluation: sft}
      - {label: BoN, evaluation: sft, answer: best_of_n, n: 4, prm: bce}
      - {label: DPO, evaluation: dpo}
      - {label: PPO, evaluation: ppo}
"""

Edit = Callable[[dict[Any, Any]], None]


def small() -> dict[Any, Any]:
    """The small study as plain data."""
    return yaml.safe_load(SMALL)


def put(path: str, value: Any) -> Edit:
    """Sets the value at a dotted path; a number in it is an index."""

    def edit(config: dict[Any, Any]) -> None:
        *above, last = path.split(".")
        for part in above:
            config = config[int(part)] if part.isdigit() else config.setdefault(part, {})
        config[int(last) if last.isdigit() else last] = value

    return edit


def drop(path: str) -> Edit:
    """Removes the key at a dotted path."""

    def edit(config: dict[Any, Any]) -> None:
        *above, last = path.split(".")
        for part in above:
            config = config[part]
        del config[last]

    return edit


def rename(path: str, name: Any) -> Edit:
    """Gives the key at a dotted path another name."""

    def edit(config: dict[Any, Any]) -> None:
        *above, last = path.split(".")
        for part in above:
            config = config[part]
        config[name] = config.pop(last)

    return edit


def edited(*edits: Edit) -> dict[Any, Any]:
    """The small study after some edits."""
    config = small()
    for edit in edits:
        edit(config)
    return config


def write(path: Path, content: Any) -> Path:
    """Writes data as YAML, text and bytes as they are."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def study_of(*files: Path) -> Study:
    """The study in a file and its overlays."""
    sources = Sources(files)
    return build(sources.merged(), sources)


def study_from(config: dict[Any, Any]) -> Study:
    """The study in a merged configuration that stands in no file."""
    return build(config, Sources(()))
