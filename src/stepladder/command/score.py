"""Scores a file of answers with a trained PRM, and chooses the best answer to each question."""

import json
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from stepladder.command.answers import read_answers
from stepladder.errors import StepladderError
from stepladder.files import write_text
from stepladder.reasoning.tokens import decode
from stepladder.records import SCORES, write_records
from stepladder.rewards.accumulate import accumulate
from stepladder.rewards.heads.base import ProcessRewardModel
from stepladder.rewards.model import open_prm
from stepladder.rewards.scores import score_rows, sigmoid
from stepladder.study.fields import Accumulation

# The same answer in another batch has a score that differs in its last digits.
SAME_SCORE = 1e-6
_CHECKED = 20


def score(
    checkpoint: Path,
    source: Path,
    output: Path,
    chosen: Path | None,
    how: Accumulation,
    tokenizer: Path | None,
) -> str:
    """Writes the step scores of the answers in a file, and the best answers where they are asked for.

    An answer that is longer than the model reads is left out of both, and counted.

    Returns:
        what was done, and how fast.

    Raises:
        StepladderError: when the model, the input or a place for the output is not what it must be.
    """
    _check_places(source, output, chosen)
    answers = read_answers(source)
    prm = open_prm(checkpoint, tokenizer)
    began = time.perf_counter()
    if source.suffix == ".parquet":
        _check_ids(prm, answers, source)
        read = prm.read(answers)
    else:
        read = prm.read_texts([(row["prompt"], row["text"]) for row in answers])
    given = len(answers)
    kept = [(row, readings) for row, readings in zip(answers, read, strict=True) if prm.fits(readings)]
    if not kept:
        raise StepladderError(f"{source}: every answer is longer than the {prm.positions} tokens that the PRM reads")
    answers = [row for row, _ in kept]
    logits = prm.score_readings([readings for _, readings in kept], "score")
    seconds = time.perf_counter() - began
    if output.suffix == ".parquet":
        write_records(score_rows(answers, logits), SCORES, output)
    else:
        _write_lines([_scored(row, steps, how) for row, steps in zip(answers, logits, strict=True)], output)
    steps = sum(map(len, logits))
    told = [
        f"{len(answers)} answers with {steps} steps in {seconds:.1f} s: "
        f"{len(answers) / seconds:.1f} answers/s, {steps / seconds:.1f} steps/s"
    ]
    if given > len(answers):
        told.append(f"{given - len(answers)} answers are longer than the {prm.positions} tokens it reads: left out")
    if empty := sum(not each for each in logits):
        told.append(f"{empty} answers have no step of style {prm.format.step_style}: their score is 0")
    if chosen:
        best = best_answers(answers, logits, how)
        _write_lines(best, chosen)
        tied = sum(row["tied"] > 1 for row in best)
        told.append(f"{len(best)} best answers by {how}; in {tied} questions several tie, and the first is taken")
    return "\n".join(told)


def best_answers(
    answers: Sequence[dict[str, Any]], logits: Sequence[Sequence[float]], how: Accumulation
) -> list[dict[str, Any]]:
    """For each question its answer with the highest score, the first of those that tie.

    Args:
        answers: rows with question_id, sample and text.
        logits: of the steps of every answer.
    """
    scored = [(row, _answer_score(steps, how)) for row, steps in zip(answers, logits, strict=True)]
    scored.sort(key=lambda each: each[0]["question_id"])
    found = {}
    for question, group in groupby(scored, key=lambda each: each[0]["question_id"]):
        candidates = list(group)
        highest = max(value for _, value in candidates)
        tied = [row for row, value in candidates if value >= highest - SAME_SCORE]
        found[question] = {
            "question_id": question,
            "sample": tied[0]["sample"],
            "score": highest,
            "candidates": len(candidates),
            "tied": len(tied),
            "response": tied[0]["text"],
        }
    return [found[question] for question in dict.fromkeys(row["question_id"] for row in answers)]


def _scored(row: dict[str, Any], logits: Sequence[float], how: Accumulation) -> dict[str, Any]:
    return {
        "question_id": row["question_id"],
        "sample": row["sample"],
        "score": _answer_score(logits, how),
        "step_scores": [sigmoid(logit) for logit in logits],
        "step_logits": list(logits),
    }


def _answer_score(logits: Sequence[float], how: Accumulation) -> float:
    return accumulate([sigmoid(logit) for logit in logits], how)


def _write_lines(rows: Sequence[dict[str, Any]], path: Path) -> None:
    write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), path)


def _check_places(source: Path, output: Path, chosen: Path | None) -> None:
    if output.suffix not in (".parquet", ".jsonl"):
        raise StepladderError(f"--output {output}: name a .parquet or a .jsonl file")
    if chosen and chosen.suffix != ".jsonl":
        raise StepladderError(f"--best-of-n {chosen}: name a .jsonl file")
    places = [path.resolve() for path in (source, output, chosen) if path]
    if len(set(places)) < len(places):
        raise StepladderError("--input, --output and --best-of-n must be different files")


def _check_ids(prm: ProcessRewardModel, rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Token ids say nothing in another tokenizer; read in the right one they spell the row's text."""
    for number, row in enumerate(rows[:_CHECKED]):
        if decode(prm.reader, row["token_ids"]).split() != row["text"].split():
            raise StepladderError(
                f"{path}: row {number}: its token ids do not spell its text; name the checkpoint whose tokenizer "
                "made them with --tokenizer"
            )
