"""On-policy learning: sample, reward, give credit, update, repeat.

The loss is PPO's clipped surrogate whatever the credit; only a critic adds its own error.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from stepladder.errors import StepladderError
from stepladder.generation.engine import Engine
from stepladder.job import Job
from stepladder.policies import state_values
from stepladder.policies.actor_critic import Actor, ActorCritic, before_update, logprobs_as_trained
from stepladder.policies.course import Phases, describe, generated_tokens, is_over, new_bar, note, position, totals
from stepladder.policies.credit import credit_episodes
from stepladder.policies.episodes import Episode, Sampler, questions_of_iteration
from stepladder.policies.language import load_reference, save_policy
from stepladder.policies.updates import update
from stepladder.reasoning.tokens import load_tokenizer
from stepladder.records import Counts
from stepladder.rewards.model import load_prm
from stepladder.study.specs.credit import Critic, Rollouts
from stepladder.study.specs.policies import Ppo
from stepladder.training.batches import batches_by_tokens
from stepladder.training.ranks import gather
from stepladder.training.trainer import CHECKPOINT_KEPT, Trainer

# Of a GPU's memory, for the sampler's weights and cache; the rest is the trainer's, which shares the device.
ENGINE_MEMORY = 0.3


def train_ppo(
    job: Job,
    questions: Sequence[dict[str, Any]],
    counts: Counts,
    tell: Callable[[Mapping[str, float]], None] = lambda point: None,
) -> None:
    """Trains the start policy on its own rewarded answers and writes the policy.

    Args:
        tell: is called with every point of the history, those of earlier attempts first.

    Raises:
        StepladderError: when the split is empty, a prompt leaves no room to answer, or the time budget is spent.
    """
    spec: Ppo = job.spec
    if not questions:
        raise StepladderError(f"split {spec.split!r} holds no question")
    trainer = new_trainer(spec, job.path("start"), job.derive_seed("training"))
    reference = reference_of(trainer, job.path("start"))
    prm = load_prm(job.path("prm"), job.step_style, job.path("start")) if spec.rewards else None
    tokenizer = load_tokenizer(job.path("start"))
    engine = Engine(job.path("start"), memory_share=ENGINE_MEMORY)
    sampler = Sampler(job, tokenizer, engine, prm)

    trainer.load_checkpoint(job.checkpoint)
    for point in trainer.history:
        tell(point)
    bar = new_bar(trainer.history, spec, f"{job.node} seed {job.seed}")
    budget = job.budget()
    while not is_over(trainer.history, spec):
        iteration = len(trainer.history)
        with budget.unit():
            phases = Phases()
            with trainer.whole_weights():
                engine.swap_weights(trainer.bare_model.policy.state_dict().items())
            phases.end("swap")
            chosen = questions_of_iteration(job, questions, iteration)
            own = sampler.sample(chosen[trainer.rank :: trainer.ranks])
            phases.end("sampling")
            measure(own, spec, trainer, reference)
            episodes = gather_episodes(own, spec.samples, trainer)
            phases.end("logprob")
            rolled = give_credit(episodes, sampler, chosen, iteration, trainer)
            phases.end("rollout")
            generated = generated_tokens(trainer.history, episodes, rolled)
            losses = update(episodes, spec, trainer, iteration, job.derive_seed("updates", iteration), generated)
            phases.end("update")
        said = describe(episodes, spec) | {"generated_tokens": generated}
        trainer.history.append({"step": iteration + 1, **said, **rolled, **losses, **phases.seconds})
        tell(trainer.history[-1])
        if trainer.accelerator.is_main_process:
            bar.update(position(trainer.history, spec), note(trainer.history, spec))
        if trainer.keep_or_stop(budget, job.checkpoint, {}, more=not is_over(trainer.history, spec)):
            raise budget.fault(f"at iteration {iteration + 1} of {spec.iterations}", CHECKPOINT_KEPT)
    if trainer.accelerator.is_main_process:
        bar.close()
    engine.close()
    counts.rows_out = len(trainer.history) * spec.questions_per_iteration * spec.samples
    save_policy(job, trainer)
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


def reference_of(trainer: Trainer, start: Path) -> nn.Module:
    """The start policy as it stays, with weights of the type that the trainer's policy has them in."""
    return load_reference(start).to(next(trainer.bare_model.parameters()).dtype)


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
    sequences = [episode.sequence for episode in episodes]
    own = len(batches_by_tokens([len(sequence.ids) for sequence in sequences]))
    passes = max(gather(own, trainer.ranks)) if trainer.splits_weights else 0
    before = before_update(trainer.bare_model, sequences, spec.temperature, passes)
    if not episodes:
        return
    old, *values = before
    fixed = logprobs_as_trained(trainer, reference, sequences, spec.temperature)
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
    values, rollouts, said = {}, {}, {}
    if isinstance(spec.credit, Rollouts):
        questions = {row["question_id"]: row for _, row in chosen}
        rolled, states = state_values.value_states(sampler, episodes, questions, iteration, trainer)
        values = {key: state.value for key, state in rolled.items()}
        rollouts = {key: state.rollouts for key, state in rolled.items()}
        said = state_values.describe(rolled, states)
    credit_episodes(episodes, spec, values, rollouts)
    return said
