"""On-policy learning: sample, reward, give credit, update, repeat.

The loss is PPO's clipped surrogate whatever the credit; only a critic adds its own error.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from stepladder.errors import StepladderError
from stepladder.generation.engine import Engine
from stepladder.job import Job
from stepladder.policies import state_values
from stepladder.policies.actor_critic import Actor, ActorCritic, before_update, frozen_logprobs, pad
from stepladder.policies.clipped import clipped_policy_loss, clipped_value_loss, kl_estimate
from stepladder.policies.credit import assign_credit, normalise, sampler_excess
from stepladder.policies.episodes import Episode, Sampler, questions_of_iteration
from stepladder.policies.language import load_reference, save_policy
from stepladder.progress import Progress
from stepladder.reasoning.tokens import load_tokenizer
from stepladder.records import Counts
from stepladder.rewards.model import load_prm
from stepladder.study.specs.credit import Critic, Rollouts
from stepladder.study.specs.policies import Ppo
from stepladder.training.batches import plan_batches
from stepladder.training.ranks import gather
from stepladder.training.sequences import collate, first_target
from stepladder.training.trainer import CHECKPOINT_KEPT, Trainer

# Of a GPU's memory, for the sampler's weights and cache; the rest is the trainer's, which shares the device.
ENGINE_MEMORY = 0.3


def train_ppo(job: Job, questions: Sequence[dict[str, Any]], counts: Counts) -> None:
    """Trains the start policy on its own rewarded answers and writes the policy.

    Raises:
        StepladderError: when the split is empty, a prompt leaves no room to answer, or the time budget is spent.
    """
    spec: Ppo = job.spec
    if not questions:
        raise StepladderError(f"split {spec.split!r} holds no question")
    episodes_per_iteration = spec.questions_per_iteration * spec.samples
    trainer = new_trainer(spec, job.path("start"), job.derive_seed("training"))
    reference = load_reference(job.path("start"))
    prm = load_prm(job.path("prm"), job.step_style, job.path("start")) if spec.rewards else None
    tokenizer = load_tokenizer(job.path("start"))
    engine = Engine(job.path("start"), memory_share=ENGINE_MEMORY)
    sampler = Sampler(job, tokenizer, engine, prm)

    kept = trainer.load_checkpoint(job.checkpoint) or {"iteration": 0}
    bar = Progress(f"{job.node} seed {job.seed}", spec.iterations, "iterations", kept["iteration"])
    budget = job.budget()
    for iteration in range(kept["iteration"], spec.iterations):
        with budget.unit():
            engine.swap_weights(trainer.bare_model.policy.state_dict().items())
            chosen = questions_of_iteration(job, questions, iteration)
            own = sampler.sample(chosen[trainer.rank :: trainer.ranks])
            measure(own, spec, trainer, reference)
            episodes = gather_episodes(own, spec.samples, trainer)
            rolled = give_credit(episodes, sampler, chosen, iteration, trainer)
            losses = update(episodes, spec, trainer, iteration, job.derive_seed("updates", iteration))
        trainer.history.append({"step": iteration + 1, **describe(episodes, spec), **rolled, **losses})
        if trainer.accelerator.is_main_process:
            last = trainer.history[-1]
            bar.update(
                iteration + 1, f"reward {last['reward']:.3f} accuracy {last['accuracy']:.3f} kl {last['kl']:.4f}"
            )
        done, more = {"iteration": iteration + 1}, iteration + 1 < spec.iterations
        if trainer.keep_or_stop(budget, job.checkpoint, done, more=more):
            raise budget.fault(f"at iteration {iteration + 1} of {spec.iterations}", CHECKPOINT_KEPT)
    if trainer.accelerator.is_main_process:
        bar.close()
    engine.close()
    counts.rows_out = spec.iterations * episodes_per_iteration
    save_policy(job, trainer, trainer.bare_model.policy)
    trainer.finish(job, trainer.history[-1] | totals(trainer.history, spec), counts)


def new_trainer(spec: Ppo, start: Path, seed: int) -> Trainer:
    """The trainer of the start policy, and of a critic where the credit has one."""
    per_iteration = spec.epochs * math.ceil(spec.questions_per_iteration * spec.samples / spec.optimisation.batch_size)
    rate = spec.optimisation.learning_rate
    if isinstance(spec.credit, Critic):
        model = ActorCritic.load(start)
        of_critic = spec.credit.learning_rate or rate
        parts = [(model.policy, rate), (model.critic, of_critic), (model.value_head, of_critic)]
    else:
        model = Actor.load(start)
        parts = [(model.policy, rate)]
    return Trainer(model, parts, spec.optimisation, per_iteration * spec.iterations, seed)


def totals(history: Sequence[dict[str, float]], spec: Ppo) -> dict[str, int]:
    """What all iterations took; points of the history hold means over episodes, and sums over rollouts."""
    episodes = spec.questions_per_iteration * spec.samples
    rolled = {
        name: round(sum(point[name] for point in history))
        for name in ("rollout_tokens", "rollouts", "states", "distinct_states")
        if isinstance(spec.credit, Rollouts)
    }
    sampled = round(episodes * sum(point["tokens"] for point in history))
    return {
        "iterations": spec.iterations,
        "generated_tokens": sampled + rolled.get("rollout_tokens", 0),
        "trained_tokens": round(episodes * spec.epochs * sum(point["sequence_tokens"] for point in history)),
        **rolled,
    }


def gather_episodes(own: list[Episode], samples: int, trainer: Trainer) -> list[Episode]:
    """The episodes of all ranks, in the order in which their questions were drawn: what one rank alone would have.

    Args:
        own: of every ``ranks``-th question, ``samples`` each.
    """
    placed = [
        (place // samples * trainer.ranks + rank, place, episode)
        for rank, share in enumerate(gather(own, trainer.ranks))
        for place, episode in enumerate(share)
    ]
    return [episode for *_, episode in sorted(placed, key=lambda each: each[:2])]


def measure(episodes: Sequence[Episode], spec: Ppo, trainer: Trainer, reference: nn.Module) -> None:
    """Fills in the log-probs of policy and reference, and the critic's values, before the update."""
    if not episodes:
        return
    sequences = [episode.sequence for episode in episodes]
    old, *values = before_update(trainer.bare_model, sequences, spec.temperature)
    fixed = frozen_logprobs(reference, sequences, spec.temperature)
    for place, episode in enumerate(episodes):
        episode.old_logprobs, episode.reference_logprobs = old[place], fixed[place]
        episode.values = values[0][place] if values else None


