"""Rollouts of every unfinished state, and the step labels that they give."""

from collections.abc import Iterable, Sequence
from typing import Any

from stepladder.generation.chunks import chunks, in_chunks, sample_seed
from stepladder.generation.requests import Request, Sampling
from stepladder.generation.work import PolicyEngine
from stepladder.job import Job
from stepladder.questions.collect import question_of
from stepladder.questions.judging import are_right
from stepladder.reasoning.tokens import decode
from stepladder.records import LABELS
from stepladder.study.specs.labels import MonteCarlo
from stepladder.supervision.monte_carlo import Outcome, step_labels, unfinished_states


def label_states(
    job: Job,
    trajectories: Iterable[dict[str, Any]],
    questions: dict[str, dict[str, Any]],
    policy: PolicyEngine,
    part: tuple[int, int],
) -> list[dict[str, Any]]:
    """Rows of the label table for one shard of the questions; each distinct state of a question is rolled out once.

    States hold their prompt, so states of different questions never coincide.
    """
    spec: MonteCarlo = job.spec
    by_question: dict[str, list[dict[str, Any]]] = {}
    for row in trajectories:
        by_question.setdefault(row["question_id"], []).append(row)
    groups = [by_question[key] for key in sorted(by_question)]

    def make_rows(chunk: Sequence[list[dict[str, Any]]], label: str) -> list[dict[str, Any]]:
        rows = [row for group in chunk for row in group]
        states = unfinished_states(rows)
        requests = [
            Request(
                (*state.prompt_ids, *state.prefix_ids),
                spec.rollouts,
                sample_seed(job.study, job.node, job.seed, state.key),
                max_tokens=spec.max_tokens - len(state.prefix_ids),
            )
            for state in states
        ]
        sampling = Sampling(spec.temperature, spec.top_p, spec.max_tokens, logprobs=False)
        rollouts = policy.engine.generate(requests, sampling, progress=label)
        outcomes = {}
        for state, completions in zip(states, rollouts, strict=True):
            texts = [decode(policy.tokenizer, [*state.prefix_ids, *each.token_ids]) for each in completions]
            right = are_right(texts, question_of(questions[state.question_id]))
            outcomes[state.key] = Outcome(len(right), sum(right), sum(len(each.token_ids) for each in completions))
        return step_labels(rows, outcomes)

    pieces = chunks(groups, job.data["chunk"])
    return in_chunks(job, pieces, LABELS, make_rows, job.checkpoint / "rollouts", part)
