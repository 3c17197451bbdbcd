"""MATH500: 500 competition problems with answers in LaTeX, the test split of PRM800K.

Lightman et al., "Let's verify step by step", arXiv 2305.20050; the problems are those of Hendrycks et al., "Measuring
mathematical problem solving with the MATH dataset", arXiv 2103.03874.
"""

from collections.abc import Iterator
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.questions.hub import HubFile
from stepladder.questions.jsonl import read_jsonl, texts
from stepladder.questions.loading import Loaded, clean, hub_splits, local_splits
from stepladder.questions.mathematics.cleaning import LONGEST
from stepladder.questions.question import Question

NAME = "math500"
VERSION = 1
FILES = {"test": "math500/test.jsonl"}
# The checksum is an id in the commit's tree.
HUB = {
    "test": HubFile(
        "github",
        "openreasoner/openr",
        "54ae004c69623ebb9a97b22211d6b236033a710d",
        "envs/MATH/dataset/test500.jsonl",
        "git-blob:8ad9d0b3119cdcce73c5c3e0ef591c584555277d",
    )
}


def load_local(folder: Path) -> Loaded:
    """From the folder of data sets: math500/test.jsonl.

    Raises:
        StepladderError: when the file is missing, or a record is not as published.
    """
    return local_splits(folder, FILES, _questions)


def load_hub(cache: Path) -> Loaded:
    """From its public repository, kept in `cache`.

    Raises:
        StepladderError: when the file cannot be had, its checksum differs, or a record is not as published.
    """
    return hub_splits(cache, HUB, _questions)


def _questions(path: Path) -> Iterator[Question]:
    for record, where in read_jsonl(path):
        problem, solution, answer = texts(record, ("problem", "solution", "answer"), where)
        if not 0 < len(answer.strip()) <= LONGEST:
            raise StepladderError(f"{where}: the answer must have 1 to {LONGEST} characters, got {len(answer.strip())}")
        chain = solution.strip()
        yield Question(NAME, {"question": clean(problem)}, (), answer.strip(), solution=chain, demonstration=chain)