def give_credit(
    episodes: Sequence[Episode],
    sampler: Sampler,
    chosen: Sequence[tuple[int, dict[str, Any]]],
    iteration: int,
    trainer: Trainer,
) -> dict[str, float]:
    """Fills in the advantages of all episodes; returns what rollouts of states took and said, where there are any."""
    spec: Ppo = sampler.job.spec
    values, said = {}, {}
    if isinstance(spec.credit, Rollouts):
        questions = {row["question_id"]: row for _, row in chosen}
        rolled, states = state_values.value_states(sampler, episodes, questions, iteration, trainer)
        values = {key: state.value for key, state in rolled.items()}
        said = state_values.describe(rolled, states)
    assign_credit(episodes, spec.credit, spec.samples, values)
    normalise(episodes, spec.whiten, spec.importance_cap)
    return said


def update(episodes: Sequence[Episode], spec: Ppo, trainer: Trainer, iteration: int, seed: int) -> dict[str, float]:
    """The optimizer steps of one iteration; returns the means of what the loss reports.

    The loss is a mean over the answer tokens of the batch: clipped surrogate, KL to the reference, a critic's error.
    """
    device, credit = trainer.accelerator.device, spec.credit
    policy_weight = 0.0 if isinstance(credit, Critic) and iteration < credit.warmup else 1.0

    def loss(module: nn.Module, chosen: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        picked = [episodes[i] for i in chosen]
        sequences = [episode.sequence for episode in picked]
        ids, attention, targets = collate(sequences, device)
        first = first_target(sequences)
        mask = targets[:, first:]

        def padded(name: str) -> Tensor:
            return pad([getattr(episode, name) for episode in picked], sequences, first, mask.size(1)).to(device)

        old, fixed = padded("old_logprobs"), padded("reference_logprobs")
        logprobs, *values = module(ids, attention, first, spec.temperature)
        surrogate = clipped_policy_loss(logprobs, old, padded("advantages"), mask, spec.clip, count=1)
        kl = (kl_estimate(logprobs * mask, fixed * mask, spec.kl_estimator) * mask).sum()
        clipped = (((logprobs - old).exp() - 1).abs() > spec.clip) & mask
        total = policy_weight * (surrogate + spec.kl_coefficient * kl)
        said = {"policy_loss": surrogate, "kl": kl, "clipped": clipped.sum()}
        if isinstance(credit, Critic):
            (now,) = values
            error = clipped_value_loss(now, padded("values"), padded("returns"), mask, credit.value_clip, count=1)
            total, said["value_loss"] = total + error, error
        return total, said

    lengths = [len(episode.sequence.ids) for episode in episodes]
    plan = spec.optimisation.model_copy(update={"steps": None, "epochs": float(spec.epochs)})
    means = [
        trainer.step(batch, float(sum(episodes[i].sequence.targets for i in batch)), loss)
        for batch in plan_batches(lengths, plan, seed)
    ]
    return {name: fmean(each[name] for each in means) for name in means[0]}


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
    if spec.temperature == 1.0:  # the only one at which the sampler tells its log-probs
        said["sampler_kl"] = sampler_excess(episodes).mean().item()
    if isinstance(spec.credit, Critic):
        returns = torch.cat([episode.returns for episode in episodes])
        errors = returns - torch.cat([episode.values for episode in episodes])
        said["explained_variance"] = 1 - (errors.var() / returns.var().clamp(min=1e-9)).item()
    return said
