"""Proximal policy optimisation with a critic and a terminal reward: sample, reward, advantages, update, repeat."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from stepladder.errors import StepladderError
from stepladder.generation.engine import Engine
from stepladder.job import Job
from stepladder.policies.actor_critic import ActorCritic, frozen_logprobs, pad, policy_and_values
from stepladder.policies.advantages import gae
from stepladder.policies.clipped import clipped_policy_loss, clipped_value_loss, kl_estimate, whiten
from stepladder.policies.episodes import Episode, Sampler, questions_of_iteration
from stepladder.policies.language import load_reference, save_policy
from stepladder.progress import Progress
from stepladder.reasoning.tokens import load_tokenizer
from stepladder.records import Counts
from stepladder.rewards.model import load_prm
from stepladder.study.specs.policies import Ppo
from stepladder.training.batches import plan_batches
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
    model = ActorCritic.load(job.path("start"))
    episodes_per_iteration = spec.questions_per_iteration * spec.samples
    updates = spec.epochs * math.ceil(episodes_per_iteration / spec.optimisation.batch_size)
    rate = spec.optimisation.learning_rate
    parts = [
        (model.policy, rate),
        (model.critic, spec.critic_learning_rate),
        (model.value_head, spec.critic_learning_rate),
    ]
    trainer = Trainer(model, parts, spec.optimisation, updates * spec.iterations, job.derive_seed("training"))
    reference = load_reference(job.path("start"))
    prm = load_prm(job.path("prm"), job.step_style, job.path("start"))
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
            episodes = gather_episodes(own, spec.samples, trainer)
            prepare(episodes, spec, trainer, reference)
            losses = update(episodes, spec, trainer, iteration, job.derive_seed("updates", iteration))
        trainer.history.append({"step": iteration + 1, **describe(episodes), **losses})
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
    made = {
        "iterations": spec.iterations,
        "generated_tokens": _tokens_of_all(trainer, "tokens", episodes_per_iteration),
        "trained_tokens": _tokens_of_all(trainer, "sequence_tokens", episodes_per_iteration * spec.epochs),
    }
    trainer.finish(job, made | trainer.history[-1], counts)


def _tokens_of_all(trainer: Trainer, mean: str, episodes: int) -> int:
    """Tokens of all iterations, from their means over episodes."""
    return round(episodes * sum(point[mean] for point in trainer.history))


def gather_episodes(own: list[Episode], samples: int, trainer: Trainer) -> list[Episode]:
    """The episodes of all ranks, in the order in which their questions were drawn: what one rank alone would have.

    Args:
        own: of every ``ranks``-th question, ``samples`` each.
    """
    if trainer.ranks == 1:
        return own
    shares: list[list[Episode] | None] = [None] * trainer.ranks
    torch.distributed.all_gather_object(shares, own)
    placed = [
        (place // samples * trainer.ranks + rank, place, episode)
        for rank, share in enumerate(shares)
        for place, episode in enumerate(share)
    ]
    return [episode for *_, episode in sorted(placed, key=lambda each: each[:2])]


def prepare(episodes: Sequence[Episode], spec: Ppo, trainer: Trainer, reference: nn.Module) -> None:
    """Fills in log-probs, values, advantages and returns, normalised over all episodes of the iteration."""
    sequences = [episode.sequence for episode in episodes]
    model = trainer.bare_model
    old, values = policy_and_values(model, sequences, spec.temperature)
    fixed = frozen_logprobs(reference, sequences, spec.temperature)
    for episode, logprobs, state_values, reference_logprobs in zip(episodes, old, values, fixed, strict=True):
        rewards = torch.zeros_like(state_values)
        rewards[-1] = episode.reward.reward
        episode.old_logprobs, episode.values, episode.reference_logprobs = logprobs, state_values, reference_logprobs
        episode.advantages = gae(rewards, state_values, spec.gamma, spec.lam)
        episode.returns = episode.advantages + state_values
    if spec.whiten != "none":
        joined = torch.cat([episode.advantages for episode in episodes])
        scaled = whiten(joined, torch.ones_like(joined), shift_mean=spec.whiten == "full")
        for episode, part in zip(episodes, scaled.split([len(e.advantages) for e in episodes]), strict=True):
            episode.advantages = part


def update(episodes: Sequence[Episode], spec: Ppo, trainer: Trainer, iteration: int, seed: int) -> dict[str, float]:
    """The optimizer steps of one iteration; returns the means of what the loss reports.

    The loss is a mean over the answer tokens of the batch: clipped surrogate, KL to the reference, value error.
    """
    device = trainer.accelerator.device
    policy_weight = 0.0 if iteration < spec.critic_warmup else 1.0

    def loss(module: nn.Module, chosen: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        picked = [episodes[i] for i in chosen]
        sequences = [episode.sequence for episode in picked]
        ids, attention, targets = collate(sequences, device)
        first = first_target(sequences)
        mask = targets[:, first:]
        old, fixed, advantages, old_values, returns = (
            pad([getattr(e, name) for e in picked], sequences, first, mask.size(1)).to(device)
            for name in ("old_logprobs", "reference_logprobs", "advantages", "values", "returns")
        )
        logprobs, values = module(ids, attention, first, spec.temperature)
        surrogate = clipped_policy_loss(logprobs, old, advantages, mask, spec.clip, count=1)
        kl = (kl_estimate(logprobs * mask, fixed * mask, spec.kl_estimator) * mask).sum()
        value = clipped_value_loss(values, old_values, returns, mask, spec.value_clip, count=1)
        clipped = (((logprobs - old).exp() - 1).abs() > spec.clip) & mask
        total = policy_weight * (surrogate + spec.kl_coefficient * kl) + value
        return total, {"policy_loss": surrogate, "kl": kl, "value_loss": value, "clipped": clipped.sum()}

    lengths = [len(episode.sequence.ids) for episode in episodes]
    plan = spec.optimisation.model_copy(update={"steps": None, "epochs": float(spec.epochs)})
    means = [
        trainer.step(batch, float(sum(episodes[i].sequence.targets for i in batch)), loss)
        for batch in plan_batches(lengths, plan, seed)
    ]
    return {name: fmean(each[name] for each in means) for name in means[0]}


def describe(episodes: Sequence[Episode]) -> dict[str, float]:
    """What an iteration's episodes look like; reward and accuracy side by side, so that hacking shows."""
    rows = [episode.trajectory for episode in episodes]
    returns = torch.cat([episode.returns for episode in episodes])
    errors = returns - torch.cat([episode.values for episode in episodes])
    mismatch = torch.cat([torch.tensor(e.trajectory["logprobs"]) - e.old_logprobs for e in episodes])
    return {
        "reward": fmean(episode.reward.reward for episode in episodes),
        "shaped": fmean(episode.reward.shaped for episode in episodes),
        "accuracy": fmean(row["correct"] for row in rows),
        "unparsable": fmean(row["answer"] is None for row in rows),
        "steps": fmean(episode.reward.steps for episode in episodes),
        "tokens": fmean(len(row["token_ids"]) for row in rows),
        "sequence_tokens": fmean(len(episode.sequence.ids) for episode in episodes),
        "explained_variance": 1 - (errors.var() / returns.var().clamp(min=1e-9)).item(),
        "sampler_kl": mismatch.mean().item(),
    }
