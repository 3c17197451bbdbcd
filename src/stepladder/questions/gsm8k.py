"""GSM8K: word problems of primary school with a number as answer; 7,473 train, 1,319 test, and solutions by models.

Cobbe et al., "Training verifiers to solve math word problems", arXiv 2110.14168.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.questions.hub import HubFile, SourceFile, fetch, local_source
from stepladder.questions.jsonl import read_jsonl, texts
from stepladder.questions.loading import Loaded, clean, hub_splits, local_file, local_splits
from stepladder.questions.mathematics.cleaning import clean as clean_answer
from stepladder.questions.mathematics.rationals import rational
from stepladder.questions.question import Question

NAME = "gsm8k"
VERSION = 1
FILES = {"train": "gsm8k/train.jsonl", "test": "gsm8k/test.jsonl"}
SOLUTIONS_FILE = "gsm8k/example_model_solutions.jsonl"
# The checksums are ids in the commit's tree.
GRADE_SCHOOL_MATH = ("github", "openai/grade-school-math", "3101c7d5072418e28b9008a6636bde82a006892c")
DATA = "grade_school_math/data"
HUB = {
    "train": HubFile(*GRADE_SCHOOL_MATH, f"{DATA}/train.jsonl", "git-blob:7d97154b91aef28d01c3301741c81ce90039a4b1"),
    "test": HubFile(*GRADE_SCHOOL_MATH, f"{DATA}/test.jsonl", "git-blob:e4c2ff4942b9a78bd74f04141224c11e28d12dc9"),
}
SOLUTIONS_HUB = HubFile(
    *GRADE_SCHOOL_MATH, f"{DATA}/example_model_solutions.jsonl", "git-blob:95472c66429c88ca96d09031d9624fece293081a"
)
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
_CALCULATION = re.compile(r"<<[^<>]*>>")
_MODEL_ANSWER = re.compile(r"A: ?(.*)")


@dataclass(frozen=True)
class PublishedSolution:
    """One solution of a test question by one of the paper's models.

    Attributes:
        question: as ``load_local`` gives it, so that both have one question id.
        model: one of ``MODELS``.
        text: the solution without its calculator marks; the model's closing "A: answer" is written "#### answer".
        published_correct: what the file says of it.
    """

    question: str
    model: str
    text: str
    published_correct: bool


def load_local(folder: Path) -> Loaded:
    """From the folder of data sets: gsm8k/train.jsonl and gsm8k/test.jsonl.

    Raises:
        StepladderError: when a file is missing, or a record is not as published.
    """
    return local_splits(folder, FILES, _questions)


def load_hub(cache: Path) -> Loaded:
    """From the official files, kept in `cache`.

    Raises:
        StepladderError: when a file cannot be had, its checksum differs, or a record is not as published.
    """
    return hub_splits(cache, HUB, _questions)


def local_solutions(folder: Path) -> SourceFile:
    """The file of the models' solutions in the folder of data sets."""
    return local_source(local_file(folder, [SOLUTIONS_FILE]))


def hub_solutions(cache: Path) -> SourceFile:
    """The file of the models' solutions from its public repository, kept in `cache`."""
    return fetch(SOLUTIONS_HUB, cache)


def read_solutions(path: Path) -> list[PublishedSolution]:
    """The models' solutions, four a question in the order of ``MODELS``; the questions in the order of the test file.

    Raises:
        StepladderError: when a record is not as published.
    """
    solutions = []
    for record, where in read_jsonl(path):
        (question,) = texts(record, ("question",), where)
        for model in MODELS:
            told = record.get(model)
            if not isinstance(told, dict) or not isinstance(told.get("is_correct"), bool):
                raise StepladderError(f"{where}: {model} must hold a solution and is_correct")
            (text,) = texts(told, ("solution",), f"{where}, {model}")
            solutions.append(PublishedSolution(clean(question), model, _marked(text), told["is_correct"]))
    return solutions


def without_calculations(text: str) -> str:
    """The text without the marks of GSM8K's calculator: "2*3 = <<2*3=6>>6" gives "2*3 = 6"."""
    return _CALCULATION.sub("", text)


def _marked(text: str) -> str:
    lines = without_calculations(text).split("\n")
    closing = _MODEL_ANSWER.fullmatch(lines[-1])
    return "\n".join([*lines[:-1], f"#### {closing[1]}" if closing else lines[-1]])


def _questions(path: Path) -> Iterator[Question]:
    for record, where in read_jsonl(path):
        question, solution = texts(record, ("question", "answer"), where)
        answer = solution.rpartition("####")[2].strip() if "####" in solution else ""
        if rational(clean_answer(answer)) is None:
            raise StepladderError(f"{where}: the answer must end with '#### ' and a number, got {answer[:40]!r}")
        chain = without_calculations(solution).strip()
        yield Question(NAME, {"question": clean(question)}, (), answer, solution=chain, demonstration=chain)
