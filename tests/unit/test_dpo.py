"""Direct preference optimisation: cached reference, first loss, what is reported, and that it learns."""

import copy
import json
import math
import random
from statistics import fmean

import pytest
import torch

import tiny
from stepladder.errors import StepladderError
from stepladder.policies.dpo import (
    by_kind,
    last_pairs,
    pairs_with_reference,
    reference_logprobs,
    sides,
    tokens_of,
    train_dpo,
)
from stepladder.policies.language import load_policy
from stepladder.policies.preference import preference_loss
from stepladder.records import PAIRS, REFERENCE, Counts, read_json, write_records
from stepladder.study.canonical import digest
from stepladder.study.optimisation import Optimisation
from stepladder.training.batches import plan_batches
from stepladder.training.sequences import TokenSequence, answer_logprobs

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("start"))


def random_pairs(count=10, seed=0) -> list[dict]:
    rng = random.Random(seed)

    def ids(shortest, longest):
        return [rng.randrange(3, len(tiny.tokenizer())) for _ in range(rng.randint(shortest, longest))]

    pairs = []
    for i in range(count):
        prompt, chosen, rejected = ids(2, 9), ids(1, 12), ids(1, 12)
        pairs.append({
            "pair_id": digest([prompt, chosen, rejected], 24), "question_id": f"q{i}", "dataset": "qqa",
            "kind": "outcome", "chosen_sample": 0, "rejected_sample": 1, "prompt_ids": prompt, "chosen_ids": chosen,
            "rejected_ids": rejected, "chosen_reward": 1.0, "rejected_reward": 0.0, "copies": 1,
        })  # fmt: skip
    return pairs


def summed(model, prompt, answer) -> float:
    with torch.no_grad():
        logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].double()
    return logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None]).sum().item()


def with_reference(pairs, start) -> list[dict]:
    cached = {row["pair_id"]: row for row in reference_logprobs(load_policy(start).eval(), pairs, "")}
    return [pair | cached[pair["pair_id"]] for pair in pairs]


def dpo_job(folder, start, optimisation=None, **keys):
    spec = {"method": "dpo", "from": "s", "pairs": ["p"], **keys}
    spec["optimisation"] = {"batch_size": 16, "learning_rate": 1e-3, "steps": 1, **(optimisation or {})}
    return tiny.job(folder, "policies", spec, {"start": start})


def first_point(job) -> dict:
    return json.loads((job.output / "history.jsonl").read_text().splitlines()[0])


def test_reference_logprobs_are_sums_over_the_answer_alone(start):
    pairs = random_pairs()
    model = load_policy(start).eval()
    rows = reference_logprobs(model, pairs, "")
    assert [row["pair_id"] for row in rows] == sorted(pair["pair_id"] for pair in pairs)
    by_id = {row["pair_id"]: row for row in rows}
    for pair in pairs:
        row = by_id[pair["pair_id"]]
        assert row["chosen_logprob"] == pytest.approx(summed(model, pair["prompt_ids"], pair["chosen_ids"]), abs=2e-5)
        assert row["rejected_logprob"] == pytest.approx(
            summed(model, pair["prompt_ids"], pair["rejected_ids"]), abs=2e-5
        )


def test_sides_keep_prompt_and_answer_apart():
    chosen, rejected = sides({"prompt_ids": [1, 2], "chosen_ids": [3], "rejected_ids": [4, 5]})
    assert (chosen.ids, chosen.first_target) == ((1, 2, 3), 2) and (rejected.ids, rejected.targets) == ((1, 2, 4, 5), 2)


@pytest.mark.parametrize(
    ("loss", "expected"), [("sigmoid", math.log(2)), ("conservative", math.log(2)), ("hinge", 1.0), ("ipo", 25.0)]
)
def test_the_first_loss_is_that_of_a_policy_equal_to_its_reference(start, tmp_path, loss, expected):
    job = dpo_job(tmp_path, start, loss=loss, label_smoothing=0.1 if loss == "conservative" else 0.0)
    train_dpo(job, with_reference(random_pairs(), start), Counts())
    assert first_point(job)["loss"] == pytest.approx(expected, rel=2e-6)
    assert first_point(job)["margin"] == pytest.approx(0, abs=1e-6)
    assert first_point(job)["chosen_drift"] == pytest.approx(0, abs=1e-5)


def shifted(pairs) -> list[dict]:
    """References as if the policy had drifted: by 0.5 up for chosen, by a varying amount down for rejected."""
    return [
        pair | {"chosen_logprob": pair["chosen_logprob"] - 0.5, "rejected_logprob": pair["rejected_logprob"] + (i - 3)}
        for i, pair in enumerate(pairs)
    ]


