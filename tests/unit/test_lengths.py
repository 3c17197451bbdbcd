"""Rewards and lengths: rewards that are a length, that know nothing of it, and numbers by hand."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.errors import StepladderError
from stepladder.evaluation.best_of_n import best_of_n
from stepladder.evaluation.lengths import Rewarded, length_measures, ranks_within, without_length
from stepladder.evaluation.step_measures import Bootstrap
from stepladder.records import REWARDS, TRAJECTORIES, read_json, write_json, write_records
from stepladder.report.length_layout import lay_out_lengths
from stepladder.report.lengths import make_length_table, read_rewards, read_trajectories
from stepladder.report.render import render_csv, render_markdown
from stepladder.rewards.accumulate import accumulate
from stepladder.study.canonical import canonical_json
from stepladder.study.specs.bias_tables import LengthsTable

DRAWS = Bootstrap(200, 0)


def answers(reward, tokens, correct, question=None, steps=None) -> Rewarded:
    """Of one question, unless told else; a step has ten tokens, unless told else."""
    tokens = np.array(tokens)
    steps = tokens // 10 if steps is None else np.array(steps)
    question = np.zeros(len(tokens), dtype=np.int64) if question is None else np.array(question)
    return Rewarded(np.array(reward, dtype=float), steps, tokens, np.array(correct, dtype=bool), question)


def estimates(rewarded: Rewarded) -> dict[str, float]:
    found = length_measures([rewarded], int(rewarded.question.max()) + 1, DRAWS)
    return {name: measured.estimate for name, measured in found.items()}


def many(seed: int = 0, questions: int = 150, samples: int = 8) -> Rewarded:
    """Hard questions have long answers; rewards know which are right, and nothing of length."""
    rng = np.random.default_rng(seed)
    question = np.repeat(np.arange(questions), samples)
    hard = rng.random(questions)[question]
    correct = rng.random(len(question)) > hard
    tokens = (40 + 80 * hard + rng.integers(0, 60, len(question))).astype(np.int64)
    return answers(correct + rng.random(len(question)), tokens, correct, question)


def test_a_reward_that_is_less_for_every_token_is_the_length():
    rewarded = many()
    found = estimates(replace(rewarded, reward=-rewarded.tokens))
    for name in ("within", "between", "right"):
        assert found[f"{name} tokens"] == pytest.approx(-1) and -1 < found[f"{name} steps"] < -0.7
    assert found["shorter tokens"] == 1 and 0.9 < found["shorter steps"] < 1
    means = np.bincount(rewarded.question, rewarded.correct) / np.bincount(rewarded.question)
    assert found["chosen without length"] == pytest.approx(means.mean()), "nothing is left, so any answer is taken"
    longest = estimates(replace(rewarded, reward=0.5 * rewarded.tokens + 3 * rewarded.steps))
    assert longest["within tokens"] > 0.99 and longest["shorter tokens"] < 0.01
    assert longest["chosen without length"] == pytest.approx(means.mean())


def test_a_reward_that_knows_nothing_of_length_has_no_correlation_with_it():
    found = length_measures([many(seed) for seed in range(3)], 150, DRAWS)
    for name, half in (("within", 0), ("right", 0), ("shorter", 0.5)):
        for unit in ("steps", "tokens"):
            measured = found[f"{name} {unit}"]
            assert np.quantile(measured.resampled, 0.005) < half < np.quantile(measured.resampled, 0.995), (name, unit)
    assert found["between tokens"].estimate < -0.4, "right answers are rewarded, and hard questions have long answers"
    assert found["chosen"].estimate > 0.85
    assert found["chosen without length"].estimate == pytest.approx(found["chosen"].estimate, abs=0.03)


def test_length_is_taken_off_a_reward_that_also_knows_what_is_right():
    rewarded = many()
    mixed = estimates(replace(rewarded, reward=rewarded.reward - 0.1 * rewarded.tokens))
    pure = estimates(rewarded)
    assert mixed["chosen"] < pure["chosen"] - 0.2 and mixed["chosen without length"] > pure["chosen"] - 0.05


def test_a_product_of_step_scores_prefers_short_answers_and_their_geometric_mean_does_not():
    """Steps that are all as good as each other: LPR's pairs of right answers would be of short over long ones."""
    rng = np.random.default_rng(0)
    steps = rng.integers(2, 11, 2400)
    scores = [(0.5 + rng.random(count) / 2).tolist() for count in steps]
    bare = answers(np.zeros(2400), 10 * steps, np.ones(2400), np.repeat(np.arange(300), 8))
    product, mean = (
        estimates(replace(bare, reward=np.array([accumulate(each, how) for each in scores])))
        for how in ("product", "geometric_mean")
    )
    assert product["right steps"] < -0.8 and product["shorter steps"] > 0.8
    assert abs(mean["right steps"]) < 0.05 and abs(mean["shorter steps"] - 0.5) < 0.03


