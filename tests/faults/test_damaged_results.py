"""A result that is damaged or gone: one line names it, nothing else is touched, and the next run makes it as it was."""

import shutil

import pytest
from scene import STUDY, attempt, copy_of, ends, follow, state, the_line, untouched

from damage import cut_short, empty, overwrite

# What is damaged, how, and whose lack makes a job read it.
TABLE, EVALUATION = "tables/main", "evaluations/dpo_random"
CASES = {
    "records": (f"{EVALUATION}/seed0/answers.parquet", overwrite, [TABLE]),
    "numbers": (f"{EVALUATION}/seed0/metrics.json", cut_short, [TABLE]),
    "checkpoint": ("policies/dpo_random/seed0/checkpoint/model.safetensors", cut_short, [EVALUATION, TABLE]),
    "records in the middle": ("pairs/random/seed0/pairs.parquet", empty, ["policies/dpo_random", EVALUATION, TABLE]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_result_is_named_and_made_anew(finished, tmp_path, case):
    damaged, how, lacking = CASES[case]
    results = copy_of(finished, tmp_path)
    how(results / STUDY / damaged)
    for node in lacking:
        shutil.rmtree(results / STUDY / node)
    before = state(results)
    line = the_line(attempt(results, "tables"))
    assert str(results / STUDY / damaged) in line
    untouched(before, state(results), "pairs/random")
    assert (results / STUDY / damaged).is_relative_to(follow(line))
    ends(results, finished)
    untouched(before, state(results), "dpo_random", "pairs/random", TABLE)


def test_a_result_that_is_gone_is_made_anew_with_what_follows(finished, tmp_path):
    results = copy_of(finished, tmp_path)
    folder = results / STUDY / "pairs/random/seed0"
    shutil.rmtree(folder)
    before = state(results)
    ends(results, finished, "tables", str(folder / "metrics.json"))
    untouched(before, state(results), "dpo_random", "pairs/random", TABLE)
    for name in ("pairs.parquet", "reference.parquet"):
        assert (folder / name).read_bytes() == (finished / STUDY / "pairs/random/seed0" / name).read_bytes()
