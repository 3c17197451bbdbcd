"""LogiQA 2.0: logical reasoning over a passage, four options; 12,567 train, 1,569 dev, 1,572 test, 575 out of domain.

Liu et al., "LogiQA 2.0 - An Improved Dataset for Logical Reasoning in Natural Language Understanding", IEEE/ACM
Transactions on Audio, Speech, and Language Processing, 2023. Its ids are not unique; questions are known
by their content.
"""

from collections.abc import Iterator
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.questions.hub import HubFile
from stepladder.questions.jsonl import read_jsonl, texts
from stepladder.questions.loading import Loaded, clean, hub_splits, local_splits
from stepladder.questions.question import Question

NAME = "logiqa2"
VERSION = 1
TRAIN = "logiqa2/train.txt"
FILES = {"dev": "logiqa2/dev.txt", "test": "logiqa2/test.txt", "ood": "logiqa2/ood_test.jsonl"}
# The data set baber/logiqa2 of the Hugging Face hub is a script that reads these files. The checksums are ids in the
# commit's tree.
LOGIQA2 = ("github", "csitfun/LogiQA2.0", "955e1d3df6c59d9bfb44d9913da1e1a27ec14e18")
DATA = "logiqa/DATA/LOGIQA"
HUB = {
    "train": HubFile(*LOGIQA2, f"{DATA}/train.txt", "git-blob:5fab7914555755a91b7052de786afdb2f7f0b779"),
    "dev": HubFile(*LOGIQA2, f"{DATA}/dev.txt", "git-blob:74f5684c3af968303492c9b861ae86833e172687"),
    "test": HubFile(*LOGIQA2, f"{DATA}/test.txt", "git-blob:13f4afbe492fa2f5c4038165b3d1be227d11dfaa"),
    "ood": HubFile(*LOGIQA2, f"{DATA}/ood_test.jsonl", "git-blob:c4423ad40fc57ab1fe30dbe0f9c13e5efb7fb605"),
}


def load_local(folder: Path) -> Loaded:
    """From the folder of data sets: logiqa2/dev.txt, test.txt and ood_test.jsonl, and train.txt where it is there.

    Raises:
        StepladderError: when a file is missing, or a record is not as published.
    """
    train = {"train": TRAIN} if (folder / TRAIN).is_file() else {}
    return local_splits(folder, train | FILES, _questions)


def load_hub(cache: Path) -> Loaded:
    """From the official files, kept in `cache`.

    Raises:
        StepladderError: when a file cannot be had, its checksum differs, or a record is not as published.
    """
    return hub_splits(cache, HUB, _questions)


def _questions(path: Path) -> Iterator[Question]:
    for record, where in read_jsonl(path):
        context, question = texts(record, ("text", "question"), where)
        options, answer = record.get("options"), record.get("answer")
        if not isinstance(options, list) or len(options) != 4 or not all(isinstance(text, str) for text in options):
            raise StepladderError(f"{where}: options must be four texts, got {str(options)[:60]}")
        if answer not in (0, 1, 2, 3):
            raise StepladderError(f"{where}: the answer must be a number from 0 to 3, got {answer!r}")
        fields = {"context": clean(context), "question": clean(question)}
        yield Question(NAME, fields, tuple(map(clean, options)), answer)
