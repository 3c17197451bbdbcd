"""Keys of planning-based reasoning: chosen states, kinds of steps, replay, rounds; one line for what does not fit."""

import pytest
import yaml
from study_files import SMALL, edited, put, study_of, write

from stepladder.study.__main__ import main

ROW = {"label": "votes", "evaluation": "sft", "answer": "weighted_majority", "n": 4, "prm": "bce", "accumulate": "sum"}
SAMPLED = {"method": "sampled", "policy": "elder", "questions": "six", "split": "rl"}
OTHER_MODEL = [
    put("models.other", {"source": "new"}),
    put("policies.elder", {"method": "pretrain", "model": "other"}),
    put("trajectories.older", SAMPLED),
    put("labels.older", {"method": "monte_carlo", "trajectories": "older", "policy": "elder"}),
    put("prms.bce.replay", {"labels": "older"}),
]
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
        "classes of other counts",
        put(
            "prms.counts",
            {
                "head": "last_token",
                "labels": "rollouts",
                "backbone": "sft",
                "trials": 7,
                "good": [7],
                "loss": "classes",
            },
        ),
        "prms.counts.trials",
        ["labels.rollouts count", "no classes of 7", "loss: counts"],
    ),
    (
        "replay of the same labels",
        put("prms.bce.replay", {"labels": "rollouts"}),
        "prms.bce.replay.labels",
        ["labels.rollouts are learnt from already"],
    ),
    (
        "replay of nothing",
        put("prms.bce.replay", {"labels": "older"}),
        "prms.bce.replay.labels",
        ["no node 'older' in labels"],
    ),
    (
        "replay in other token ids",
        lambda config: [edit(config) for edit in OTHER_MODEL],
        "prms.bce.replay.labels",
        ["labels.older are in the token ids of models.other", "labels.rollouts in those of models.tiny"],
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


# The small study with kinds of steps, and a second round: policy, trajectories, labels, PRM with replay, pairs, policy.
ROUND = """
step_style: react
trajectories:
  again: {method: sampled, policy: dpo, questions: six, split: rl, samples: 4}
labels:
  rollouts: {question_share: 0.1, states: {start: 0.2, share: 0.4, kinds: [Thought, Observation]}}
  again:
    {method: monte_carlo, trajectories: again, policy: dpo, question_share: 0.1, states: {share: 0.5, least_steps: 2}}
prms:
  bce: {target: posterior}
  again: {head: last_token, labels: again, backbone: dpo, replay: {labels: rollouts, share: 0.1}}
scores:
  again: {prm: again, trajectories: again}
rewards:
  again: {scores: again, accumulate: product, kinds: [Thought, Observation], shape: {kind: none}}
  outcome: {scores: again, process_weight: 0, outcome_weight: 1}
pairs:
  again_outcome: {kind: outcome, rewards: outcome, reference: dpo}
  again_process: {kind: process, rewards: again, reference: dpo, margin: 0.5, leave_out: again}
policies:
  again: {method: dpo, from: dpo, pairs: [again_outcome, again_process]}
  process_ppo: {method: ppo, from: again, questions: six, split: rl, rewards: again, kl_in: reward, kl_estimator: k1}
  process_grpo: {method: ppo, from: again, questions: six, split: rl, rewards: again}
evaluations:
  again: {method: sampled, policy: again, questions: six, split: test}
"""


def test_a_second_round_is_made_of_plain_nodes(tmp_path, capsys):
    study = write(tmp_path / "study.yaml", SMALL)
    rounds = yaml.safe_load(ROUND)
    rounds["policies"]["process_ppo"]["credit"] = {
        "kind": "critic",
        "gamma": 0.95,
        "lam": 1.0,
        "step_reward": "scores",
        "outcome_weight": 1.0,
    }
    rounds["policies"]["process_grpo"]["credit"] = {"kind": "process", "step_reward": "differences"}
    more = write(tmp_path / "round.yaml", rounds)
    assert main(["check", str(study), str(more)]) == 0
    assert capsys.readouterr() == ("small: 30 nodes, 58 jobs\n", "")
    found = study_of(study, more)
    root = "results/small/{}/{}/seed1/{}.parquet"
    assert found.inputs("prms", "again", 1)["replay"] == [
        root.format("labels", "rollouts", "labels"),
        root.format("trajectories", "samples", "trajectories"),
    ]
    assert found.inputs("prms", "bce", 1)["replay"] == []
    order = found.order
    chain = [
        ("policies", "sft"), ("trajectories", "samples"), ("labels", "rollouts"), ("prms", "bce"), ("pairs", "outcome"),
        ("policies", "dpo"), ("trajectories", "again"), ("labels", "again"), ("prms", "again"), ("scores", "again"),
        ("rewards", "again"), ("pairs", "again_process"), ("policies", "again"), ("policies", "process_ppo"),
    ]  # fmt: skip
    places = [order.index(key) for key in chain]
    assert places == sorted(places)
    # Older labels are among what the second PRM is made from: a change of them trains it anew.
    assert ("labels", "rollouts") in found.nodes["prms", "again"].above


HALVES = {
    "trajectories": {"other": {"method": "sampled", "policy": "sft", "questions": "six", "split": "sft"}},
    "labels": {"other": {"method": "monte_carlo", "trajectories": "other", "policy": "sft"}},
    "prms": {"other": {"head": "per_step", "labels": "other", "backbone": "sft"}},
    "scores": {
        "by_other": {"prm": "other", "trajectories": "samples"},
        "of_other": {"prm": "bce", "trajectories": "other"},
    },
    "rewards": {name: {"scores": name, "accumulate": "product"} for name in ("by_other", "of_other")},
    "pairs": {name: {"kind": "process", "rewards": name, "reference": "sft"} for name in ("by_other", "of_other")},
    "policies": {"crossed": {"method": "dpo", "from": "sft", "pairs": ["by_other", "of_other"]}},
}


def test_cross_fitting_is_made_of_plain_nodes(tmp_path, capsys):
    files = write(tmp_path / "study.yaml", SMALL), write(tmp_path / "halves.yaml", HALVES)
    assert main(["check", *map(str, files)]) == 0
    study = study_of(*files)
    for scores in ("by_other", "of_other"):
        prm = study.spec("prms", study.spec("scores", scores).prm)
        learnt = study.spec("labels", prm.labels).trajectories
        assert (
            study.spec("trajectories", learnt).split
            != study.spec("trajectories", study.spec("scores", scores).trajectories).split
        )
    assert capsys.readouterr().err == ""
