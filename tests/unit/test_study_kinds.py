"""Nodes of several kinds: what each demands, and which of them fit together; one line for each that does not."""

import pytest
from study_files import edited, put, study_from

from stepladder.study.faults import StudyFaults

SOLUTIONS = {"method": "solutions", "format": "stepwise", "source": "hub", "repository": "a/b", "parts": ["train"]}
SOLUTIONS |= {"tokenizer": "sft"}
PUBLISHED = {"method": "published", "trajectories": "others"}
POOL = {"method": "candidates", "format": "gsm8k", "source": "hub", "file": "example_model_solutions.jsonl"}
POOL |= {"questions": "six", "split": "test", "tokenizer": "sft"}
GIVEN = {"method": "given", "trajectories": "pool", "prms": ["bce"]}
STEPS = {
    "kind": "steps",
    "title": "Steps",
    "baseline": "a",
    "rows": [{"label": "a", "scores": "samples", "labels": "rollouts"}],
}
VALUES = {
    "kind": "values",
    "title": "Values",
    "baseline": "mean",
    "rows": [
        {"label": "mean", "rollouts": "many", "k": 6},
        {"label": "prm", "rollouts": "many", "scores": "samples"},
        {"label": "more", "rollouts": "cool"},
    ],
}
RANKING = VALUES | {"kind": "ranking", "rows": [{"label": "mean", "rollouts": "cool"}]}
POSITIONS = {"kind": "positions", "title": "Places", "baseline": "a", "rows": [{"label": "a", "evaluation": "sft"}]}
LENGTHS = {"kind": "lengths", "title": "Lengths", "baseline": "a", "rows": [{"label": "a", "rewards": "wrs"}]}
PAIR = {"head": "pair", "labels": "rollouts", "backbone": "tiny"}


def with_all(*edits):
    """The small study with one node of every other kind."""
    return edited(
        put("trajectories.others", dict(SOLUTIONS)),
        put("trajectories.pool", dict(POOL)),
        put("labels.others", dict(PUBLISHED)),
        put("models.encoder", {"source": "new", "architecture": "bert"}),
        put("prms.pair", PAIR | {"backbone": "encoder"}),
        put("prms.last_token", {"head": "last_token", "labels": "rollouts", "backbone": "sft"}),
        put("evaluations.pool", dict(GIVEN)),
        put("questions.free", {"source": "generated", "sets": ["sums"], "splits": {"test": 10}}),
        put("evaluations.free", {"method": "sampled", "policy": "sft", "questions": "free", "split": "test"}),
        put("tables.steps", STEPS | {"rows": [dict(row) for row in STEPS["rows"]]}),
        put("rollouts.cool", {"trajectories": "pool", "policy": "dpo", "temperature": 0.6, "alternatives": 5}),
        put("tables.values", VALUES | {"rows": [dict(row) for row in VALUES["rows"]]}),
        put("tables.ranking", RANKING | {"rows": [dict(row) for row in RANKING["rows"]]}),
        put("tables.positions", POSITIONS | {"rows": [dict(row) for row in POSITIONS["rows"]]}),
        put("tables.lengths", LENGTHS | {"rows": [dict(row) for row in LENGTHS["rows"]]}),
        *edits,
    )


def test_every_file_of_a_set_is_read_and_a_missing_one_named(tmp_path):
    local = SOLUTIONS | {"format": "prm800k", "source": "local", "files": ["there.jsonl", "gone.jsonl"], "parts": []}
    (tmp_path / "there.jsonl").touch()
    config = with_all(put("trajectories.others", local), put("data_dir", str(tmp_path)))
    with pytest.raises(StudyFaults) as caught:
        study_from(config)
    assert caught.value.lines == [
        f"--config: trajectories.others.files: no file gone.jsonl in data_dir {str(tmp_path)!r}; "
        "set data_dir or mend its name"
    ]
    (tmp_path / "gone.jsonl").touch()
    study = study_from(config)
    for stage in ("trajectories", "labels"):
        assert study.inputs(stage, "others", 0)["files"] == [f"{tmp_path}/there.jsonl", f"{tmp_path}/gone.jsonl"]


def test_every_kind_has_its_inputs():
    study = study_from(with_all())
    assert set(study.inputs("trajectories", "others", 0)) == {"tokenizer", "questions", "files"}
    assert study.inputs("trajectories", "pool", 0)["questions"] == ["results/small/questions/six/questions.parquet"]
    assert study.inputs("prms", "pair", 1)["backbone"] == "results/small/models/encoder/seed1/checkpoint"
    assert study.inputs("evaluations", "pool", 1)["questions"] == "results/small/questions/six/questions.parquet"
    assert study.inputs("tables", "steps", 0)["labels"] == [
        f"results/small/labels/rollouts/seed{seed}/labels.parquet" for seed in (0, 1)
    ]
    assert "results/small/tables/steps/reliability.png" in study.table_files()
    assert study.inputs("rollouts", "cool", 1) == {
        "policy": "results/small/policies/dpo/seed1/checkpoint",
        "trajectories": "results/small/trajectories/pool/seed1/trajectories.parquet",
        "questions": "results/small/questions/six/questions.parquet",
    }
    assert study.inputs("tables", "values", 0) == {
        "rollouts": [f"results/small/rollouts/{name}/seed{seed}/rollouts.parquet" for name in ("many", "cool")
                     for seed in (0, 1)],
        "scores": [f"results/small/scores/samples/seed{seed}/scores.parquet" for seed in (0, 1)],
    }  # fmt: skip
    assert list(study.inputs("tables", "ranking", 0)) == ["rollouts"]
    files = [file for file in study.table_files() if "/values/" in file or "/ranking/" in file]
    assert len(files) == 9 and "results/small/tables/values/by_step.png" in files


