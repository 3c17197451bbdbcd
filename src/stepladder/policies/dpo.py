"""Direct preference optimisation on pairs, against reference log-probs that were computed once."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stepladder.errors import StepladderError
from stepladder.generation.chunks import in_chunks
from stepladder.job import Job
from stepladder.policies.language import load_policy, save_policy
from stepladder.policies.preference import drifts, preference_loss
from stepladder.progress import Progress
from stepladder.records import PAIRS, REFERENCE, Counts, read_records
from stepladder.study.specs.policies import Dpo
from stepladder.training.batches import batches_by_tokens, pieces_by_tokens, plan_batches, tokens_in
from stepladder.training.sequences import TokenSequence, answer_logprobs
from stepladder.training.trainer import Loss, Trainer

# What is told of every kind of pairs, too, where there are several.
_BY_KIND = ("margin", "pairs_in_order", "chosen_drift", "rejected_drift")


def sides(pair: dict[str, Any]) -> tuple[TokenSequence, TokenSequence]:
    """The chosen and the rejected sequence of a pair."""
    start = len(pair["prompt_ids"])
    chosen, rejected = (
        TokenSequence((*pair["prompt_ids"], *pair[side]), start) for side in ("chosen_ids", "rejected_ids")
    )
    return chosen, rejected


@torch.inference_mode()
def reference_logprobs(model: nn.Module, pairs: Sequence[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    """Summed log-probs of both sides of every pair under the reference policy; rows of the reference table."""
    device = next(model.parameters()).device
    sequences = [sides(pair) for pair in pairs]
    rows: list[dict[str, Any]] = []
    bar = Progress(label, len(pairs), "pairs")
    for batch in batches_by_tokens([tokens_of(pair) for pair in pairs]):
        both = [sequence for i in batch for sequence in sequences[i]]
        sums = answer_logprobs(model, both, device)[0].double().sum(1).view(-1, 2).tolist()
        rows += [
            {"pair_id": pairs[i]["pair_id"], "chosen_logprob": chosen, "rejected_logprob": rejected}
            for i, (chosen, rejected) in zip(batch, sums, strict=True)
        ]
        bar.update(len(rows))
    bar.close()
    return sorted(rows, key=lambda row: row["pair_id"])


def reference_rows(job: Job, model: nn.Module, pairs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The reference table of all pairs, made chunk by chunk; finished chunks are kept.

    Raises:
        StepladderError: when the time budget is spent before the last chunk.
    """

    def make_rows(piece: Sequence[int], label: str) -> list[dict[str, Any]]:
        return reference_logprobs(model, [pairs[i] for i in piece], f"{label} reference")

    pieces = pieces_by_tokens([tokens_of(pair) for pair in pairs])
    rows = in_chunks(job, pieces, REFERENCE, make_rows, job.checkpoint / "reference")
    return sorted(rows, key=lambda row: row["pair_id"])


def tokens_of(pair: dict[str, Any]) -> int:
    """Tokens of a pair, its shorter side padded to the longer one."""
    return 2 * (len(pair["prompt_ids"]) + max(len(pair["chosen_ids"]), len(pair["rejected_ids"])))


def pairs_with_reference(
    pair_files: Sequence[Path], reference_files: Sequence[Path], counts: Counts
) -> list[dict[str, Any]]:
    """All pairs of the files, each once, with the reference's log-probs; those of the first file first.

    Raises:
        StepladderError: when a file holds no pair, since a policy without them would bear their name; or
            when a pair has no reference log-prob.
    """
    found: dict[str, dict[str, Any]] = {}
    for pair_file, reference_file in zip(pair_files, reference_files, strict=True):
        reference = {row["pair_id"]: row for row in read_records(reference_file, REFERENCE)}
        pairs = read_records(pair_file, PAIRS)
        if not pairs:
            raise StepladderError(f"{pair_file} holds no pair to train on; ask for a smaller margin or more answers")
        for pair in pairs:
            counts.rows_in += 1
            if pair["pair_id"] not in reference:
                raise StepladderError(f"{reference_file}: no log-probs of pair {pair['pair_id']}; make it anew")
            if pair["pair_id"] in found:
                counts.drop("pair in another set, too")
            else:
                found[pair["pair_id"]] = pair | reference[pair["pair_id"]]
    counts.rows_out = len(found)
    return list(found.values())


