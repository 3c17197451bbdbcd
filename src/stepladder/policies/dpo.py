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
from stepladder.policies.preference import preference_loss
from stepladder.progress import Progress
from stepladder.records import PAIRS, REFERENCE, Counts, read_records
from stepladder.study.specs.policies import Dpo
from stepladder.training.batches import batches_by_tokens, pieces_by_tokens, plan_batches, tokens_in
from stepladder.training.sequences import TokenSequence, answer_logprobs
from stepladder.training.trainer import Trainer


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
    for batch in batches_by_tokens([_tokens(pair) for pair in pairs]):
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

    pieces = pieces_by_tokens([_tokens(pair) for pair in pairs])
    rows = in_chunks(job, pieces, REFERENCE, make_rows, job.checkpoint / "reference")
    return sorted(rows, key=lambda row: row["pair_id"])


def _tokens(pair: dict[str, Any]) -> int:
    """Tokens of a pair, its shorter side padded to the longer one."""
    return 2 * (len(pair["prompt_ids"]) + max(len(pair["chosen_ids"]), len(pair["rejected_ids"])))


def pairs_with_reference(
    pair_files: Sequence[Path], reference_files: Sequence[Path], counts: Counts
) -> list[dict[str, Any]]:
    """All pairs of the files, each once, with the reference's log-probs; those of the first file first.

    Raises:
        StepladderError: when a pair has no reference log-prob.
    """
    found: dict[str, dict[str, Any]] = {}
    for pair_file, reference_file in zip(pair_files, reference_files, strict=True):
        reference = {row["pair_id"]: row for row in read_records(reference_file, REFERENCE)}
        for pair in read_records(pair_file, PAIRS):
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


def train_dpo(job: Job, pairs: Sequence[dict[str, Any]], counts: Counts) -> None:
    """Trains the start policy on the pairs; the loss is the mean over pairs.

    Raises:
        StepladderError: without pairs, or when the time budget is spent.
    """
    spec: Dpo = job.spec
    if not pairs:
        raise StepladderError("there is no pair to train on; look at metrics.json of the pairs nodes")
    distinct = sorted(last_pairs(pairs) if spec.last_pair_per_question else pairs, key=lambda pair: pair["pair_id"])
    pairs = [pair for pair in distinct for _ in range(pair["copies"])]
    sequences = [sides(pair) for pair in pairs]
    lengths = [max(len(chosen.ids), len(rejected.ids)) for chosen, rejected in sequences]
    batches = plan_batches(lengths, spec.optimisation, job.derive_seed("batches"))
    model = load_policy(job.path("start"))
    rate = spec.optimisation.learning_rate
    trainer = Trainer(model, [(model, rate)], spec.optimisation, len(batches), job.derive_seed("training"))
    device = trainer.accelerator.device

    def loss(module: nn.Module, chosen: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        both = [sequence for i in chosen for sequence in sequences[i]]
        logprobs, mask = answer_logprobs(module, both, device)
        reference = torch.tensor(
            [pairs[i][side] for i in chosen for side in ("chosen_logprob", "rejected_logprob")], device=device
        )
        sums = logprobs.sum(1)
        if spec.loss == "ipo" and spec.ipo_logprobs == "mean":
            tokens = mask.sum(1)
            sums, reference = sums / tokens, reference / tokens
        policy, reference = sums.view(-1, 2), reference.view(-1, 2)
        mean = preference_loss(
            spec.loss, policy[:, 0], policy[:, 1], reference[:, 0], reference[:, 1], spec.beta,
            spec.label_smoothing, spec.positive_weight,
        )  # fmt: skip
        margins = spec.beta * ((policy - reference) @ torch.tensor([1.0, -1.0], device=device))
        reported = {
            "margin": margins.sum(),
            "pairs_in_order": (margins > 0).sum(),
            "chosen_drift": (policy - reference)[:, 0].sum(),
        }
        return mean * len(chosen), reported

    trainer.fit(
        batches,
        lambda batch: float(len(batch)),
        loss,
        checkpoint=job.checkpoint,
        budget=job.budget(),
        label=f"{job.node} seed {job.seed}",
    )
    save_policy(job, trainer)
    tokens = tokens_in(batches, [len(chosen.ids) + len(rejected.ids) for chosen, rejected in sequences])
    trained = {"steps": len(batches), "pairs": len(pairs), "distinct_pairs": len(distinct), "trained_tokens": tokens}
    trainer.finish(job, trained | trainer.history[-1], counts)
