"""Faults of on-policy nodes: what a kind of credit, the KL term and DeepSpeed do not go with; one line for each."""

import pytest
from study_files import edited, put, write

from stepladder.study.__main__ import main

BROKEN = [
    (
        "critic alone",
        put("policies.ppo.credit", {"kind": "critic", "warmup": 999}),
        "policies.ppo.credit",
        ["warmup must be less than the 20 iterations"],
    ),
    (
        "rollouts with a PRM",
        put("policies.ppo.credit", {"kind": "rollouts"}),
        "policies.ppo.credit",
        ["leave rewards out"],
    ),
    (
        "step rewards of no PRM",
        lambda config: config["policies"]["ppo"].update(credit={"kind": "process"}, rewards=None),
        "policies.ppo.credit",
        ["name rewards"],
    ),
    (
        "a group of one",
        lambda config: config["policies"]["ppo"].update(credit={"kind": "leave_one_out"}, samples=1),
        "policies.ppo.credit",
        ["samples: 2 or more"],
    ),
    (
        "correction at another temperature",
        lambda config: config["policies"]["ppo"].update(importance_cap=2.0, temperature=0.6),
        "policies.ppo.importance_cap",
        ["needs temperature: 1"],
    ),
    (
        "correction of a cut distribution",
        lambda config: config["policies"]["ppo"].update(importance_cap=2.0, top_p=0.9),
        "policies.ppo.importance_cap",
        ["and top_p: 1"],
    ),
    ("a nucleus of nothing", put("policies.ppo.top_p", 0), "policies.ppo.top_p", ["greater than 0, got 0"]),
    (
        "rollouts weighed by a part of the weights",
        lambda config: config["policies"]["ppo"].update(
            rewards=None,
            credit={"kind": "rollouts", "estimator": "importance_weighted"},
            optimisation={"deepspeed": "zero3"},
        ),
        "policies.ppo.optimisation",
        ["importance_weighted weighs", "zero3 splits: use zero2 or none"],
    ),
    (
        "rollouts weighed as they were sampled by a part of the weights",
        lambda config: config["policies"]["ppo"].update(
            rewards=None,
            temperature=0.6,
            credit={"kind": "rollouts", "estimator": "probability_weighted"},
            optimisation={"deepspeed": "zero3"},
        ),
        "policies.ppo.optimisation",
        ["probability_weighted weighs", "zero3 splits: use zero2 or none"],
    ),
    (
        "offload without DeepSpeed",
        lambda config: config["policies"]["ppo"].update(optimisation={"offload": True}),
        "policies.ppo.optimisation.offload",
        ["choose deepspeed: zero2 or zero3"],
    ),
    (
        "endings for an estimator of texts",
        lambda config: config["policies"]["ppo"].update(
            rewards=None, credit={"kind": "rollouts", "estimator": "similarity", "endings": True}
        ),
        "policies.ppo.credit.endings",
        ["choose estimator: mean"],
    ),
    (
        "a unit of another term",
        lambda config: config["policies"]["ppo"].update(kl_in="reward", kl_unit="sequence_as_published"),
        "policies.ppo.kl_unit",
        ["is of the loss"],
    ),
    (
        "kind of credit",
        put("policies.ppo.credit", {"kind": "rolouts"}),
        "policies.ppo.credit.kind",
        ["'rolouts' is not allowed", "did you mean 'rollouts'?"],
    ),
    ("credit without kind", put("policies.ppo.credit", {"lam": 1}), "policies.ppo.credit.kind", ["missing", "critic"]),
    (
        "key of credit",
        put("policies.ppo.credit", {"kind": "critic", "lamm": 1}),
        "policies.ppo.credit.lamm",
        ["did you mean 'lam'?"],
    ),
    (
        "key of another credit",
        put("policies.ppo.credit", {"kind": "group_relative", "gamma": 1}),
        "policies.ppo.credit.gamma",
        ["unknown key 'gamma'"],
    ),
    (
        "number of rollouts",
        put("policies.ppo.credit", {"kind": "rollouts", "rollouts": 0}),
        "policies.ppo.credit.rollouts",
        ["greater than 0, got 0"],
    ),
    (
        "budget below the first round",
        lambda config: config["policies"]["ppo"].update(
            credit={"kind": "rollouts", "rollouts": 2, "adaptive": {"first": 3}}, rewards=None
        ),
        "policies.ppo.credit.adaptive",
        ["the 2 rollouts must lie between first (3) and most (24)"],
    ),
    ("text for credit", put("policies.ppo.credit", "critic"), "policies.ppo.credit", ["'critic'"]),
]


@pytest.mark.parametrize(("edit", "location", "words"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN])
def test_what_does_not_go_together_is_one_line(edit, location, words, tmp_path, capsys):
    file = write(tmp_path / "study.yaml", edited(edit))
    assert main(["check", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1, err
    assert err.startswith(f"{file}: {location}") and all(word in err for word in words), err
