"""Accuracy against cost: which jobs a row has spent, and what they took together."""

from pathlib import Path

import pytest
from study_files import edited, put, study_from
from synthetic_answers import write_evaluation

from stepladder.report.answers import read_evaluated
from stepladder.report.cells import AVERAGE
from stepladder.report.costs import Cost
from stepladder.report.efficiency import SECONDS, TOKENS, draw_efficiency, lay_out_efficiency, make_efficiency_table
from stepladder.study.faults import StudyFaults
from stepladder.study.specs.tables import EfficiencyTable
from stepladder.study.spending import spent_by

SPEC = {
    "kind": "efficiency", "title": "Cost", "baseline": "SFT",
    "rows": [{"label": "SFT", "evaluation": "sft"}, {"label": "DPO", "evaluation": "dpo"},
             {"label": "PPO", "evaluation": "ppo"}],
}  # fmt: skip


def small(*edits):
    return study_from(edited(put("tables.cost", {**SPEC, "rows": [dict(row) for row in SPEC["rows"]]}), *edits))


def job(stage: str, name: str, seconds: float, tokens: int | None = None) -> Cost:
    return Cost("s", stage, name, 0, seconds, None, tokens, None, None, None, "cpu", None, None)


def test_a_row_has_spent_what_its_policy_was_made_from_and_the_baselines_was_not():
    study = small()
    spent = spent_by(study.spec("tables", "cost"), study.nodes)
    reward = {("trajectories", "samples"), ("labels", "rollouts"), ("prms", "bce"), ("scores", "samples")}
    assert spent["SFT"] == []
    assert set(spent["PPO"]) == reward | {("policies", "ppo"), ("rewards", "wrs")}
    assert set(spent["DPO"]) == reward | {("policies", "dpo"), ("rewards", "wrs"), ("pairs", "outcome")}
    read = study.inputs("tables", "cost", 0)["costs"]
    files = {Path(path).parts[-4:] for path in read}
    assert len(files) == len(read) == 2 * (len({*spent["PPO"], *spent["DPO"]}) + 1), "both seeds, and pairs twice"
    assert ("pairs", "outcome", "seed1", "reference.json") in files
    assert '"spent":[[],["labels/rollouts","pairs/outcome","policies/dpo"' in study.job("tables", "cost")


def test_another_baseline_has_its_own_cost():
    study = small(put("tables.cost.baseline", "DPO"))
    spent = spent_by(study.spec("tables", "cost"), study.nodes)
    assert spent == {"SFT": [], "DPO": [], "PPO": [("policies", "ppo")]}


@pytest.mark.parametrize(
    ("edit", "location", "words"),
    [
        (put("tables.cost.rows.1.answer", "mean_sample"), "tables.cost.rows.1.answer", "has no samples"),
        (put("evaluations.dpo", {"method": "given", "trajectories": "samples"}), "tables.cost.rows.1", "of no policy"),
        (put("tables.cost.baseline", "PP"), "tables.cost.baseline", "did you mean 'PPO'"),
    ],
)
def test_rows_without_a_cost_are_faults(edit, location, words):
    none = put("evaluations.dpo.samples", 0)
    with pytest.raises(StudyFaults) as caught:
        small(none, edit)
    assert any(line.startswith(f"--config: {location}") and words in line for line in caught.value.lines)


def test_costs_are_means_over_seeds_of_sums_over_jobs(tmp_path):
    answers = []
    for seed in (0, 1):
        for name, letters in {"sft": "RW", "dpo": "RR", "ppo": "WW"}.items():
            greedy = {f"awpnli/{place}": letter for place, letter in enumerate(letters)}
            answers.append(write_evaluation(tmp_path, name, seed, greedy))
    costs = [
        job("policies (dpo)", "dpo", 10.0), job("policies (dpo)", "dpo", 20.0),
        job("pairs", "outcome", 1.0), job("pairs (reference)", "outcome", 4.0), job("pairs", "outcome", 1.0),
        job("trajectories (sampled)", "samples", 30.0, 500), job("trajectories (sampled)", "samples", 30.0, 700),
        job("policies (ppo)", "ppo", 60.0, 1000), job("policies (ppo)", "ppo", 80.0, 1000),
    ]  # fmt: skip
    spent = [[], ["policies/dpo", "pairs/outcome", "trajectories/samples"], ["policies/ppo"]]
    spec = EfficiencyTable.model_validate(SPEC | {"resamples": 50})
    table = make_efficiency_table(spec, read_evaluated(answers), costs, spent, seed=0)
    found = {line.label: {name: cell.mean for name, cell in line.cells.items()} for line in table.lines}
    assert found["SFT"] == {AVERAGE: 50, TOKENS: 0, SECONDS: 0}
    assert found["DPO"] == {AVERAGE: 100, TOKENS: 600, SECONDS: 48}
    assert found["PPO"] == {AVERAGE: 0, TOKENS: 1000, SECONDS: 70}
    assert table.lines[1].cells[AVERAGE].difference == 50
    layout = lay_out_efficiency(table)
    assert [row[3:] for row in layout.rows] == [["–", "–"], ["600", "00:48"], ["1,000", "01:10"]]
    draw_efficiency(table, tmp_path / "a.png")
    draw_efficiency(table, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