def last_pairs(pairs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every question the last pair alone, in as many copies as the question's pairs have.

    The released code of LPR (arXiv 2402.00658) fills one record per question again and again, so that this is what it
    trains on.
    """
    copies: Counter[str] = Counter()
    last: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        copies[pair["question_id"]] += pair["copies"]
        last[pair["question_id"]] = pair
    return [pair | {"copies": copies[question]} for question, pair in last.items()]


def kinds_told(pairs: Sequence[dict[str, Any]]) -> list[str]:
    """The kinds of pairs that are reported each; none where all pairs are of one kind."""
    kinds = sorted({pair["kind"] for pair in pairs})
    return kinds if len(kinds) > 1 else []


def by_kind(point: dict[str, float], kinds: Sequence[str]) -> dict[str, float]:
    """A point of the history whose sums over pairs of a kind, per pair of any kind, are means over pairs of that kind.

    A batch without a kind says nothing of it but its share.
    """
    told = dict(point)
    for kind in kinds:
        for name in (f"{kind}_{name}" for name in _BY_KIND):
            total = told.pop(name)
            if share := point[f"{kind}_share"]:
                told[name] = total / share
    return told


def pair_loss(spec: Dpo, pairs: Sequence[dict[str, Any]], device: torch.device) -> Loss:
    """The summed loss of some of the pairs, with sums of what is reported; one forward pass holds both sides.

    Where there are pairs of several kinds, sums over each kind are reported, too; :func:`by_kind` makes them means.
    """
    both_sides = [sides(pair) for pair in pairs]
    kinds = kinds_told(pairs)

    def loss(module: nn.Module, chosen: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        both = [sequence for i in chosen for sequence in both_sides[i]]
        logprobs, mask = answer_logprobs(module, both, device)
        reference = torch.tensor(
            [[pairs[i]["chosen_logprob"], pairs[i]["rejected_logprob"]] for i in chosen], device=device
        )
        policy, tokens = logprobs.sum(1).view(-1, 2), mask.sum(1).view(-1, 2)
        measures = drifts(policy, reference, tokens)
        if spec.loss == "ipo" and spec.ipo_logprobs == "mean":
            policy, reference = policy / tokens, reference / tokens
        mean = preference_loss(
            spec.loss, policy[:, 0], policy[:, 1], reference[:, 0], reference[:, 1], spec.beta,
            spec.label_smoothing, spec.positive_weight,
        )  # fmt: skip
        gaps = (policy - reference).detach()
        margins = spec.beta * (gaps[:, 0] - gaps[:, 1])
        measures |= {"margin": margins, "pairs_in_order": margins > 0}
        reported = {name: values.sum() for name, values in measures.items()}
        for kind in kinds:
            of_kind = torch.tensor([pairs[i]["kind"] == kind for i in chosen], device=device)
            reported[f"{kind}_share"] = of_kind.sum()
            reported |= {f"{kind}_{name}": (measures[name] * of_kind).sum() for name in _BY_KIND}
        return mean * len(chosen), reported

    return loss


def train_dpo(job: Job, pairs: Sequence[dict[str, Any]], counts: Counts) -> None:
    """Trains the start policy on the pairs; the loss is the mean over pairs.

    Raises:
        StepladderError: when the time budget is spent.
    """
    spec: Dpo = job.spec
    distinct = sorted(last_pairs(pairs) if spec.last_pair_per_question else pairs, key=lambda pair: pair["pair_id"])
    pairs = [pair for pair in distinct for _ in range(pair["copies"])]
    batches = plan_batches([tokens_of(pair) for pair in pairs], spec.optimisation, job.derive_seed("batches"))
    model = load_policy(job.path("start"))
    rate = spec.optimisation.learning_rate
    trainer = Trainer(model, [(model, rate)], spec.optimisation, len(batches), job.derive_seed("training"))
    trainer.fit(
        batches,
        lambda batch: float(len(batch)),
        pair_loss(spec, pairs, trainer.accelerator.device),
        checkpoint=job.checkpoint,
        budget=job.budget(),
        label=f"{job.node} seed {job.seed}",
    )
    save_policy(job, trainer)
    trainer.history = [by_kind(point, kinds_told(pairs)) for point in trainer.history]
    tokens = tokens_in(batches, [sum(len(side.ids) for side in sides(pair)) for pair in pairs])
    trained = {"steps": len(batches), "pairs": len(pairs), "distinct_pairs": len(distinct), "trained_tokens": tokens}
    trainer.finish(job, trained | trainer.history[-1], counts)