def test_by_hand():
    """Two questions; ties of rewards, of lengths, and a question with one right answer."""
    found = estimates(
        answers(
            [3, 3, 1, 2, 5, 4], [20, 30, 30, 10, 50, 40], [1, 0, 1, 1, 0, 1], [0, 0, 0, 0, 1, 1], [2, 3, 3, 1, 5, 4]
        )
    )
    assert found["chosen"] == pytest.approx((1 / 2 + 0) / 2)
    # Of the right answers of question 0, 3 > 2 > 1 with 20, 10 and 30 tokens: the shorter wins 2 of 3 pairs.
    assert found["shorter tokens"] == found["shorter steps"] == pytest.approx(2 / 3)
    ranks = [(np.array([3.5, 3.5, 1, 2]), np.array([2, 3.5, 3.5, 1]), 4), (np.array([2, 1]), np.array([2, 1]), 2)]
    parts = [((x - x.mean()) / n, (y - y.mean()) / n) for x, y, n in ranks]
    both, one, other = (sum(p) for p in zip(*((x @ y, x @ x, y @ y) for x, y in parts), strict=True))
    assert found["within tokens"] == pytest.approx(both / np.sqrt(one * other))
    assert found["right tokens"] == pytest.approx(-0.5), "ranks 3, 1, 2 and 2, 3, 1; one alone says nothing"
    assert found["between tokens"] == pytest.approx(1)


def test_equal_lengths_count_half_and_equal_rewards_are_no_pair():
    found = estimates(answers([1, 2, 2], [10, 10, 30], [1, 1, 1]))
    assert found["shorter tokens"] == pytest.approx((0.5 + 0) / 2)


def test_what_does_not_exist_is_no_number():
    found = estimates(answers([1, 1], [10, 20], [0, 0]))
    assert found["chosen"] == 0
    assert all(np.isnan(found[name]) for name in ("within tokens", "between tokens", "right tokens", "shorter tokens"))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=30))
def test_ranks_are_those_of_counting(pairs):
    group, values = (np.array(each) for each in zip(*pairs, strict=True))
    for own, other, rank in zip(group, values, ranks_within(values, group), strict=True):
        members = values[group == own]
        assert rank == pytest.approx(((members < other).sum() + (members == other).sum() / 2) / len(members))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**20))
def test_a_choice_is_best_of_all_and_does_not_read_the_order_or_scale_of_rewards(seed):
    rng = np.random.default_rng(seed)
    question = np.repeat(np.arange(5), 4)
    rewarded = answers(rng.integers(0, 3, 20), rng.integers(10, 50, 20), rng.random(20) < 0.5, question)
    found = estimates(rewarded)
    grids = (each.reshape(5, 4) for each in (rewarded.reward, rewarded.correct.astype(float)))
    assert found["chosen"] == pytest.approx(best_of_n(*grids, 4).mean())
    order = rng.permutation(20)
    moved = Rewarded(
        *(each[order] for each in (rewarded.reward**3 + 7, rewarded.steps, rewarded.tokens, rewarded.correct, question))
    )
    again = estimates(moved)
    for name in set(found) - {"chosen without length", "between steps", "between tokens"}:
        assert again[name] == pytest.approx(found[name], nan_ok=True), name


def test_resamples_rank_the_questions_anew():
    """The same questions drawn by hand give the same correlation of means."""
    rewarded = many(questions=12, samples=2)
    found = length_measures([rewarded], 12, Bootstrap(3, 5))["between tokens"].resampled
    counts = np.random.default_rng(5).multinomial(12, np.full(12, 1 / 12), size=3)
    means = [np.bincount(rewarded.question, each) / 2 for each in (rewarded.reward, rewarded.tokens)]
    for value, count in zip(found, counts, strict=True):
        drawn = [ranks_within(np.repeat(mean, count), np.zeros(12)) for mean in means]
        assert value == pytest.approx(np.corrcoef(*drawn)[0, 1])


def test_what_is_left_of_a_length_is_nothing():
    rewarded = many()
    assert not without_length(replace(rewarded, reward=np.float32(0.3) * rewarded.steps)).any()
    assert not without_length(replace(rewarded, reward=np.ones(len(rewarded.tokens)))).any()


