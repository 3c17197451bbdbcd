"""Keys of planning-based reasoning: chosen states, kinds of steps, replay, rounds; one line for what does not fit."""

import pytest
from study_files import edited, put, write

from stepladder.study.__main__ import main

ROW = {"label": "votes", "evaluation": "sft", "answer": "weighted_majority", "n": 4, "prm": "bce", "accumulate": "sum"}
BROKEN = [
    (
        "kinds of labelled steps without react",
        put("labels.rollouts.states", {"kinds": ["Thought"]}),
        "labels.rollouts.states.kinds",
        ["steps of style 'line' have no kinds", "step_style: react"],
    ),
    (
        "unknown kind",
        put("labels.rollouts.states", {"kinds": ["Thoght"]}),
        "labels.rollouts.states.kinds.0",
        ["did you mean 'Thought'?"],
    ),
    (
        "a part without a state",
        put("labels.rollouts.states", {"start": 0.5, "end": 0.5}),
        "labels.rollouts.states.end",
        ["must be above start (0.5)"],
    ),
    (
        "a part that begins at the end",
        put("labels.rollouts.states", {"start": 1}),
        "labels.rollouts.states.end",
        ["must be above start (1)"],
    ),
    (
        "no state at all",
        put("labels.rollouts.states", {"share": 0}),
        "labels.rollouts.states.share",
        ["greater than 0"],
    ),
    (
        "a posterior to rank by",
        put("prms.rank.target", "posterior"),
        "prms.rank.target",
        ["take loss bce or mse"],
    ),
    (
        "kinds of rewarded steps without react",
        put("rewards.wrs.kinds", ["Thought", "Observation"]),
        "rewards.wrs.kinds",
        ["steps of style 'line' have no kinds"],
    ),
    (
        "votes weighed by sums",
        put("tables.main.rows.1", ROW),
        "tables.main.rows.1.accumulate",
        ["a sum is not"],
    ),
    (
        "an outcome without step rewards",
        put("policies.ppo.credit", {"kind": "critic", "outcome_weight": 1}),
        "policies.ppo.credit.outcome_weight",
        ["goes with step_reward"],
    ),
    (
        "differences that do not telescope",
        put("policies.ppo.credit", {"kind": "critic", "gamma": 0.95, "step_reward": "differences"}),
        "policies.ppo.credit.step_reward",
        ["at gamma: 1 alone"],
    ),
    (
        "a critic of step rewards without a PRM",
        lambda config: config["policies"]["ppo"].update(
            credit={"kind": "critic", "step_reward": "scores"}, rewards=None
        ),
        "policies.ppo.credit",
        ["name rewards"],
    ),
]


@pytest.mark.parametrize(("edit", "location", "words"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN])
def test_what_does_not_fit_is_one_line(edit, location, words, tmp_path, capsys):
    file = write(tmp_path / "study.yaml", edited(edit))
    assert main(["check", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1, err
    assert err.startswith(f"{file}: {location}") and all(word in err for word in words), err
