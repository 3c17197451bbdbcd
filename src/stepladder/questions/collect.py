"""A question set from its spec: every data set loaded, split once, checked for leaks, and given its one prompt."""

from itertools import combinations
from pathlib import Path
from typing import Any

from stepladder.errors import StepladderError
from stepladder.questions import (
    awpnli,
    gsm8k,
    gsm_plus,
    logiqa2,
    math500,
    newsnli,
    qqa,
    reclor,
    redditnli,
    rte_quant,
    stresstest,
)
from stepladder.questions.identity import question_id
from stepladder.questions.loading import Loaded
from stepladder.questions.overlap import overlap, split_questions
from stepladder.questions.prompts import build_prompt, template_demonstration
from stepladder.questions.question import Question
from stepladder.questions.world import Difficulty, fingerprint, generate_questions, puzzles, sums
from stepladder.records import Counts
from stepladder.study.canonical import derive_seed
from stepladder.study.specs.questions import Questions

DATASETS = {
    module.NAME: module
    for module in (awpnli, newsnli, redditnli, rte_quant, stresstest, qqa, gsm8k, gsm_plus, math500, logiqa2, reclor)
} | {sums.NAME: sums, puzzles.NAME: puzzles}

Splits = dict[str, list[Question]]

# Of splits as they are published; questions out of a set's domain never fall into any other.
HELD_BACK = ("dev", "test", "ood")


def collect(spec: Questions, data_dir: Path, cache: Path) -> tuple[list[dict[str, Any]], dict[str, Any], Counts]:
    """The rows of a question set, what is known of its splits, and what was left out.

    Args:
        data_dir: folder of local data sets.
        cache: folder in which files from the hub are kept.

    Raises:
        StepladderError: when a file is missing or wrong, a set is too small for its splits, or two splits share
            questions that the spec does not allow them to share.
    """
    counts = Counts()
    rows: list[dict[str, Any]] = []
    report: dict[str, Any] = {}
    for dataset in spec.sets:
        if spec.source == "generated":
            splits, about = _generated(spec, dataset), {}
            counts.rows_in += sum(map(len, splits.values()))
        else:
            splits, about = _published(spec, dataset, data_dir, cache, counts)
        report[dataset] = about | {
            "questions": {split: len(questions) for split, questions in splits.items()},
            "overlap": _overlaps(dataset, splits, spec.allow_overlap),
        }
        for split, questions in splits.items():
            rows += [_row(question, split, spec.instruction) for question in questions]
    for split in spec.splits:
        if not any(about["questions"][split] for about in report.values()):
            raise StepladderError(
                f"split {split!r} has no question: a set that is published as a test split alone has none for others; "
                "name another set, or leave the split out"
            )
    counts.rows_out = len(rows)
    return rows, report, counts


def _generated(spec: Questions, dataset: str) -> Splits:
    difficulty = Difficulty(**spec.difficulty.model_dump())
    splits: Splits = {}
    seen: set[str] = set()
    for split in sorted(spec.splits, key=lambda name: (spec.splits[name], name)):
        seed = derive_seed("world", spec.seed, dataset, split)
        splits[split] = generate_questions(dataset, int(spec.splits[split]), seed, difficulty, seen)
        seen |= {fingerprint(question) for question in splits[split]}
    return {split: splits[split] for split in spec.splits}


def _published(
    spec: Questions, dataset: str, data_dir: Path, cache: Path, counts: Counts
) -> tuple[Splits, dict[str, Any]]:
    module = DATASETS[dataset]
    loaded: Loaded = module.load_local(data_dir) if spec.source == "local" else module.load_hub(cache)
    counts.rows_in += loaded.rows_in
    for reason, number in loaded.dropped.items():
        counts.drop(f"{dataset}: {reason}", number)
    about = {"files": {source.path.name: source.sha256 for source in loaded.sources}}
    questions = loaded.questions
    held_back: Splits = {}
    official: set[int] = set()
    for split, positions in loaded.published_split.items():
        # A published split of that name stays as it is; the spec's other splits share the rest.
        if split in HELD_BACK and positions and split in spec.splits:
            held_back[split] = _first(questions, positions, spec, split, counts, dataset)
            official.update(positions)
        elif split == "ood":
            counts.drop(f"{dataset}: out of domain", len(positions))
            official.update(positions)
    questions = [question for position, question in enumerate(questions) if position not in official]
    if spec.limit is not None and len(questions) > spec.limit:
        by_hash = sorted(questions, key=lambda q: derive_seed("limit", spec.seed, question_id(q)))
        counts.drop(f"{dataset}: over the limit", len(questions) - spec.limit)
        questions = by_hash[: spec.limit]
    sizes = {split: size for split, size in spec.splits.items() if split not in held_back}
    scale = 1 / sum(sizes.values()) if held_back and max(sizes.values(), default=1) < 1 else 1
    wanted = {split: size * scale if size < 1 else int(size) for split, size in sizes.items()}
    # A set that is published as a test split alone has nothing for the others.
    alone = held_back and not questions
    splits = {split: [] for split in wanted} if alone else split_questions(questions, wanted, spec.seed)
    counts.drop(f"{dataset}: in no split", len(questions) - sum(len(splits[split]) for split in sizes))
    splits |= held_back
    return {split: splits[split] for split in spec.splits}, about


def _first(
    questions: list[Question], positions: list[int], spec: Questions, split: str, counts: Counts, dataset: str
) -> list[Question]:
    """The questions at the positions, as many of them as the limit's share of the split admits, chosen by hash."""
    chosen = sorted((questions[i] for i in positions), key=lambda q: derive_seed("limit", spec.seed, question_id(q)))
    size = spec.splits[split]
    most = int(size) if size >= 1 else len(chosen) if spec.limit is None else max(1, round(spec.limit * size))
    counts.drop(f"{dataset}: over the limit", max(len(chosen) - most, 0))
    return chosen[:most]


def _overlaps(dataset: str, splits: Splits, allowed: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for a, b in combinations(splits, 2):
        report = overlap(splits[a], splits[b])
        found[f"{a}/{b}"] = {"exact": report.exact, "near": report.near, "shared_premises": report.shared_premises}
        leaks = report.exact + report.near
        if leaks and f"{a}/{b}" not in allowed and f"{b}/{a}" not in allowed:
            raise StepladderError(
                f"{dataset}: splits {a} and {b} share {leaks} questions (e.g. {report.examples[0][1]}); "
                f"split anew, or allow it by name: allow_overlap: ['{a}/{b}']"
            )
    return found


def _row(question: Question, split: str, instruction: bool) -> dict[str, Any]:
    return {
        "question_id": question_id(question),
        "dataset": question.dataset,
        "version": DATASETS[question.dataset].VERSION,
        "split": split,
        "fields": question.fields,
        "options": list(question.options),
        "answer": str(question.answer + 1) if question.options else question.answer,
        "prompt": build_prompt(question, instruction),
        "solution": question.solution,
        "demonstration": question.demonstration or template_demonstration(question),
    }


def question_of(row: dict[str, Any]) -> Question:
    """The question that a row of the table describes."""
    options = tuple(row["options"])
    answer = int(row["answer"]) - 1 if options else row["answer"]
    return Question(row["dataset"], row["fields"], options, answer, row["solution"], row["demonstration"])