def test_margin_order_and_drift_are_reported_as_defined(start, tmp_path):
    pairs = shifted(with_reference(random_pairs(), start))
    job = dpo_job(tmp_path, start, beta=0.2)
    train_dpo(job, pairs, Counts())
    gaps = [0.5 + (i - 3) for i in range(10)]
    point = first_point(job)
    assert point["margin"] == pytest.approx(0.2 * sum(gaps) / 10, abs=1e-5)
    assert point["pairs_in_order"] == pytest.approx(sum(gap > 0 for gap in gaps) / 10)
    assert point["chosen_drift"] == pytest.approx(0.5, abs=1e-5)
    assert point["rejected_drift"] == pytest.approx(sum(3 - i for i in range(10)) / 10, abs=1e-5)
    kl = [
        sum(-0.5 / len(pair["chosen_ids"]) for pair in pairs),
        sum((i - 3) / len(p["rejected_ids"]) for i, p in enumerate(pairs)),
    ]
    assert [point["chosen_kl"], point["rejected_kl"]] == pytest.approx([total / 10 for total in kl], abs=1e-5)
    assert point["loss"] == pytest.approx(sum(math.log1p(math.exp(-0.2 * gap)) for gap in gaps) / 10, abs=1e-5)


def test_every_kind_of_pairs_is_told_where_there_are_several(start, tmp_path):
    kinds = ["outcome"] * 6 + ["process"] * 4
    pairs = [
        pair | {"kind": kind} for pair, kind in zip(shifted(with_reference(random_pairs(), start)), kinds, strict=True)
    ]
    points = {}
    for name, micro_batch in (("whole", None), ("parts", 3)):
        job = dpo_job(tmp_path / name, start, {"micro_batch": micro_batch}, beta=0.2)
        train_dpo(job, pairs, Counts())
        points[name] = first_point(job)
    gaps = {kind: [0.5 + (i - 3) for i in range(10) if kinds[i] == kind] for kind in set(kinds)}
    for kind, share in (("outcome", 0.6), ("process", 0.4)):
        expected = {
            "share": share,
            "margin": 0.2 * fmean(gaps[kind]),
            "pairs_in_order": fmean(gap > 0 for gap in gaps[kind]),
            "chosen_drift": 0.5,
            "rejected_drift": 0.5 - fmean(gaps[kind]),
        }
        for point in points.values():
            found = {name: point[f"{kind}_{name}"] for name in expected}
            assert found == pytest.approx(expected, abs=1e-5)
    assert "process_margin" in read_json(tmp_path / "whole" / "metrics.json")["metrics"]
    job = dpo_job(tmp_path / "one", start)
    train_dpo(job, pairs[:6], Counts())
    assert not any(name.startswith("outcome") for name in first_point(job))


def test_a_batch_without_a_kind_says_nothing_of_it():
    point = {"loss": 0.5} | {
        f"{kind}_{name}": value
        for kind, value in (("outcome", 1.0), ("process", 0.0))
        for name in ("share", "margin", "pairs_in_order", "chosen_drift", "rejected_drift")
    }
    told = by_kind(point, ["outcome", "process"])
    assert [name for name in told if name.startswith("process")] == ["process_share"] and told["outcome_margin"] == 1.0


def test_a_step_pair_is_the_pair_of_whole_answers_with_what_they_share_masked(start):
    """Step-masked DPO: with the shared tokens in the prompt, loss and gradient are those of the masked answers."""
    pairs, shared = random_pairs(8), [5, 9, 7, 30]
    steps = [pair | {"prompt_ids": pair["prompt_ids"] + shared} for pair in pairs]
    whole = [pair | {side: shared + pair[side] for side in ("chosen_ids", "rejected_ids")} for pair in pairs]
    model = load_policy(start)

    def masked(side):
        end = side.first_target + len(shared)
        return TokenSequence(side.ids, side.first_target, frozenset(range(side.first_target, end)))

    found = []
    for sequences in ([masked(side) for pair in whole for side in sides(pair)], [s for p in steps for s in sides(p)]):
        model.zero_grad()
        sums = answer_logprobs(model, sequences, CPU)[0].sum(1).view(-1, 2)
        preference_loss("sigmoid", sums[:, 0], sums[:, 1], torch.zeros(8), torch.zeros(8), 0.1).backward()
        found.append([sums.detach(), *(parameter.grad.clone() for parameter in model.parameters())])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*found, strict=True))
    # Where they are no more masked, they still cancel between the sides.
    unmasked, of_steps = (
        [row["chosen_logprob"] - row["rejected_logprob"] for row in with_reference(kind, start)]
        for kind in (whole, steps)
    )
    assert unmasked == pytest.approx(of_steps, abs=1e-4)