def test_the_tables_of_what_should_not_matter_have_their_inputs():
    study = study_from(with_all())
    answers = [f"results/small/evaluations/sft/seed{seed}/answers.parquet" for seed in (0, 1)]
    assert study.inputs("tables", "positions", 0)["answers"] == answers
    assert study.inputs("tables", "lengths", 0) == {
        "rewards": [f"results/small/rewards/wrs/seed{seed}/rewards.parquet" for seed in (0, 1)],
        "trajectories": [f"results/small/trajectories/samples/seed{seed}/trajectories.parquet" for seed in (0, 1)],
    }
    assert '"trajectories":["samples"]' in study.job("tables", "lengths")
    files = [file for file in study.table_files() if "/positions/" in file or "/lengths/" in file]
    assert len(files) == 9 and "results/small/tables/positions/recall.png" in files


@pytest.mark.parametrize(
    ("edit", "location", "words"),
    [
        (put("trajectories.others", SOLUTIONS | {"source": "local"}), "trajectories.others.files", "needs its files"),
        (put("trajectories.others", SOLUTIONS | {"repository": None}), "trajectories.others.repository", "trl-lib/"),
        (put("trajectories.others", SOLUTIONS | {"parts": []}), "trajectories.others.parts", "need their parts"),
        (
            put("trajectories.others", SOLUTIONS | {"parts": ["a", "b", "a"]}),
            "trajectories.others.parts",
            "named twice",
        ),
        (
            put("trajectories.others", SOLUTIONS | {"format": "human_steps"}),
            "trajectories.others.source",
            "take local files",
        ),
        (
            put("trajectories.others", SOLUTIONS | {"source": "local", "files": ["x", "../x"]}),
            "trajectories.others.files.1",
            "its place there",
        ),
        (put("labels.others.trajectories", "samples"), "labels.others.trajectories", "no published labels"),
        (
            put("labels.more", {"method": "monte_carlo", "trajectories": "others", "policy": "sft"}),
            "labels.more.trajectories",
            "no questions",
        ),
        (put("evaluations.pool.trajectories", "others"), "evaluations.pool.trajectories", "no questions"),
        (
            put("policies.own", {"method": "restem", "from": "sft", "trajectories": "pool"}),
            "policies.own.trajectories",
            "take a sampled node",
        ),
        (
            put("rollouts.more", {"trajectories": "others", "policy": "sft"}),
            "rollouts.more.trajectories",
            "no questions",
        ),
        (put("tables.values.rows.0.k", 7), "tables.values.rows.0.k", "leave 2 to judge by"),
        (
            put("tables.values.rows.0.adaptive", {"most": 7}),
            "tables.values.rows.0.adaptive.most",
            "reads 7 of 8 rollouts",
        ),
        (
            put("tables.values.rows.0.adaptive", {"first": 1, "most": 2}),
            "tables.values.rows.0.adaptive",
            "between first",
        ),
        (put("tables.values.rows.1.adaptive", {}), "tables.values.rows.1.adaptive", "a critic and scores read none"),
        (put("tables.values.rows.1.rollouts", "cool"), "tables.values.rows.1.scores", "take those of the same"),
        (put("tables.values.rows.2.k", 0), "tables.values.rows.2.k", "greater than 0"),
        (put("rollouts.cool.critic", True), "rollouts.cool.critic", "has no critic"),
        (put("tables.ranking.rows.0.critic", True), "tables.ranking.rows.0.critic", "do not ask a critic"),
        (put("rollouts.cool.alternatives", 0), "tables.ranking.rows.0.rollouts", "give them alternatives"),
        (put("tables.ranking.rows.0.scores", "samples"), "tables.ranking.rows.0.scores", "unknown key"),
        (put("tables.ranking.baseline", "none"), "tables.ranking.baseline", "no row is labelled"),
        (put("evaluations.free.option_order", "shuffled"), "evaluations.free.option_order", "take as_given"),
        (put("tables.positions.rows.0.evaluation", "pool"), "tables.positions.rows.0.evaluation", "no greedy answers"),
        (put("tables.positions.rows.0.evaluation", "free"), "tables.positions.rows.0.evaluation", "has options"),
        (put("tables.lengths.baseline", "b"), "tables.lengths.baseline", "no row is labelled"),
        (put("tables.lengths.rows.0.scores", "samples"), "tables.lengths.rows.0.scores", "unknown key"),
        (put("prms.pair.backbone", "tiny"), "prms.pair.backbone", "architecture: bert"),
        (put("prms.pair.optimisation", {"packed": True}), "prms.pair.optimisation", "read causally: take packed out"),
        (put("prms.last_token.good", [2, 4]), "prms.last_token.good", "above the 3 trials"),
        (put("prms.rank.target", "soft"), "prms.rank.target", "threshold or hard"),
        (put("tables.steps.rows.0.labels", "others"), "tables.steps.rows.0.labels", "take those of the same"),
        (put("tables.main.rows.0.evaluation", "pool"), "tables.main.rows.0.answer", "no greedy answers"),
        (
            put("tables.main.rows.0", {"label": "SFT", "evaluation": "pool", "answer": "majority", "n": 5}),
            "tables.main.rows.0.n",
            "has 4",
        ),
        (
            put("tables.main.rows.1.reference_prm", "oracle"),
            "tables.main.rows.1.prm",
            "must name it, or a reference_prm",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(edit, location, words):
    with pytest.raises(StudyFaults) as caught:
        study_from(with_all(edit))
    (line,) = caught.value.lines
    assert line.startswith(f"--config: {location}: ") and words in line
