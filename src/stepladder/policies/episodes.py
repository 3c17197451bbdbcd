"""One iteration's episodes: questions drawn, answers sampled, steps scored, rewards given."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerFast

from stepladder.errors import StepladderError
from stepladder.generation.engine import Engine
from stepladder.generation.requests import Request, Sampling
from stepladder.generation.trajectories import prompts_of, trajectory_rows
from stepladder.job import Job
from stepladder.rewards.heads.base import ProcessRewardModel
from stepladder.rewards.reward import Reward, counted_steps, reward
from stepladder.rewards.scores import sigmoid
from stepladder.study.specs.policies import Ppo
from stepladder.study.specs.rewards import Rewards
from stepladder.training.sequences import TokenSequence


@dataclass
class Episode:
    """One sampled answer with its reward, and what an update needs of it, per answer token.

    ``step_scores`` are a PRM's probabilities of the steps that count, ``scored_ends`` how many ids the answer has up
    to the end of each; ``values`` and ``returns`` are a critic's. Without a model they stay as they are.
    ``penalties`` are what the KL term takes from the reward; None where it is a term of the loss.
    """

    trajectory: dict[str, Any]
    reward: Reward
    sequence: TokenSequence
    step_scores: tuple[float, ...] = ()
    scored_ends: tuple[int, ...] = ()
    old_logprobs: Tensor | None = None
    reference_logprobs: Tensor | None = None
    values: Tensor | None = None
    penalties: Tensor | None = None
    advantages: Tensor | None = None
    returns: Tensor | None = None


def questions_of_iteration(
    job: Job, questions: Sequence[dict[str, Any]], iteration: int
) -> list[tuple[int, dict[str, Any]]]:
    """(pass, question) of one iteration: every pass over the split is a fresh shuffle, decided by the seed alone."""
    spec: Ppo = job.spec
    wanted = range(iteration * spec.questions_per_iteration, (iteration + 1) * spec.questions_per_iteration)
    chosen = []
    for position in wanted:
        turn, place = divmod(position, len(questions))
        order = list(range(len(questions)))
        random.Random(job.derive_seed("questions", turn)).shuffle(order)
        chosen.append((turn, questions[order[place]]))
    return chosen


class Sampler:
    """Samples and rewards episodes with the engine and the reward function of one job.

    Args:
        prm: of the job's rewards; None where a right answer is worth 1 and any other 0.
    """

    def __init__(self, job: Job, tokenizer: PreTrainedTokenizerFast, engine: Engine, prm: ProcessRewardModel | None):
        self.job, self.tokenizer, self.engine, self.prm = job, tokenizer, engine, prm
        spec: Ppo = job.spec
        self.rewards = Rewards.model_validate(job.data["rewards"]) if spec.rewards else None
        self.sampling = Sampling(temperature=spec.temperature, top_p=spec.top_p, max_tokens=spec.max_tokens)

    def sample(self, chosen: Sequence[tuple[int, dict[str, Any]]]) -> list[Episode]:
        """Episodes of (pass, question), ``samples`` each, under the weights that the engine holds.

        Raises:
            StepladderError: when a prompt leaves no room to answer.
        """
        questions = [row for _, row in chosen]
        prompts = prompts_of(self.tokenizer, questions)
        requests = [
            Request(
                prompts[row["question_id"]],
                self.job.spec.samples,
                self.job.derive_seed("episodes", turn, row["question_id"]),
            )
            for turn, row in chosen
        ]
        rows = []
        for row, request, completions in zip(
            questions, requests, self.engine.generate(requests, self.sampling, progress=""), strict=True
        ):
            if not all(completion.token_ids for completion in completions):
                raise StepladderError(
                    f"question {row['question_id']}: its prompt of {len(request.prompt_ids)} tokens leaves no room to "
                    "answer in the model's context; leave it out"
                )
            rows += trajectory_rows(row, request.prompt_ids, completions, self.tokenizer, self.job.step_style)
        logits = self.prm.score(rows) if self.prm else [()] * len(rows)
        return [
            self._rewarded(row, tuple(sigmoid(logit) for logit in each)) for row, each in zip(rows, logits, strict=True)
        ]

    def _rewarded(self, row: dict[str, Any], scores: tuple[float, ...]) -> Episode:
        sequence = TokenSequence((*row["prompt_ids"], *row["token_ids"]), len(row["prompt_ids"]))
        if self.rewards:
            counted = counted_steps(row, scores, self.rewards)
            scores, ends = (tuple(of_steps[step] for step in counted) for of_steps in (scores, row["step_ends"]))
            return Episode(row, reward(scores, row["correct"], self.rewards), sequence, scores, ends)
        outcome = float(row["correct"])
        return Episode(row, Reward(len(row["step_ends"]), 0.0, 0.0, outcome, outcome), sequence)
