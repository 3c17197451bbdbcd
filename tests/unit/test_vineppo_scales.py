"""The published scales of VinePPO's study: its hyper-parameters, and published rows that exist."""

import pytest

from stepladder.report.reported import read_reported
from stepladder.study.graph import build
from stepladder.study.load import Sources

MODELS = {"rho1b": ("Rho-1.1B", 4), "deepseekmath7b": ("DeepSeekMath-7B", 8)}

# Of Rho-1.1B alone: ProbPPO's code makes four times as many updates of an iteration as VinePPO's.
AS_PROBPPO = ("probppo_as_coded_16", "probppo_similarity_16")


@pytest.fixture(params=MODELS)
def scaled(request, root, real_data):
    sources = Sources([root / "config/studies/vineppo.yaml", root / f"config/scale/{request.param}_vineppo.yaml"])
    merged = sources.merged() | {"data_dir": str(real_data)}
    return request.param, build(merged, sources)


def test_on_policy_methods_are_as_published(scaled):
    name, study = scaled
    _, gpus = MODELS[name]
    assert study.settings.step_style == "gsm8k" and study.spec("questions", "world").sets == ("gsm8k", "math500")
    for each in study.names("policies", "ppo"):
        spec = study.spec("policies", each)
        assert (spec.iterations, spec.token_budget, spec.questions_per_iteration, spec.samples) == (650, None, 64, 8)
        assert (spec.epochs, spec.clip, spec.kl_coefficient, spec.kl_estimator) == (2, 0.2, 1e-4, "k3")
        assert (spec.kl_in, spec.kl_unit) == ("loss", "sequence_as_published")
        assert (spec.temperature, spec.top_p, spec.max_tokens) == (0.6, 0.9, 1024)
        launch = spec.optimisation
        batch = 16 if each in AS_PROBPPO else 64
        assert (launch.learning_rate, launch.batch_size, launch.processes) == (1e-6, batch, gpus)
        assert (launch.warmup, launch.decay, launch.schedule, launch.weight_decay) == (0.03, 1, "linear", 0)
    offloaded = [each for each in study.names("policies", "ppo") if study.spec("policies", each).optimisation.offload]
    assert offloaded == (["ppo"] if name == "deepseekmath7b" else [])
    assert study.spec("policies", "ppo").credit.lam == 1 and study.spec("policies", "ppo").whiten == "full"
    for each in ("vineppo_9", "probppo_as_claimed", "probppo_as_coded", "probppo_similarity"):
        spec = study.spec("policies", each)
        assert (spec.credit.rollouts, spec.whiten) == (9, "full"), each


def test_probppos_rows_differ_from_the_others_by_the_size_of_a_batch_alone(scaled):
    name, study = scaled
    there = [each for each in study.names("policies", "ppo") if each in AS_PROBPPO]
    assert there == (list(AS_PROBPPO) if name == "rho1b" else [])
    for each in there:
        found, like = (study.spec("policies", other) for other in (each, each.removesuffix("_16")))
        same = found.optimisation.model_copy(update={"batch_size": 64})
        assert found.model_copy(update={"optimisation": same}) == like
        assert study.spec("evaluations", each) == study.spec("evaluations", each.removesuffix("_16")).model_copy(
            update={"policy": each}
        )
    published = {row.evaluation for row in study.spec("tables", "published").rows}
    assert set(there) == {each for each in published if each.startswith("probppo")}


def test_offline_methods_are_as_published(scaled):
    _, study = scaled
    dpo, pairs = study.spec("policies", "dpo_positive"), study.spec("pairs", "outcome")
    assert (dpo.positive_weight, dpo.beta, dpo.optimisation.epochs, pairs.per_question) == (50, 0.3, 3, 64)
    assert study.spec("trajectories", "samples").samples == 64
    assert dpo.optimisation.batch_size == study.spec("prms", "unread").optimisation.batch_size == 64
    for each in ("restem_1", "restem_2"):
        spec = study.spec("policies", each)
        assert (spec.temperature, spec.optimisation.batch_size) == (0.6, 64)
        assert (spec.start, spec.mean_over, spec.per_question, spec.optimisation.epochs) == ("sft", "answers", 10, 8)
    assert study.spec("policies", "restem").rule == "first_fall"
    evaluation = study.spec("evaluations", "vineppo_9")
    assert (evaluation.samples, evaluation.temperature, evaluation.top_p) == (16, 0.35, 0.9)


def test_published_rows_stand_beside_those_of_the_same_model(scaled, root):
    name, study = scaled
    reported = read_reported(root / "config/reported/vineppo.csv")
    rows = [row.reported for row in study.spec("tables", "published").rows]
    assert all(row in reported and row.startswith(MODELS[name][0]) for row in rows)


def test_reported_numbers_name_their_sources(root):
    rows = read_reported(root / "config/reported/vineppo.csv")
    assert rows["Rho-1.1B VinePPO K 9"].values == {"gsm8k": 53.4, "math500": 23.0}
    assert rows["DeepSeekMath-7B PPO"].values == {"gsm8k": 78.9, "math500": 42.8}
    assert all(row.source and "memory" not in row.source for row in rows.values())
