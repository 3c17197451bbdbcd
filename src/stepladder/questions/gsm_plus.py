"""GSM-Plus testmini: 300 questions of GSM8K, each changed in eight ways; 300 of the 2,400 have no answer.

Li et al., "GSM-Plus: a comprehensive benchmark for evaluating the robustness of LLMs as mathematical problem solvers",
ACL 2024, arXiv 2402.19255.
"""

from collections.abc import Iterator
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.questions.hub import HubFile
from stepladder.questions.jsonl import read_jsonl, texts
from stepladder.questions.loading import Loaded, clean, hub_splits, local_splits
from stepladder.questions.mathematics.cleaning import clean as clean_answer
from stepladder.questions.mathematics.forms import UNANSWERABLE
from stepladder.questions.mathematics.rationals import rational
from stepladder.questions.question import Question

NAME = "gsm_plus"
VERSION = 1
FILES = {"test": "gsm_plus/testmini.jsonl"}
# The checksum is an id in the commit's tree.
HUB = {
    "test": HubFile(
        "github",
        "qtli/GSM-Plus",
        "3474129ec12fcd3e8ac08cb037aca1928efca98c",
        "dataset/gsmplus_testmini.jsonl",
        "git-blob:4adfae02af3868be6fd80d8274ead0fb17f753b8",
    )
}


def load_local(folder: Path) -> Loaded:
    """From the folder of data sets: gsm_plus/testmini.jsonl.

    Raises:
        StepladderError: when the file is missing, or a record is not as published.
    """
    return local_splits(folder, FILES, _questions)


def load_hub(cache: Path) -> Loaded:
    """From the official file, kept in `cache`.

    Raises:
        StepladderError: when the file cannot be had, its checksum differs, or a record is not as published.
    """
    return hub_splits(cache, HUB, _questions)


def _questions(path: Path) -> Iterator[Question]:
    for record, where in read_jsonl(path):
        question, solution, answer = texts(record, ("question", "solution", "answer"), where)
        gold = UNANSWERABLE if answer.strip() == "None" else answer.strip()
        if gold != UNANSWERABLE and rational(clean_answer(gold)) is None:
            raise StepladderError(f"{where}: the answer must be a number or None, got {answer[:40]!r}")
        chain = solution.strip()
        yield Question(NAME, {"question": clean(question)}, (), gold, solution=chain, demonstration=chain)
