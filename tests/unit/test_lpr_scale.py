"""The published scale of LPR's study: its hyper-parameters, and published rows that exist."""

import pytest

from stepladder.report.reported import read_reported
from stepladder.study.graph import build
from stepladder.study.load import Sources


@pytest.fixture(params=[[], ["config/overlays/logiqa.yaml"]], ids=["alone", "with the layer of LogiQA"])
def study(request, root, real_data):
    files = ["config/studies/lpr.yaml", *request.param, "config/scale/7b_lpr.yaml"]
    sources = Sources([root / file for file in files])
    return build(sources.merged() | {"data_dir": str(real_data)}, sources)


def test_samples_states_and_counts_are_as_published(study):
    samples, labels, prm = (
        study.spec(*key) for key in (("trajectories", "samples"), ("labels", "counts"), ("prms", "classes"))
    )
    assert (samples.samples, samples.temperature, samples.max_tokens) == (10, 0.8, 2048)
    assert (labels.rollouts, labels.temperature, labels.top_p, labels.max_tokens) == (3, 0.7, 0.8, 2048)
    assert (labels.states.start, labels.states.share, labels.states.end) == (0.2, 0.3, 1.0)
    assert (prm.trials, prm.good, prm.loss) == (3, (2, 3), "classes")
    assert (prm.optimisation.learning_rate, prm.optimisation.batch_size, prm.optimisation.epochs) == (1e-6, 64, 2)


def test_pairs_and_preferences_are_as_published(study):
    outcome, process = study.spec("pairs", "outcome"), study.spec("pairs", "process")
    assert (outcome.best, outcome.hardest, process.best, process.margin) == (10, 10, 10, 0.5)
    published = study.spec("rewards", study.spec("pairs", "process_classes").rewards)
    assert (published.accumulate, study.spec("scores", published.scores).prm) == ("product", "classes")
    for name in study.names("policies", "dpo"):
        spec = study.spec("policies", name)
        launch = spec.optimisation
        assert (spec.beta, spec.label_smoothing) == (0.1, 0), name
        assert (launch.learning_rate, launch.batch_size, launch.epochs) == (2e-6, 64, 2), name
        assert (launch.betas, launch.weight_decay, launch.clip_norm) == ((0.9, 0.95), 0.01, 1), name


def test_on_policy_terms_are_as_published(study):
    grpo, ppo = study.spec("policies", "process_grpo"), study.spec("policies", "process_ppo")
    assert (grpo.samples, grpo.kl_coefficient, grpo.kl_estimator, grpo.kl_in) == (8, 0.04, "k3", "loss")
    assert (ppo.kl_coefficient, ppo.kl_in, ppo.credit.lam, ppo.credit.gamma) == (0.1, "reward", 0.95, 1)
    assert (grpo.optimisation.learning_rate, ppo.credit.learning_rate) == (5e-7, 5e-7)
    assert (grpo.optimisation.batch_size, grpo.top_p, ppo.top_p, ppo.epochs, ppo.whiten) == (64, 0.8, 0.8, 2, "none")


def test_published_rows_exist(study, root):
    reported = read_reported(root / "config/reported/lpr.csv")
    named = [row.reported for row in study.spec("tables", "main").rows if row.reported]
    assert len(named) == 4 and set(named) <= set(reported)


@pytest.mark.parametrize("scale", ["7b", "cpu"])
def test_other_scales_leave_each_preference_its_own_beta(root, scale):
    sources = Sources([root / "config/studies/lpr.yaml", root / f"config/scale/{scale}.yaml"])
    study = build(sources.merged(), sources)
    found = {name: study.spec("policies", name).beta for name in ("dpo", "ipo", "ipo_beta_2", "ipo_as_published")}
    assert found == {"dpo": 0.3, "ipo": 0.1, "ipo_beta_2": 2.0, "ipo_as_published": 0.1}
