"""Math-Shepherd's format: the published samples, and rows that must be rejected for a stated reason."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.errors import StepladderError
from stepladder.records import Counts
from stepladder.supervision.math_shepherd import parse, read_math_shepherd

examples = settings(deadline=None, max_examples=100)
LABELS_OF_THE_SAMPLES = ["++++-", "---", "--", "-----", "+----", "--", "---"]


def row(*pieces: str, signs: str) -> dict:
    """A row whose text is the pieces with a tag behind each but the last, which may be empty."""
    *labelled, rest = pieces
    return {
        "input": "".join(piece + "ки" for piece in labelled) + rest,
        "label": "".join(piece + sign for piece, sign in zip(labelled, signs, strict=True)) + rest,
        "task": "MATH",
    }


def test_the_published_samples_are_read_whole(real_data):
    path = real_data / "math_shepherd" / "samples.jsonl"
    counts = Counts()
    solutions = list(read_math_shepherd(path, counts))
    assert counts.as_data() == {"rows_in": 7, "rows_out": 7, "dropped": {}}
    assert ["".join("-+"[int(soft)] for soft in each.soft) for each in solutions] == LABELS_OF_THE_SAMPLES
    for each, line in zip(solutions, path.read_text(encoding="utf-8").splitlines(), strict=True):
        # The round trip: nothing is lost but blanks around steps.
        text = each.problem + " " + "\n".join(f"{step} ки" for step in each.steps)
        assert text == json.loads(line)["input"]
        assert each.finished and each.trials == 1
        assert all(step.startswith(f"Step {number}: ") for number, step in enumerate(each.steps, start=1))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"input": "Q? Step 1: a ки"}, "no input or no label"),
        ("Q? Step 1: a ки", "no input or no label"),
        (row("Q? Step 1: a ", signs=""), "no step tag"),
        ({"input": "Q? Step 1: a ки", "label": "Q? Step 1: b +"}, "texts differ"),
        ({"input": "Q? Step 1: a ки end", "label": "Q? Step 1: a + END"}, "texts differ"),
        ({"input": "Q? Step 1: a ки", "label": "Q? Step 1: a "}, "label is neither + nor -"),
        ({"input": "Q? Step 1: a ки", "label": "Q? Step 1: a ?"}, "label is neither + nor -"),
        (row("Q? Step 1: a ", "\nStep 2: b ", "\nStep 3: c", signs="+-"), "step without a label"),
        (row("Q? Step 1: a\nStep 2: b ", "", signs="+"), "step without a label"),
        (row("Q? First a ", "\nStep 2: b ", "", signs="+-"), "no first step"),
        (row("Q? ", "Step 1: a ", "", signs="++"), "tag inside the question"),
        (row("Do Step 1: and more. Step 1: a ", "", signs="+"), "several first steps"),
        (row(" Step 1: a ", "", signs="+"), "no question"),
        (row("Q? Step 1: a ", "\nStep 2: ", "", signs="+-"), "empty step"),
    ],
)
def test_a_rejected_row_says_why(given, reason):
    assert parse(given) == reason


def test_what_makes_a_row_fragile_but_sound():
    # Lower case, a step that speaks of an earlier one, a question that begins with "Step", text after the last tag.
    found = parse(row("Step by step, how many? step 1: a ", "\nStep 2: from Step 1: b ", "  ", signs="+-"))
    assert (found.problem, found.steps, found.soft) == (
        "Step by step, how many?",
        ("step 1: a", "Step 2: from Step 1: b"),
        (1.0, 0.0),
    )
    # The letters of a tag in both texts are text; plus and minus signs of the text are not labels.
    found = parse({"input": "Руки? Step 1: 2 + 2 ки", "label": "Руки? Step 1: 2 + 2 -"})
    assert (found.problem, found.steps, found.soft) == ("Руки?", ("Step 1: 2 + 2",), (0.0,))
    assert parse(row("Q? Footstep 1: x. Step 1: a ", "", signs="+")).problem == "Q? Footstep 1: x."


@examples
@given(st.lists(st.tuples(st.text("ab +-\n1", min_size=1).filter(str.strip), st.sampled_from("+-")), min_size=1))
def test_whatever_the_steps_say_their_labels_are_found(steps):
    pieces = [f"{'Q? ' if i == 0 else chr(10)}Step {i + 1}: {text}" for i, (text, _) in enumerate(steps)]
    found = parse(row(*pieces, "", signs="".join(sign for _, sign in steps)))
    assert found.problem == "Q?" and found.soft == tuple(float(sign == "+") for _, sign in steps)
    assert [step.partition(":")[2].strip() for step in found.steps] == [text.strip() for text, _ in steps]


def test_rejected_rows_are_counted_and_a_file_of_another_form_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [row("Q? Step 1: a ", "", signs="+"), {"input": "x"}, row("Q? Step 1: a ", signs=""), {"input": "y"}]
    path.write_text("\n\n".join(json.dumps(each) for each in rows), encoding="utf-8-sig")
    counts = Counts()
    assert len(list(read_math_shepherd(path, counts))) == 1
    dropped = {"no input or no label": 2, "no step tag": 1}
    assert counts.as_data() == {"rows_in": 4, "rows_out": 1, "dropped": dropped}
    path.write_text(json.dumps([{"prompt": "a"}, {"prompt": "b"}]))
    with pytest.raises(StepladderError, match=r"holds no labelled solution: no input or no label \(2\)"):
        list(read_math_shepherd(path, Counts()))
    path.write_text('{"input": "a"}\n{"input": ')
    with pytest.raises(StepladderError, match="line 2: not JSON"):
        list(read_math_shepherd(path, Counts()))
    path.write_bytes(b'{"input": "\xff"}')
    with pytest.raises(StepladderError, match="not UTF-8 at byte 11"):
        list(read_math_shepherd(path, Counts()))
    with pytest.raises(StepladderError, match="cannot be read"):
        list(read_math_shepherd(tmp_path / "none.jsonl", Counts()))
