"""The updates of one iteration: the clipped surrogate, the KL term, and a critic's error where there is a critic."""

from collections.abc import Sequence
from statistics import fmean

from torch import Tensor, nn

from stepladder.policies.actor_critic import pad
from stepladder.policies.clipped import clipped_policy_loss, clipped_value_loss, kl_estimate
from stepladder.policies.course import generated_tokens, share_of_budget
from stepladder.policies.episodes import Episode
from stepladder.study.specs.credit import Critic
from stepladder.study.specs.policies import Ppo
from stepladder.training.batches import plan_batches
from stepladder.training.sequences import collate, first_target
from stepladder.training.trainer import Loss, Trainer

# VinePPO's code keeps the KL estimate of a token within 0 and this.
MOST_KL_AS_PUBLISHED = 10.0


def update(
    episodes: Sequence[Episode], spec: Ppo, trainer: Trainer, iteration: int, seed: int, generated: int = 0
) -> dict[str, float]:
    """The optimizer steps of one iteration; returns the means of what the loss reports.

    The loss is a mean over the answer tokens of the batch: clipped surrogate, KL to the reference, a critic's error.
    ``kl`` is said as a mean over tokens, wherever the term stands and whatever its unit in the loss.

    Args:
        generated: tokens sampled so far, this iteration's included; with a token budget they set the learning rate.
    """
    lengths = [len(episode.sequence.ids) for episode in episodes]
    plan = spec.optimisation.model_copy(update={"steps": None, "epochs": float(spec.epochs)})
    batches, before, means = plan_batches(lengths, plan, seed), generated_tokens(trainer.history), []
    for place, batch in enumerate(batches):
        tokens = float(sum(episodes[i].sequence.targets for i in batch))
        loss = _loss(episodes, spec, iteration, tokens / len(batch))
        done = share_of_budget(spec, before, generated, (place + 0.5) / len(batches))
        means.append(trainer.step(batch, tokens, loss, done))
    return {name: fmean(each[name] for each in means) for name in means[0]}


def _loss(episodes: Sequence[Episode], spec: Ppo, iteration: int, tokens_a_sequence: float) -> Loss:
    """The loss of one optimizer step, summed over tokens.

    Args:
        tokens_a_sequence: of the global batch, on average.
    """
    credit = spec.credit
    policy_weight = 0.0 if isinstance(credit, Critic) and iteration < credit.warmup else 1.0

    def loss(module: nn.Module, chosen: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        picked = [episodes[i] for i in chosen]
        sequences = [episode.sequence for episode in picked]
        device = next(module.parameters()).device
        ids, attention, targets = collate(sequences, device)
        first = first_target(sequences)
        mask = targets[:, first:]

        def padded(name: str) -> Tensor:
            return pad([getattr(episode, name) for episode in picked], sequences, first, mask.size(1)).to(device)

        old, fixed = padded("old_logprobs"), padded("reference_logprobs")
        logprobs, *values = module(ids, attention, first, spec.temperature)
        surrogate = clipped_policy_loss(logprobs, old, padded("advantages"), mask, spec.clip, count=1)
        kl = kl_estimate(logprobs.where(mask, 0.0), fixed, spec.kl_estimator)  # both 0 in padding
        pull = kl.sum() if spec.kl_unit == "token" else kl.clamp(0.0, MOST_KL_AS_PUBLISHED).sum() * tokens_a_sequence
        clipped = (((logprobs - old).exp() - 1).abs() > spec.clip) & mask
        total = policy_weight * (surrogate + spec.kl_coefficient * pull if spec.kl_in == "loss" else surrogate)
        said = {"policy_loss": surrogate, "kl": kl.sum(), "clipped": clipped.sum()}
        if isinstance(credit, Critic):
            (now,) = values
            error = clipped_value_loss(now, padded("values"), padded("returns"), mask, credit.value_clip, count=1)
            total, said["value_loss"] = total + error, error
        return total, said

    return loss
