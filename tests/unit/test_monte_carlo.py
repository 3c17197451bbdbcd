"""Monte Carlo labels: which states are rolled out, and what the trials say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.reasoning.states import state_key
from stepladder.records import LABELS, read_records, write_records
from stepladder.study.canonical import derive_seed
from stepladder.study.specs.labels import States
from stepladder.supervision.monte_carlo import Outcome, chosen_trajectories, drawn_steps, step_labels, unfinished_states


def row(question_id, sample, ids, ends, correct=False):
    prompt = {"a": [1, 2], "b": [1, 3]}[question_id]
    return {
        "question_id": question_id, "sample": sample, "prompt_ids": prompt, "token_ids": ids, "step_ends": ends,
        "correct": correct,
    }  # fmt: skip


@st.composite
def trajectories(draw):
    rows = []
    for question_id in "ab":
        for sample in range(draw(st.integers(1, 4))):
            steps = draw(st.lists(st.lists(st.integers(5, 6), min_size=1, max_size=2), max_size=4))
            ids = [token for step in steps for token in step]
            ends = [sum(map(len, steps[: i + 1])) for i in range(len(steps))]
            rows.append(row(question_id, sample, ids, ends, draw(st.booleans())))
    return rows


def test_states_shared_by_trajectories_are_rolled_out_once_and_finished_ones_never():
    rows = [
        row("a", 0, [5, 6, 7, 8], [2, 3, 4]),
        row("a", 1, [5, 6, 9, 8], [2, 3, 4]),  # the first state again
        row("b", 0, [5, 6, 7], [2, 3]),  # the same answer to another question
        row("b", 1, [5], [1]),  # finished at once
    ]
    found = {(state.prompt_ids, state.prefix_ids) for state in unfinished_states(rows)}
    assert len(unfinished_states(rows)) == len(found)
    assert found == {((1, 2), (5, 6)), ((1, 2), (5, 6, 7)), ((1, 2), (5, 6, 9)), ((1, 3), (5, 6))}


@settings(deadline=None)
@given(trajectories(), st.randoms())
def test_every_state_that_a_label_needs_is_there_once_in_any_order(rows, rng):
    states = unfinished_states(rows)
    needed = {state_key(r["prompt_ids"], r["token_ids"][:end]) for r in rows for end in r["step_ends"][:-1]}
    assert sorted(state.key for state in states) == sorted(needed)
    shuffled = rng.sample(rows, len(rows))
    assert unfinished_states(shuffled) == states


@settings(deadline=None)
@given(trajectories(), st.data())
def test_labels_agree_with_the_counts(rows, data):
    outcomes = {}
    for state in unfinished_states(rows):
        rollouts = data.draw(st.integers(1, 8))
        outcomes[state.key] = Outcome(rollouts, data.draw(st.integers(0, rollouts)), data.draw(st.integers(0, 99)))
    labels = step_labels(rows, outcomes)
    by_place = {(label["question_id"], label["sample"], label["step"]): label for label in labels}
    assert len(by_place) == len(labels) == sum(len(r["step_ends"]) for r in rows)
    for r in rows:
        for step, end in enumerate(r["step_ends"]):
            label = by_place[r["question_id"], r["sample"], step]
            assert label["state"] == state_key(r["prompt_ids"], r["token_ids"][:end])
            assert label["finished"] == (step == len(r["step_ends"]) - 1)
            expected = Outcome(1, int(r["correct"])) if label["finished"] else outcomes[label["state"]]
            assert (label["rollouts"], label["successes"]) == (expected.rollouts, expected.successes)
            assert label["tokens"] == expected.tokens
            assert label["soft"] == pytest.approx(label["successes"] / label["rollouts"])
            assert label["hard"] == (label["successes"] > 0) == (label["soft"] > 0)


def test_a_prefix_that_another_trajectory_ends_with_keeps_both_meanings():
    rows = [row("a", 0, [5, 6], [1, 2], correct=True), row("a", 1, [5], [1], correct=False)]
    key = state_key([1, 2], [5])
    labels = step_labels(rows, {key: Outcome(4, 3)})
    assert [(label["state"] == key, label["finished"], label["soft"]) for label in labels] == [
        (True, False, 0.75),
        (False, True, 1.0),
        (True, True, 0.0),
    ]


def test_labels_fit_their_table(tmp_path):
    labels = step_labels([row("a", 0, [5, 6], [1, 2], True)], {state_key([1, 2], [5]): Outcome(3, 1)})
    write_records(labels, LABELS, tmp_path / "t")
    assert read_records(tmp_path / "t", LABELS) == [label | {"soft": pytest.approx(label["soft"])} for label in labels]


def test_only_the_first_samples_are_labelled_where_asked():
    rows = [row("a", 2, [5], [1]), row("a", 0, [5], [1]), row("b", 1, [5], [1])]
    assert [(r["question_id"], r["sample"]) for r in chosen_trajectories(rows, 2)] == [("a", 0), ("b", 1)]
    assert chosen_trajectories(rows, None) == rows


def test_a_share_of_the_questions_is_labelled_and_grows_with_the_share():
    rows = [{"question_id": f"q{place // 2}", "sample": place % 2} for place in range(2000)]
    found = [chosen_trajectories(rows, None, share) for share in (0.1, 0.3, 1.0)]
    few, more, all_ = ({row["question_id"] for row in each} for each in found)
    assert few < more < all_ and found[2] == rows
    assert len(few) == pytest.approx(100, abs=50) and len(found[0]) == 2 * len(few)
    assert chosen_trajectories(rows[::-1], 1, 0.1) == [row for row in found[0][::-1] if row["sample"] == 0]


def draw(*belongs_to) -> int:
    return derive_seed("tests", "states", *belongs_to)


@pytest.mark.parametrize(
    ("steps", "keys", "expected"),
    [
        # LPR: with n steps before the last one, those from int(n start) on.
        (11, {"start": 0.2}, [2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (10, {"start": 0.2}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (11, {"start": 0.1, "end": 0.8}, [1, 2, 3, 4, 5, 6, 7, 10]),
        (8, {"least_steps": 8}, list(range(8))),
        (7, {"least_steps": 8}, [6]),
        (2, {"start": 0.9}, [0, 1]),
        (1, {}, [0]),
        (0, {}, []),
    ],
)
def test_the_part_of_a_trajectory_whose_states_are_labelled(steps, keys, expected):
    assert drawn_steps(row("a", 0, [5] * steps, list(range(1, steps + 1))), States(**keys), draw) == expected


def test_states_are_drawn_by_what_they_belong_to_alone():
    rows = [row(question, sample, [5] * 41, list(range(1, 42))) for question in "ab" for sample in range(20)]
    spec = States(start=0.2, share=0.4)
    found = [drawn_steps(each, spec, draw) for each in rows]
    assert found == [drawn_steps(each, spec, draw) for each in reversed(rows)][::-1]
    assert len({tuple(each) for each in found}) == 40, "each trajectory has a draw of its own"
    assert all(each[-1] == 40 and min(each) >= 8 for each in found)
    share = sum(len(each) - 1 for each in found) / (40 * 32)
    assert share == pytest.approx(0.4, abs=0.07)  # five standard errors
    more = [drawn_steps(each, States(start=0.2, share=0.6), draw) for each in rows]
    assert all(set(few) <= set(many) for few, many in zip(found, more, strict=True))


def test_labels_of_drawn_states_are_rows_of_the_full_table():
    rows = [row("a", 0, [5, 6, 7, 8], [1, 2, 3, 4], True), row("a", 1, [5, 9], [1, 2])]
    outcomes = {state.key: Outcome(2, number % 3) for number, state in enumerate(unfinished_states(rows))}
    full = step_labels(rows, outcomes)

    def choice(trajectory):
        return drawn_steps(trajectory, States(start=0.4), draw)

    chosen = unfinished_states(rows, choice)
    assert {state.prefix_ids for state in chosen} == {(5, 6), (5, 6, 7), (5,)}
    few = step_labels(rows, {state.key: outcomes[state.key] for state in chosen}, choice)
    assert few == [label for label in full if (label["sample"], label["step"]) != (0, 0)]
