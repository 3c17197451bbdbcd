"""Answers as records: what was sampled, cut into steps and graded."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from transformers import PreTrainedTokenizerFast

from stepladder.generation.requests import Completion
from stepladder.questions.collect import question_of
from stepladder.questions.judging import judge
from stepladder.reasoning.tokens import encode_prompt, step_ends


def prompts_of(tokenizer: PreTrainedTokenizerFast, questions: Iterable[dict[str, Any]]) -> dict[str, tuple[int, ...]]:
    """Prompt ids by question id; the only place where a prompt is encoded for sampling."""
    return {row["question_id"]: tuple(encode_prompt(tokenizer, row["prompt"])) for row in questions}


def trajectory_rows(
    row: dict[str, Any],
    prompt_ids: Sequence[int],
    completions: Sequence[Completion],
    tokenizer: PreTrainedTokenizerFast,
    step_style: str,
) -> list[dict[str, Any]]:
    """One record per completion of a question (a row of the question table)."""
    cut = [step_ends(tokenizer, list(completion.token_ids), step_style) for completion in completions]
    judgements = judge([text for text, _ in cut], question_of(row))
    return [
        {
            "question_id": row["question_id"],
            "sample": sample,
            "dataset": row["dataset"],
            "prompt_ids": list(prompt_ids),
            "token_ids": list(completion.token_ids),
            "logprobs": list(completion.logprobs),
            "finish_reason": completion.finish_reason,
            "text": text,
            "step_ends": ends,
            **asdict(judgement),
        }
        for sample, (completion, (text, ends), judgement) in enumerate(zip(completions, cut, judgements, strict=True))
    ]
