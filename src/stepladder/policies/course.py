"""The course of an on-policy training: what its iterations say and took, and when it ends."""

import time
from collections.abc import Mapping, Sequence
from statistics import fmean

import torch

from stepladder.policies.credit import sampler_excess
from stepladder.policies.episodes import Episode
from stepladder.progress import Progress
from stepladder.study.specs.credit import Critic, Rollouts
from stepladder.study.specs.policies import Ppo


def is_over(history: Sequence[Mapping[str, float]], spec: Ppo) -> bool:
    """Whether nothing is left to do: the last iteration is done, or the token budget is spent."""
    spent = spec.token_budget is not None and generated_tokens(history) >= spec.token_budget
    return spent or len(history) == spec.iterations


def generated_tokens(
    history: Sequence[Mapping[str, float]], episodes: Sequence[Episode] = (), rolled: Mapping[str, float] | None = None
) -> int:
    """Tokens sampled so far, by all ranks for episodes and rollouts: those of the history and those of an iteration.

    Args:
        rolled: what was said of the iteration's states; nothing where there are none.
    """
    before = history[-1]["generated_tokens"] if history else 0
    own = sum(len(episode.trajectory["token_ids"]) for episode in episodes)
    return before + own + (rolled or {}).get("rollout_tokens", 0)


def share_of_budget(spec: Ppo, before: int, after: int, part: float) -> float | None:
    """How much of the token budget is spent at one update of an iteration, at most 1; None without a budget.

    Args:
        before: tokens generated before the iteration.
        after: the same with those of the iteration, which count as spent evenly over its updates.
        part: of the iteration's updates that lies behind.
    """
    return None if spec.token_budget is None else min((before + part * (after - before)) / spec.token_budget, 1.0)


def new_bar(history: Sequence[Mapping[str, float]], spec: Ppo, label: str) -> Progress:
    """The progress bar of a training: of its iterations, or of the tokens of its budget."""
    total, unit = (spec.token_budget, "tokens") if spec.token_budget else (spec.iterations, "iterations")
    return Progress(label, total, unit, position(history, spec))


def position(history: Sequence[Mapping[str, float]], spec: Ppo) -> int:
    """Where the bar stands."""
    return min(generated_tokens(history), spec.token_budget) if spec.token_budget else len(history)


def note(history: Sequence[Mapping[str, float]], spec: Ppo) -> str:
    """What stands beside the bar: the last iteration's episodes, and the speed at which it sampled.

    A bar of tokens does not say which iteration that is, so the note does.
    """
    *before, point = history
    generated = point["generated_tokens"] - generated_tokens(before)
    speed = generated / max(point["sampling_seconds"] + point["rollout_seconds"], 1e-9)
    said = f"reward {point['reward']:.3f} accuracy {point['accuracy']:.3f} kl {point['kl']:.4f}"
    iteration = f"iteration {len(history)} " if spec.token_budget else ""
    return f"{iteration}{said} {speed:.0f} tokens/s"


class Phases:
    """The seconds of an iteration's phases, each from the end of the one before it.

    swap: weights into the sampler; sampling: answers, their grades and step scores; logprob: those of policy and
    reference; rollout: credit, with the rollouts of states where it has any; update: the optimizer steps.
    """

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def end(self, phase: str) -> None:
        """The phase ends now, and the next one begins."""
        now = time.monotonic()
        self.seconds[f"{phase}_seconds"] = now - self._since
        self._since = now


def describe(episodes: Sequence[Episode], spec: Ppo) -> dict[str, float]:
    """What an iteration's episodes look like; reward and accuracy side by side, so that hacking shows."""
    rows = [episode.trajectory for episode in episodes]
    said = {
        "reward": fmean(episode.reward.reward for episode in episodes),
        "accuracy": fmean(row["correct"] for row in rows),
        "unparsable": fmean(row["answer"] is None for row in rows),
        "steps": fmean(episode.reward.steps for episode in episodes),
        "tokens": fmean(len(row["token_ids"]) for row in rows),
        "sequence_tokens": fmean(len(episode.sequence.ids) for episode in episodes),
    }
    if spec.rewards:
        said["shaped"] = fmean(episode.reward.shaped for episode in episodes)
    if spec.temperature == spec.top_p == 1.0:  # only there are the sampler's log-probs those that it draws by
        said["sampler_kl"] = sampler_excess(episodes).mean().item()
    if isinstance(spec.credit, Critic):
        returns = torch.cat([episode.returns for episode in episodes])
        errors = returns - torch.cat([episode.values for episode in episodes])
        said["explained_variance"] = 1 - (errors.var() / returns.var().clamp(min=1e-9)).item()
    return said


def totals(history: Sequence[dict[str, float]], spec: Ppo) -> dict[str, int]:
    """What all iterations took; points of the history hold means over episodes, and sums over rollouts."""
    episodes = spec.questions_per_iteration * spec.samples
    rolled = {
        name: round(sum(point[name] for point in history))
        for name in ("rollout_tokens", "rollouts", "states", "distinct_states")
        if isinstance(spec.credit, Rollouts)
    }
    return {
        "iterations": len(history),
        "generated_tokens": generated_tokens(history),
        "trained_tokens": round(episodes * spec.epochs * sum(point["sequence_tokens"] for point in history)),
        **rolled,
    }