def write_node(root, stage, name, seed, rows, schema):
    path = root / stage / name / f"seed{seed}" / f"{stage}.parquet"
    write_records(rows, schema, path)
    write_json({"job": {"name": name}, "seed": seed}, path.parent / "metrics.json")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Trajectories of two seeds; rewards that are the length, and rewards that know what is right."""
    root, trajectories, rewards = tmp_path_factory.mktemp("lengths"), [], []
    for seed in (0, 1):
        rewarded = many(seed, questions=40, samples=4)
        keys = [(f"q{number:02}", place % 4) for place, number in enumerate(rewarded.question)]
        rows = [
            {
                "question_id": question, "sample": sample, "dataset": "qqa", "prompt_ids": [1],
                "token_ids": [1] * tokens, "logprobs": [], "finish_reason": "stop", "text": "",
                "step_ends": [1] * steps, "correct": correct, "correct_flexible": correct,
                "answer": None, "answer_flexible": None,
            }
            for (question, sample), tokens, steps, correct in zip(
                keys, rewarded.tokens.tolist(), rewarded.steps.tolist(), rewarded.correct.tolist(), strict=True
            )
        ]  # fmt: skip
        trajectories.append(write_node(root, "trajectories", "samples", seed, rows, TRAJECTORIES))
        for name, values in (("short", -rewarded.tokens), ("good", rewarded.reward)):
            made = [
                {"question_id": question, "sample": sample, "dataset": "qqa", "steps": 1, "accumulated": 0.0,
                 "shaped": 0.0, "outcome": 0.0, "reward": float(value)}
                for (question, sample), value in zip(keys, values, strict=True)
            ][::-1]  # fmt: skip
            rewards.append(write_node(root, "rewards", name, seed, made, REWARDS))
    return trajectories, rewards


ROWS = [{"label": "product", "rewards": "short"}, {"label": "better", "rewards": "good"}]
TABLE = {"kind": "lengths", "title": "Lengths", "baseline": "better", "rows": ROWS, "resamples": 100}


def table_of(files, nodes=("samples", "samples")):
    spec = LengthsTable.model_validate(TABLE)
    return make_length_table(spec, read_trajectories(files[0]), read_rewards(files[1]), nodes, 0)


def test_rows_stand_beside_choices_by_length_alone(files):
    table = table_of(files)
    alone = ["fewest steps", "most steps", "fewest tokens", "most tokens", "chance"]
    assert [line.label for line in table.lines] == ["product", "better", *alone]
    short, good, _, _, fewest, most, chance = (line.cells for line in table.lines)
    assert short["chosen"] == fewest["chosen"] and short["within tokens"].mean == pytest.approx(-100)
    assert short["chosen"].difference_high < 0 and good["chosen"].difference is None
    assert most["within tokens"].mean == pytest.approx(100) and "within tokens" not in chance
    assert short["chosen without length"].mean == pytest.approx(chance["chosen"].mean)
    assert good["chosen"].mean > chance["chosen"].high and "chosen without length" not in chance
    assert (short["questions"].mean, short["answers"].mean, table.seeds) == (40, 160, 2)
    assert [line.source for line in table.lines[1:3]] == [
        "rewards.good of trajectories.samples",
        "trajectories.samples",
    ]


def test_words_and_numbers(files):
    table = table_of(files)
    header, _, first, *_ = render_markdown(lay_out_lengths(table)).splitlines()[2:]
    words = [[word.strip() for word in line.split("|")[1:-1]] for line in (header, first)]
    assert (
        words[0][:4] == ["rewards", "questions", "answers", "r within, steps"] and len(words[0]) == len(words[1]) == 14
    )
    assert words[1][:3] == ["product", "40", "160"] and words[1][7:9] == ["-100.0", "-100.0"]
    assert "product,shorter tokens,100.0000,100.0000,100.0000,,,,2,40,,rewards.short" in render_csv(table.lines, 2)


def test_a_missing_reward_is_one_clear_line(files, tmp_path):
    made = [{"question_id": "q00", "sample": 0, "dataset": "qqa", "steps": 1, "accumulated": 0.0, "shaped": 0.0,
             "outcome": 0.0, "reward": 1.0}]  # fmt: skip
    paths = [
        write_node(tmp_path, "rewards", name, seed, made, REWARDS) for name in ("short", "good") for seed in (0, 1)
    ]
    with pytest.raises(
        StepladderError, match=r"rewards.short seed 0 has none for question q00 sample 1 of trajectories.s"
    ):
        table_of((files[0], paths))


def test_the_entry_point(files, tmp_path, root):
    job = {"study": "t", "stage": "tables", "name": "n", "step_style": "line", "spec": TABLE}
    job["trajectories"] = ["samples", "samples"]
    command = [sys.executable, str(root / "workflow/scripts/length_table.py"), "--job", canonical_json(job)]
    command += ["--input", "rewards", *map(str, files[1]), "--input", "trajectories", *map(str, files[0])]
    done = subprocess.run(
        [*command, "--output", str(tmp_path)], capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(root / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        "table.csv", "table.html", "table.md", "table.tex", "metrics.json"
    }  # fmt: skip
    metrics = read_json(tmp_path / "metrics.json")
    assert metrics["counts"]["rows_in"] == 4 * 160 and len(metrics["metrics"]["rows"]) == 7
    json.dumps(metrics, allow_nan=False)
