"""Rollouts of unfinished states: the step labels that they give, or each of them kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from stepladder.generation.chunks import chunks, in_chunks, sample_seed
from stepladder.generation.requests import Completion, Request, Sampling
from stepladder.generation.work import PolicyEngine
from stepladder.job import Job
from stepladder.questions.collect import question_of
from stepladder.questions.judging import are_right
from stepladder.reasoning.tokens import decode, step_ends
from stepladder.records import LABELS, ROLLOUTS
from stepladder.study.canonical import derive_seed
from stepladder.supervision.monte_carlo import Outcome, State, drawn_steps, every_step, step_labels, unfinished_states
from stepladder.supervision.visits import Visit, alternatives, drawn, visits


@dataclass(frozen=True)
class Graded:
    """One rollout: what was sampled, the whole answer as text, and whether it is right."""

    sampled: Completion
    text: str
    correct: bool


def label_states(
    job: Job,
    trajectories: Iterable[dict[str, Any]],
    questions: dict[str, dict[str, Any]],
    policy: PolicyEngine,
    part: tuple[int, int],
) -> list[dict[str, Any]]:
    """Rows of the label table for one shard of the questions; each distinct state of a question is rolled out once.

    States hold their prompt, so states of different questions never coincide. Every rollout is a trial, those that are
    empty or equal to others too: without them states that the policy is sure of would be left out, as in LPR's code.
    """
    spec = job.spec
    sampling = Sampling(spec.temperature, spec.top_p, spec.max_tokens, logprobs=False)
    draw = partial(job.derive_seed, "states")
    choice = partial(drawn_steps, spec=spec.states, number=draw) if spec.states else every_step

    def make_rows(chunk: Sequence[list[dict[str, Any]]], label: str) -> list[dict[str, Any]]:
        rows = [row for group in chunk for row in group]
        rolled = _roll_out(job, unfinished_states(rows, choice), questions, policy, sampling, label)
        return step_labels(rows, {key: _outcome(rollouts) for key, rollouts in rolled.items()}, choice)

    pieces = chunks(_by_question(trajectories), job.data["chunk"])
    return in_chunks(job, pieces, LABELS, make_rows, job.checkpoint / "rollouts", part)


def keep_rollouts(
    job: Job,
    trajectories: Iterable[dict[str, Any]],
    questions: dict[str, dict[str, Any]],
    policy: PolicyEngine,
    part: tuple[int, int],
) -> list[dict[str, Any]]:
    """Rows of the rollout table for one shard of the questions: drawn states, then alternatives to their next steps.

    Which questions and states are drawn depends on study, seed and trajectories, not on the node: nodes of other
    policies or temperatures roll out the same ones. The more rollouts a state has, the fewer questions are in a
    chunk, so that chunks take about as long as elsewhere.
    """
    spec = job.spec
    sampling = Sampling(spec.temperature, spec.top_p, spec.max_tokens)

    def number(key: str) -> int:
        return derive_seed(job.study, "drawn", job.seed, key)

    def ends(ids: list[int]) -> list[int]:
        return step_ends(policy.tokenizer, ids, job.step_style)[1]

    def make_rows(chunk: Sequence[list[dict[str, Any]]], label: str) -> list[dict[str, Any]]:
        picked = [visit for group in chunk for visit in drawn(visits(group, spec.max_tokens), spec.states, number)]
        rolled = _roll_out(job, [visit.state for visit in picked], questions, policy, sampling, label)
        others = [
            other
            for visit in picked
            for other in alternatives(
                visit, (each.sampled.token_ids for each in rolled[visit.state.key]), ends, spec.alternatives
            )
        ]
        new = {other.state.key: other.state for other in others if other.state.key not in rolled}
        rolled |= _roll_out(job, list(new.values()), questions, policy, sampling, f"{label} alternatives")
        return [_row(visit, rolled[visit.state.key]) for visit in (*picked, *others)]

    questions_drawn = sorted(_by_question(trajectories), key=lambda group: number(group[0]["question_id"]))[
        : spec.limit
    ]
    pieces = chunks(questions_drawn, max(1, job.data["chunk"] // spec.rollouts))
    return in_chunks(job, pieces, ROLLOUTS, make_rows, job.checkpoint / "rollouts", part)


def _by_question(trajectories: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in trajectories:
        found.setdefault(row["question_id"], []).append(row)
    return [found[key] for key in sorted(found)]


def _roll_out(
    job: Job,
    states: Sequence[State],
    questions: dict[str, dict[str, Any]],
    policy: PolicyEngine,
    sampling: Sampling,
    label: str,
) -> dict[str, list[Graded]]:
    """Every state's rollouts by its key, each with the tokens that the state has left."""
    requests = [
        Request(
            (*state.prompt_ids, *state.prefix_ids),
            job.spec.rollouts,
            sample_seed(job.study, job.node, job.seed, state.key),
            max_tokens=job.spec.max_tokens - len(state.prefix_ids),
        )
        for state in states
    ]
    found = {}
    for state, sampled in zip(states, policy.engine.generate(requests, sampling, progress=label), strict=True):
        texts = [decode(policy.tokenizer, [*state.prefix_ids, *each.token_ids]) for each in sampled]
        right = are_right(texts, question_of(questions[state.question_id]))
        found[state.key] = [Graded(*each) for each in zip(sampled, texts, right, strict=True)]
    return found


def _outcome(rollouts: Sequence[Graded]) -> Outcome:
    tokens = sum(len(each.sampled.token_ids) for each in rollouts)
    return Outcome(len(rollouts), sum(each.correct for each in rollouts), tokens)


def _row(visit: Visit, rollouts: Sequence[Graded]) -> dict[str, Any]:
    return {
        "question_id": visit.state.question_id,
        "sample": visit.sample,
        "step": visit.step,
        "state": visit.state.key,
        "state_ids": [*visit.state.prompt_ids, *visit.state.prefix_ids],
        "parent": visit.parent,
        "correct": [each.correct for each in rollouts],
        "rollout_ids": [list(each.sampled.token_ids) for each in rollouts],
        "tokens": [len(each.sampled.token_ids) for each in rollouts],
        "logprobs": [sum(each.sampled.logprobs) for each in rollouts],
        "texts": [each.text for each in rollouts],
    }