def test_ipo_takes_means_over_tokens(start, tmp_path):
    pairs = shifted(with_reference(random_pairs(), start))
    job = dpo_job(tmp_path, start, loss="ipo", beta=0.25)
    train_dpo(job, pairs, Counts())
    gaps = [0.5 / len(pair["chosen_ids"]) + (i - 3) / len(pair["rejected_ids"]) for i, pair in enumerate(pairs)]
    assert first_point(job)["loss"] == pytest.approx(sum((gap - 2) ** 2 for gap in gaps) / 10, rel=1e-5)
    assert first_point(job)["margin"] == pytest.approx(0.25 * sum(gaps) / 10, abs=1e-5)
    assert first_point(job)["chosen_drift"] == pytest.approx(0.5, abs=1e-5)  # of whole answers, whatever the loss


def test_dpo_positive_holds_the_chosen_answer_up(start, tmp_path):
    pairs = [p | {"chosen_logprob": p["chosen_logprob"] + 0.1} for p in with_reference(random_pairs(), start)]
    job = dpo_job(tmp_path, start, loss="dpo_positive", beta=1.0, positive_weight=7.0)
    train_dpo(job, pairs, Counts())
    assert first_point(job)["loss"] == pytest.approx(math.log1p(math.exp(0.1 + 0.7)), abs=1e-4)


def test_training_puts_the_pairs_in_order(start, tmp_path):
    pairs = with_reference(random_pairs(), start)
    job = dpo_job(tmp_path, start, {"steps": 25, "learning_rate": 3e-3})
    train_dpo(job, pairs, Counts(10))
    metrics = read_json(tmp_path / "metrics.json")["metrics"]
    assert metrics["pairs"] == 10 and metrics["steps"] == 25
    assert metrics["pairs_in_order"] == 1.0 and metrics["margin"] > 0.3
    trained, before = load_policy(tmp_path / "checkpoint"), load_policy(start)
    for pair in pairs:
        after, earlier = (
            summed(model, pair["prompt_ids"], pair["chosen_ids"])
            - summed(model, pair["prompt_ids"], pair["rejected_ids"])
            for model in (trained, before)
        )
        assert after > earlier


def test_neither_micro_batches_nor_packing_change_anything(start, tmp_path):
    pairs = with_reference(random_pairs(), start)
    for name, keys in (("a", {}), ("b", {"micro_batch": 3}), ("c", {"micro_batch": 3, "packed": True})):
        train_dpo(dpo_job(tmp_path / name, start, {"steps": 3, **keys}), pairs, Counts())
    a, *others = (load_policy(tmp_path / name / "checkpoint").state_dict() for name in "abc")
    for other in others:
        assert all(torch.allclose(a[name], other[name], atol=1e-5) for name in a)


def test_pairs_of_several_sets_come_once_with_their_reference(tmp_path):
    pairs = sorted(random_pairs(5), key=lambda pair: pair["pair_id"])
    files = []
    for name, chosen in (("one", pairs[:3]), ("two", pairs[2:])):
        write_records(chosen, PAIRS, tmp_path / f"{name}.pairs")
        rows = [{"pair_id": p["pair_id"], "chosen_logprob": -1.0, "rejected_logprob": -2.0} for p in chosen]
        write_records(rows, REFERENCE, tmp_path / f"{name}.reference")
        files.append((tmp_path / f"{name}.pairs", tmp_path / f"{name}.reference"))
    counts = Counts()
    found = pairs_with_reference([a for a, _ in files], [b for _, b in files], counts)
    assert [pair["pair_id"] for pair in found] == [pair["pair_id"] for pair in pairs]
    assert all((pair["chosen_logprob"], pair["rejected_logprob"]) == (-1.0, -2.0) for pair in found)
    assert counts.as_data() == {"rows_in": 6, "rows_out": 5, "dropped": {"pair in another set, too": 1}}


def test_a_pair_without_reference_is_one_line(tmp_path):
    write_records(random_pairs(1), PAIRS, tmp_path / "pairs")
    write_records([], REFERENCE, tmp_path / "reference")
    with pytest.raises(StepladderError, match="no log-probs of pair"):
        pairs_with_reference([tmp_path / "pairs"], [tmp_path / "reference"], Counts())


