"""Faults of a question set: what its source does not have, and splits that do not fit it."""

from stepladder.study.faults import Fault
from stepladder.study.fields import WORLD_SETS
from stepladder.study.specs.questions import Questions

# Where a data set's local files lie inside data_dir; a set without any is generated only.
LOCAL_FILES = {
    "awpnli": ("equate/AWPNLI.csv",),
    "newsnli": ("equate/NewsNLI.csv",),
    "redditnli": ("equate/RedditNLI.csv",),
    "rte_quant": ("equate/RTE_Quant.csv",),
    "stresstest": ("equate/StressTest.csv",),
    "qqa": ("qqa/QQA_train.json", "qqa/QQA_test.json"),
    "sums": (),
    "puzzles": (),
    "gsm8k": ("gsm8k/train.jsonl", "gsm8k/test.jsonl"),
    "gsm_plus": ("gsm_plus/testmini.jsonl",),
    "math500": ("math500/test.jsonl",),
    "logiqa2": ("logiqa2/dev.txt", "logiqa2/test.txt", "logiqa2/ood_test.jsonl"),
    "reclor": ("reclor/val.jsonl",),
}


def faults_of_questions(name: str, spec: Questions) -> list[Fault]:
    """Sets that the source does not have, sizes that splits cannot have, and overlaps of unknown splits."""
    return _not_of_this_source(name, spec) + _sizes(name, spec) + _allowed_overlaps(name, spec)


def _not_of_this_source(name: str, spec: Questions) -> list[Fault]:
    if spec.source != "generated":
        made = [dataset for dataset in spec.sets if not LOCAL_FILES[dataset]]
        said = f"nobody has published {', '.join(made)}: take source: generated"
        return [Fault(("questions", name, "sets"), said)] if made else []
    missing = [dataset for dataset in spec.sets if dataset not in WORLD_SETS]
    if not missing:
        return []
    said = f"the generated world has no {', no '.join(missing)}; it has {', '.join(WORLD_SETS)}; or take source: local"
    return [Fault(("questions", name, "sets"), said)]


def _sizes(name: str, spec: Questions) -> list[Fault]:
    sizes = spec.splits.values()
    if all(size >= 1 and size.is_integer() for size in sizes):
        return []
    if spec.source == "generated":
        said = "a generated set has no end: give every split a whole number of questions"
    elif any(size >= 1 for size in sizes):
        said = "give every split a whole number of questions, or every split a share below 1"
    elif sum(sizes) > 1 + 1e-9:
        said = f"the shares of the splits add up to {sum(sizes):g}, more than the whole set"
    else:
        return []
    return [Fault(("questions", name, "splits"), said)]


def _allowed_overlaps(name: str, spec: Questions) -> list[Fault]:
    faults = []
    for pair in spec.allow_overlap:
        parts = pair.split("/")
        if len(parts) != 2 or any(part not in spec.splits for part in parts):
            said = f"{pair!r} is not two splits of this node as 'a/b'; its splits: {', '.join(spec.splits)}"
            faults.append(Fault(("questions", name, "allow_overlap"), said))
    return faults
