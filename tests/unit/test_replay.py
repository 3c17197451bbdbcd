"""Older labels mixed into the training of a PRM: which of their questions, and what is counted."""

import random
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from stepladder.reasoning.states import state_key
from stepladder.records import LABELS, TRAJECTORIES, read_json, write_records
from stepladder.rewards.training import is_held_out, replayed
from stepladder.supervision.monte_carlo import Outcome, step_labels, unfinished_states

ROOT = Path(__file__).resolve().parents[2]


@given(st.floats(0.02, 1.0), st.integers(0, 2**63 - 1))
def test_all_answers_of_a_share_of_the_questions_are_learnt_again_and_none_that_is_held_out(share, seed):
    rows = [{"question_id": f"q{place // 3}", "sample": place % 3} for place in range(900)]
    again = replayed(rows, 0.2, share, seed)
    chosen = {row["question_id"] for row in again}
    assert again == [row for row in rows if row["question_id"] in chosen]
    assert not any(is_held_out(question, 0.2) for question in chosen)
    teaching = sum(not is_held_out(f"q{place}", 0.2) for place in range(300))
    assert abs(len(chosen) / teaching - share) < 6 * (0.25 / teaching) ** 0.5
    assert chosen <= {row["question_id"] for row in replayed(rows, 0.2, min(1.0, share + 0.1), seed)}
    assert again == replayed(rows, 0.2, share, seed)


def tables(folder: Path, seed: int) -> list[Path]:
    """Labels of forty questions and their trajectories, one of each question."""
    rng = random.Random(seed)
    rows = [tiny.trajectory(f"q{place}", 0, rng) for place in range(40)]
    rows = [row | {"logprobs": [], "finish_reason": "stop", "text": "", "correct_flexible": False} for row in rows]
    outcomes = {state.key: Outcome(4, rng.randint(0, 4)) for state in unfinished_states(rows)}
    assert state_key(rows[0]["prompt_ids"], rows[0]["token_ids"][: rows[0]["step_ends"][0]]) in outcomes
    folder.mkdir()
    write_records(rows, TRAJECTORIES, folder / "trajectories.parquet")
    write_records(step_labels(rows, outcomes), LABELS, folder / "labels.parquet")
    return [folder / "labels.parquet", folder / "trajectories.parquet"]


@pytest.mark.parametrize("replay", [None, {"labels": "older", "share": 0.5}])
def test_a_prm_counts_what_it_learns_again(tmp_path, replay):
    start = tiny.checkpoint(tmp_path / "start")
    labels, trajectories = tables(tmp_path / "new", 0)
    inputs = {"backbone": start, "tokenizer": start, "labels": labels, "trajectories": trajectories}
    inputs["replay"] = tables(tmp_path / "older", 1) if replay else []
    spec = {"head": "per_step", "labels": "l", "backbone": "b", "heldout": 0.25, "replay": replay}
    spec["optimisation"] = {"steps": 1}
    main = runpy.run_path(str(ROOT / "workflow" / "scripts" / "prm.py"))["main"]
    main(tiny.job(tmp_path / "made", "prms", spec, inputs))
    told = read_json(tmp_path / "made" / "metrics.json")
    counts, metrics = told["counts"], told["metrics"]
    held_out = sum(is_held_out(f"q{place}", 0.25) for place in range(40))
    assert counts["rows_in"] == counts["rows_out"] + sum(counts["dropped"].values()) == (80 if replay else 40)
    assert counts["dropped"]["held out for judging"] == metrics["questions"] == held_out
    if replay:
        assert metrics["replayed"] == metrics["replayed_questions"] == counts["rows_out"] - 40 + held_out
        assert 0 < metrics["replayed"] < 40 - held_out
    else:
        assert "replayed" not in metrics
