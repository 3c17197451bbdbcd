"""From labelled solutions to records: tokens, step ends, keys, labels, and what is left out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from stepladder.reasoning.states import state_key
from stepladder.reasoning.tokens import encode_prompt, encode_text, step_ends
from stepladder.records import LABELS, TRAJECTORIES, Counts, read_records, write_records
from stepladder.rewards.training import is_held_out, labelled_trajectories
from stepladder.supervision.math_shepherd import read_math_shepherd
from stepladder.supervision.solutions import LabelledSolution, by_problem, label_rows, problem_id
from stepladder.supervision.trajectories import prompt_of, trajectory_row

examples = settings(deadline=None, max_examples=60)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, so that every place in a text is a token's edge; two letters are one token across a newline."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: place for place, letter in enumerate(["<end>", *alphabet, "ĊS"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("Ċ", "S")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


TOKENIZER = byte_tokenizer()
words = st.text("ab1é 中S+", min_size=1).map(str.strip).filter(bool)
chains = st.lists(st.tuples(words, st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=5)


def records_of(*solutions: LabelledSolution):
    """(trajectory, labels) of every solution, by problem."""
    made = []
    for members in by_problem(solutions, None)[0].values():
        for sample, solution in enumerate(members):
            trajectory = trajectory_row(solution, sample, TOKENIZER, "own", 10_000)
            made.append((trajectory, label_rows(solution, sample, trajectory)))
    return made


@examples
@given(chains, st.booleans())
def test_steps_end_where_the_line_style_ends_them(chain, finished):
    steps, soft = zip(*chain, strict=True)
    solution = LabelledSolution("P", steps, soft, 2, finished)
    trajectory = trajectory_row(solution, 0, TOKENIZER, "own", 10_000)
    if isinstance(trajectory, str):  # the last step is one S, whose token begins with the newline before it
        assert trajectory == "step without a token of its own" and "S" in steps
        return
    labels = label_rows(solution, 0, trajectory)
    assert trajectory["prompt_ids"] == encode_prompt(TOKENIZER, prompt_of("P"))
    text, ends = step_ends(TOKENIZER, trajectory["token_ids"], "line")
    assert text == trajectory["text"] == "\n".join(steps)
    assert trajectory["step_ends"] == ends
    assert trajectory["token_ids"] == encode_text(TOKENIZER, text) + [0] * finished
    assert [label["soft"] for label in labels] == list(soft)
    assert [label["successes"] / label["rollouts"] for label in labels] == list(soft)
    states = [state_key(trajectory["prompt_ids"], trajectory["token_ids"][:end]) for end in ends]
    assert [label["state"] for label in labels] == states
    assert [label["finished"] for label in labels] == [False] * (len(steps) - 1) + [finished]
    assert trajectory["correct"] == (finished and soft[-1] >= 0.5)


def test_a_step_ends_with_the_token_that_crosses_into_the_next():
    ((trajectory, _),) = records_of(LabelledSolution("P", ("a", "Sb", "c"), (1, 1, 1), 1, True))
    # a | newline and S as one token | b | newline | c | end
    assert trajectory["step_ends"] == [2, 4, 6]


def test_questions_share_an_id_and_their_solutions_are_numbered():
    solutions = [
        LabelledSolution(p, (step,), (1.0,), 1, True)
        for p, step in (("How many?", "a"), (" how  MANY? ", "b"), ("Other?", "c"), ("How many?", "d"))
    ]
    made = records_of(*solutions)
    one, other = problem_id("How many?"), problem_id("Other?")
    keys = [(trajectory["question_id"], trajectory["sample"], trajectory["text"]) for trajectory, _ in made]
    assert keys == [(one, 0, "a"), (one, 1, "b"), (one, 2, "d"), (other, 0, "c")] and one != other
    assert all(
        (label["question_id"], label["sample"]) == key[:2] for (_, (label,)), key in zip(made, keys, strict=True)
    )


def test_long_solutions_have_a_reason_and_are_never_cut():
    short, long = (LabelledSolution("", ("a" * n,), (1.0,), 1, True) for n in (11, 12))
    assert trajectory_row(short, 0, TOKENIZER, "own", 12)["token_ids"][-1] == 0
    assert trajectory_row(long, 0, TOKENIZER, "own", 12) == "longer than 12 tokens"
    asked = LabelledSolution("P", ("a",), (1.0,), 1, True)
    needed = len(prompt_of("P")) + 2
    assert trajectory_row(asked, 0, TOKENIZER, "own", needed)["prompt_ids"] == encode_prompt(TOKENIZER, prompt_of("P"))
    assert trajectory_row(asked, 0, TOKENIZER, "own", needed - 1) == f"longer than {needed - 1} tokens"


def test_steps_that_nobody_labelled_have_no_row():
    solution = LabelledSolution("P", ("a", "b", "c"), (None, 0.0, None), 1, True)
    ((trajectory, labels),) = records_of(solution)
    assert [(label["step"], label["soft"], label["finished"]) for label in labels] == [(1, 0.0, False)]
    assert labels[0]["state"] == state_key(trajectory["prompt_ids"], trajectory["token_ids"][:4])
    assert len(trajectory["step_ends"]) == 3 and trajectory["correct"] is False
    said = LabelledSolution("P", ("a", "b", "c"), (None, 0.0, None), 1, True, right=True)
    assert records_of(said)[0][0]["correct"] is True


@examples
@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 12))
def test_a_limit_keeps_all_solutions_of_the_same_problems_in_any_order(problems, limit):
    solutions = [LabelledSolution(f"P{p}", (f"{place}",), (1.0,), 1, True) for place, p in enumerate(problems)]
    kept, left_out = by_problem(solutions, limit)
    whole, none = by_problem(solutions, None)
    assert len(kept) == min(limit, len(whole)) and none == 0
    assert all(members == whole[question] for question, members in kept.items())
    assert left_out == len(solutions) - sum(map(len, kept.values()))
    assert by_problem(solutions[::-1], limit)[0].keys() == kept.keys()


def test_means_without_trials_have_no_counts():
    ((_, labels),) = records_of(LabelledSolution("P", ("a", "b"), (0.7, 0.0), 0, True))
    assert [(x["soft"], x["hard"], x["rollouts"], x["successes"]) for x in labels] == [
        (0.7, True, 0, 0),
        (0.0, False, 0, 0),
    ]


def test_the_samples_of_math_shepherd_become_rows_to_train_on(real_data, tmp_path):
    solutions = list(read_math_shepherd(real_data / "math_shepherd" / "samples.jsonl", Counts()))
    made, counts = records_of(*solutions), Counts()
    trajectories = [trajectory for trajectory, _ in made]
    labels = [label for _, each in made for label in each]
    write_records(trajectories, TRAJECTORIES, tmp_path / "trajectories.parquet")
    write_records(labels, LABELS, tmp_path / "labels.parquet")
    rows = labelled_trajectories(
        read_records(tmp_path / "trajectories.parquet", TRAJECTORIES),
        read_records(tmp_path / "labels.parquet", LABELS),
        counts,
    )
    assert counts.dropped == {} and len(rows) == 7
    assert [tuple(map(float, row["hard"])) for row in rows] == [each.soft for each in solutions]
    # The numbered style of the study cuts the same steps, so that training and scoring agree.
    for row in rows:
        assert step_ends(TOKENIZER, row["token_ids"], "numbered")[1] == row["step_ends"]
    parts = {row["question_id"]: is_held_out(row["question_id"], 0.5) for row in rows}
    assert len(parts) == 7 and 0 < sum(parts.values()) < 7


@pytest.mark.parametrize("same", [("a b", "A  b\n"), ("x", " x ")])
def test_problem_ids_see_no_blanks_and_no_case(same):
    assert problem_id(same[0]) == problem_id(same[1]) != problem_id(same[0] + "?")


def test_training_reads_up_to_the_last_labelled_step_and_passes_over_gaps():
    read = LabelledSolution("P", ("a", "b", "c"), (1.0, 0.0, None), 1, True)
    gap = LabelledSolution("Q", ("a", "b"), (None, 1.0), 1, True)
    made, counts = records_of(read, gap), Counts()
    trajectories, labels = [row for row, _ in made], [label for _, each in made for label in each]
    row, other = labelled_trajectories(trajectories, labels, counts)
    ends = trajectories[0]["step_ends"]
    assert row["soft"] == [1.0, 0.0] and row["step_ends"] == ends[:2]
    assert row["token_ids"] == trajectories[0]["token_ids"][: ends[1]]
    assert other["soft"] == [-100, 1.0] and other["rollouts"] == [-100, 1] and other["finished"] == [False, True]
    assert other["step_ends"] == trajectories[1]["step_ends"] and counts.dropped == {}