def test_a_set_without_pairs_is_one_line_and_no_training_without_them(tmp_path):
    write_records(random_pairs(3), PAIRS, tmp_path / "outcome")
    reference = [{"pair_id": p["pair_id"], "chosen_logprob": -1.0, "rejected_logprob": -2.0} for p in random_pairs(3)]
    write_records(reference, REFERENCE, tmp_path / "reference")
    write_records([], PAIRS, tmp_path / "process")
    files = [tmp_path / "outcome", tmp_path / "process"]
    with pytest.raises(StepladderError, match=f"{files[1]} holds no pair to train on"):
        pairs_with_reference(files, [tmp_path / "reference"] * 2, Counts())


def test_all_pairs_are_trained_on_unless_the_published_loader_is_asked_for(start, tmp_path):
    pairs = [pair | {"question_id": "five" if i < 5 else "three"} for i, pair in enumerate(random_pairs(8))]
    assert len({id(pair) for pair in pairs}) == len({pair["pair_id"] for pair in pairs}) == 8
    last = last_pairs(pairs)
    assert [(pair["pair_id"], pair["copies"]) for pair in last] == [(pairs[4]["pair_id"], 5), (pairs[7]["pair_id"], 3)]
    assert {pair["copies"] for pair in pairs} == {1}
    pairs = with_reference(pairs, start)
    for keys, distinct in (({}, 8), ({"last_pair_per_question": True}, 2)):
        job = dpo_job(tmp_path / str(distinct), start, **keys)
        train_dpo(job, pairs, Counts())
        told = read_json(job.output / "metrics.json")["metrics"]
        assert (told["pairs"], told["distinct_pairs"]) == (8, distinct)


def test_copies_are_counted_by_the_published_loader_too():
    first, second = (pair | {"question_id": "q", "copies": 3} for pair in random_pairs(2))
    assert [(pair["pair_id"], pair["copies"]) for pair in last_pairs([first, second])] == [(second["pair_id"], 6)]


def test_pairs_stay_as_they_are_whatever_reads_them(start, tmp_path):
    pairs = [pair | {"copies": 2} for pair in with_reference(random_pairs(4), start)]
    before = copy.deepcopy(pairs)
    reference_logprobs(load_policy(start).eval(), pairs, "")
    for keys in ({}, {"last_pair_per_question": True}, {"loss": "ipo"}):
        train_dpo(dpo_job(tmp_path / str(len(keys)) / str(keys.get("loss")), start, **keys), pairs, Counts())
    assert pairs == before


def test_a_pair_is_as_long_as_both_sides_padded_to_the_longer_one_and_batches_hold_pairs_of_like_length():
    assert tokens_of({"prompt_ids": [1, 2], "chosen_ids": [3], "rejected_ids": [4, 5, 6]}) == 10
    pairs = random_pairs(256)
    lengths = [tokens_of(pair) for pair in pairs]
    batches = plan_batches(lengths, Optimisation(batch_size=16, epochs=1), 0)
    alone = sum(sum(len(side.ids) for side in sides(pair)) for pair in pairs)
    in_batches, unsorted = (
        sum(len(batch) * max(lengths[i] for i in batch) for batch in plan)
        for plan in (batches, [range(first, first + 16) for first in range(0, 256, 16)])
    )
    within_pairs = sum(lengths) - alone  # is not to be had back, as both sides are in one pass
    assert in_batches - alone < within_pairs + 0.25 * (unsorted - alone - within_pairs)


def test_a_pair_of_two_copies_weighs_as_two_pairs(start, tmp_path):
    pairs = shifted(with_reference(random_pairs(3), start))  # gaps of -2.5, -1.5 and -0.5
    twice = [pairs[0] | {"copies": 2}, *pairs[1:]]
    job = dpo_job(tmp_path, start, {"batch_size": 4})
    train_dpo(job, twice, Counts())
    told = read_json(job.output / "metrics.json")["metrics"]
    assert (told["pairs"], told["distinct_pairs"]) == (4, 3)
    assert told["margin"] == pytest.approx(0.1 * (-2.5 - 2.5 - 1.5 - 0.5) / 4, abs=1e-5)


def test_ipo_takes_means_or_as_published_sums(start, tmp_path):
    pairs = with_reference(random_pairs(4), start)
    # At the start the policy is the reference, so that the gap is 0 and both losses are (1 / (2 beta))^2 ...
    losses = {}
    for kind in ("mean", "sum"):
        job = dpo_job(tmp_path / kind, start, {"steps": 2, "batch_size": 4}, loss="ipo", ipo_logprobs=kind, beta=0.1)
        train_dpo(job, pairs, Counts())
        losses[kind] = [json.loads(line)["loss"] for line in (job.output / "history.jsonl").read_text().splitlines()]
    assert losses["mean"][0] == pytest.approx(25) and losses["sum"][0] == pytest.approx(25)
    # ... and after one step the gap of sums has moved further.
    assert losses["sum"][1] < losses["mean"][1] < 25
