"""Labelled solutions as trajectories: encoded once, cut where their source cuts them."""

from itertools import accumulate, islice
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from stepladder.questions.prompts import build_prompt
from stepladder.questions.question import Question
from stepladder.reasoning.tokens import encode_prompt
from stepladder.supervision.solutions import BETWEEN_STEPS, LabelledSolution


def trajectory_row(
    solution: LabelledSolution, sample: int, tokenizer: PreTrainedTokenizerFast, dataset: str, longest: int
) -> dict[str, Any] | str:
    """A solution as a row of ``records.TRAJECTORIES``, or why it cannot be one.

    A step ends with the newline behind it, as it does where a policy writes it; a finished solution ends with the
    end-of-sequence token. The prompt is that of a question without options and without the instruction; there is
    none where the source has no question.

    Args:
        sample: its place among the solutions of its problem.
        dataset: what the row says where it comes from.
        longest: most tokens of prompt and solution together; a longer one is left out, never cut.
    """
    prompt_ids = encode_prompt(tokenizer, prompt_of(solution.problem)) if solution.problem else []
    token_ids, step_ends = _encoded(solution, tokenizer)
    if len(prompt_ids) + len(token_ids) > longest:
        return f"longer than {longest} tokens"
    if any(end == before for end, before in zip(step_ends, [0, *step_ends], strict=False)):
        return "step without a token of its own"
    return {
        "question_id": solution.question_id,
        "sample": sample,
        "dataset": dataset,
        "prompt_ids": prompt_ids,
        "token_ids": token_ids,
        "logprobs": [],
        "finish_reason": "stop" if solution.finished else "length",
        "text": solution.text,
        "step_ends": step_ends,
        "correct": solution.correct,
        "correct_flexible": solution.correct,
        "answer": None,
        "answer_flexible": None,
    }


def prompt_of(problem: str) -> str:
    """The prompt that a policy is given for a problem in free form, without the instruction."""
    return build_prompt(Question("", {"question": problem}, (), ""), instruction=False)


def _encoded(solution: LabelledSolution, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """Token ids, and how many of them end at or across the start of the next step."""
    encoding = tokenizer(solution.text, add_special_tokens=False, return_offsets_mapping=True)
    starts = [start for start, _ in encoding["offset_mapping"]]
    opens = islice(accumulate(len(step) + len(BETWEEN_STEPS) for step in solution.steps), len(solution.steps) - 1)
    ids = [*encoding["input_ids"], *([tokenizer.eos_token_id] if solution.finished else [])]
    return ids, [*np.searchsorted(starts, list(opens), "left").tolist(), len(ids)]
