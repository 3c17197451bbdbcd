"""Broken studies: one line for one fault, at its place, with what is allowed; exit code 1 and no traceback."""

import math

import pytest
from study_files import SMALL, drop, edited, put, rename, write

from stepladder.study.__main__ import main

LONG = "x" * 500
ROW = "tables.main.rows"
LAST = f"line {len(SMALL.splitlines()) + 1}: "

# (what is wrong, the change to the small study, where the line says it is, what else it says)
BROKEN_KEYS = [
    ("typo in setting", rename("seeds", "sedes"), "sedes", ["unknown key 'sedes'", "did you mean 'seeds'?"]),
    ("typo in stage", rename("policies", "polices"), "polices", ["unknown key", "did you mean 'policies'?"]),
    ("typo in key", put("labels.rollouts.rolouts", 4), "labels.rollouts.rolouts", ["did you mean 'rollouts'?"]),
    ("typo in required key", rename("policies.sft.from", "form"), "policies.sft.form", ["did you mean 'from'?"]),
    ("typo in only key", rename("rewards.wrs.scores", "score"), "rewards.wrs.score", ["did you mean 'scores'?"]),
    ("key of another method", put("policies.dpo.clip", 0.2), "policies.dpo.clip", ["unknown key 'clip'"]),
    ("unknown key", put("scores.samples.zzz", 1), "scores.samples.zzz", ["unknown key", "allowed: prm, trajectories"]),
    ("nested key", put("policies.sft.optimisation.lr", 1), "policies.sft.optimisation.lr", ["unknown key 'lr'"]),
    (
        "nested typo",
        put("policies.sft.optimisation.learning_rat", 1),
        "policies.sft.optimisation.learning_rat",
        ["did you mean 'learning_rate'?"],
    ),
    ("key of shape", put("rewards.wrs.shape", {"lambda": 8}), "rewards.wrs.shape.lambda", ["unknown key 'lambda'"]),
    (
        "key of difficulty",
        put("questions.six.difficulty", {"operation": 2}),
        "questions.six.difficulty.operation",
        ["did you mean 'operations'?"],
    ),
    ("key of a row", put(f"{ROW}.1.evaluatoin", "sft"), f"{ROW}.1.evaluatoin", ["did you mean 'evaluation'?"]),
    ("key of scale", put("scale", {"overide": {}}), "scale.overide", ["did you mean 'override'?"]),
    ("kind of work", put("scale.resources.trian", {}), "scale.resources.trian", ["did you mean 'train'?"]),
    (
        "key of resources",
        put("scale.resources.train", {"memory": 1}),
        "scale.resources.train.memory",
        ["allowed:", "mem_mb"],
    ),
    ("number as setting", lambda config: config.update({3: 1}), "3", ["unknown key '3'"]),
    (
        "number as key",
        lambda config: config["labels"]["rollouts"].update({5: 1}),
        "labels.rollouts.5",
        ["must be text"],
    ),
]

BROKEN_NAMES = [
    ("number as node", lambda config: config["rewards"].update({5: {}}), "rewards.5", ["name", "letters"]),
    ("true as node", lambda config: config["rewards"].update({True: {}}), "rewards.True", ["name", "letters"]),
    ("slash in node", put("models.a/b", {"source": "new"}), "models.a/b", ["letters, digits and '_'"]),
    ("blank node", put("models.", {"source": "new"}), "models.", ["letters, digits and '_'"]),
    ("line end in node", put("models.a\nb", {"source": "new"}), "models.a b", ["letters, digits and '_'"]),
    ("digit first in node", put("models.2b", {"source": "new"}), "models.2b", ["starts with a letter"]),
    ("foreign letter", put("models.größe", {"source": "new"}), "models.größe", ["letters"]),
    ("unknown policy", put("policies.sft.from", "bse"), "policies.sft.from", ["no node 'bse'", "did you mean 'base'?"]),
    ("unknown in list", put("policies.dpo.pairs", ["outcom"]), "policies.dpo.pairs.0", ["did you mean 'outcome'?"]),
    ("unknown PRM", put(f"{ROW}.1.prm", "zzz"), f"{ROW}.1.prm", ["no node 'zzz' in prms", "allowed: bce, rank"]),
    ("unknown evaluation", put(f"{ROW}.2.evaluation", "dop"), f"{ROW}.2.evaluation", ["did you mean 'dpo'?"]),
    ("name of another stage", put("labels.rollouts.policy", "six"), "labels.rollouts.policy", ["in policies"]),
    ("removed stage", drop("models"), "policies.base.model", ["no node 'tiny' in models", "the study has no models"]),
    ("itself", put("policies.dpo.from", "dpo"), "policies.dpo", ["in a circle: policies.dpo -> policies.dpo"]),
    ("circle", put("policies.sft.from", "dpo"), "policies.", ["circle: ", "policies.sft -> policies.dpo", "->"]),
    ("unknown split", put("trajectories.samples.split", "rll"), "trajectories.samples.split", ["did you mean 'rl'?"]),
    ("split of nothing", put("evaluations.ppo.split", "dev"), "evaluations.ppo.split", ["allowed: rl, sft, test"]),
    ("unknown method", put("policies.dpo.method", "dpoo"), "policies.dpo.method", ["'dpoo'", "did you mean 'dpo'?"]),
    ("unknown source", put("models.tiny.source", "disk"), "models.tiny.source", ["allowed: hub, local, new"]),
    (
        "missing method",
        drop("policies.dpo.method"),
        "policies.dpo.method",
        ["missing", "pretrain, sft, dpo, restem, select, ppo"],
    ),
    ("number as method", put("policies.dpo.method", 3), "policies.dpo.method", ["3 is not allowed", "dpo"]),
    ("list as method", put("policies.dpo.method", ["dpo"]), "policies.dpo.method", ["['dpo'] is not allowed"]),
    ("override of unknown stage", put("scale.override.prm", {}), "scale.override.prm", ["did you mean 'prms'?"]),
    (
        "override of unknown method",
        put("scale.override.policies.pppo", {}),
        "scale.override.policies.pppo",
        ["unknown method", "did you mean 'ppo'?"],
    ),
    ("override of one number", put("scale.override.policies.ppo", 3), "scale.override.policies.ppo", ["mapping"]),
    (
        "override of unknown key, for two nodes",
        put("scale.override.prms.per_step.zetta", 3),
        "scale.override.prms.per_step.zetta",
        ["did you mean 'zeta'?"],
    ),
    (
        "override of one method",
        put("scale.override.policies.ppo", {"optimisation": {"batch_size": -1}}),
        "scale.override.policies.ppo.optimisation.batch_size",
        ["greater than 0, got -1"],
    ),
]

BROKEN_VALUES = [
    ("rank loss on shares", put("prms.rank.target", "soft"), "prms.rank.target", ["threshold or hard"]),
    ("other reference", put("pairs.outcome.reference", "base"), "policies.dpo.pairs.0", ["reference 'base'", "'sft'"]),
    ("live metrics into a file", put("live", True), "live", ["of an MLflow server"]),
    ("missing study", drop("study"), "study", ["missing"]),
    ("null study", put("study", None), "study", ["missing"]),
    ("study with blank", put("study", "my study"), "study", ["must match", "'my study'"]),
    ("missing key", drop("pairs.outcome.reference"), "pairs.outcome.reference", ["missing and has no default"]),
    ("missing rows", drop("tables.main.rows"), "tables.main.rows", ["missing"]),
    (
        "text for number",
        put("labels.rollouts.rollouts", "many"),
        "labels.rollouts.rollouts",
        ["whole number", "'many'"],
    ),
    ("fraction for number", put("labels.rollouts.rollouts", 3.7), "labels.rollouts.rollouts", ["whole number", "3.7"]),
    ("true for number", put("labels.rollouts.rollouts", True), "labels.rollouts.rollouts", ["number, got true"]),
    ("true for fraction", put("labels.rollouts.top_p", True), "labels.rollouts.top_p", ["number, got true"]),
    ("list for number", put("labels.rollouts.rollouts", [4]), "labels.rollouts.rollouts", ["whole number", "[4]"]),
    ("negative size", put("models.tiny.hidden_size", -3), "models.tiny.hidden_size", ["greater than 0, got -3"]),
    ("zero samples", put("trajectories.samples.samples", 0), "trajectories.samples.samples", ["greater than 0, got 0"]),
    ("too small", put("models.tiny.vocab_size", 100), "models.tiny.vocab_size", ["at least 512, got 100"]),
    ("no share", put("labels.rollouts.top_p", 1.5), "labels.rollouts.top_p", ["at most 1, got 1.5"]),
    ("NaN", put("policies.dpo.beta", math.nan), "policies.dpo.beta", ["got nan"]),
    ("infinite", put("policies.dpo.beta", math.inf), "policies.dpo.beta", ["finite number", "got inf"]),
    ("infinite below", put("prms.bce.zeta", -math.inf), "prms.bce.zeta", ["got -inf"]),
    ("number for name", put("policies.sft.from", 3), "policies.sft.from", ["must be text", "got 3"]),
    ("number for truth", put("prms.bce.double_count", 7), "prms.bce.double_count", ["true or false, got 7"]),
    ("one of few", put("prms.bce.loss", "rnak"), "prms.bce.loss", ["'rnak' is not allowed", "did you mean 'rank'?"]),
    ("one of few, far off", put("prms.bce.loss", "huber"), "prms.bce.loss", ["allowed: ablated_rank, bce,"]),
    ("unknown data set", put("questions.six.sets", ["qqq"]), "questions.six.sets.0", ["did you mean 'qqa'?"]),
    ("no data set", put("questions.six.sets", []), "questions.six.sets", ["at least 1"]),
    ("set of no world", put("questions.six.sets", ["gsm8k", "qqa"]), "questions.six.sets", ["has no gsm8k; it has aw"]),
    ("data set twice", put("questions.six.sets", ["qqa", "qqa"]), "questions.six.sets", ["'qqa' is named twice"]),
    ("scalar for list", put("policies.dpo.pairs", "outcome"), "policies.dpo.pairs", ["must be a list", "'outcome'"]),
    ("one beta", put("policies.sft.optimisation.betas", [0.9]), "policies.sft.optimisation.betas.1", ["missing"]),
    ("long value", put("labels.rollouts.rollouts", LONG), "labels.rollouts.rollouts", ["xxx..."]),
    ("list for node", put("rewards.wrs", ["samples"]), "rewards.wrs", ["mapping of keys, got ['"]),
    ("text for node", put("rewards.wrs", "samples"), "rewards.wrs", ["mapping of keys, got 'samples'"]),
    ("list for stage", put("rewards", ["wrs"]), "rewards", ["mapping of names to nodes, got ['"]),
    ("list for nested", put("rewards.wrs.shape", ["weibull"]), "rewards.wrs.shape", ["mapping of keys", "weibull"]),
    ("null for row", put(f"{ROW}.2", None), f"{ROW}.2", ["mapping of keys, got null"]),
    ("seeds twice", put("seeds", [0, 1, 0]), "seeds", ["0 is named twice"]),
    ("negative seed", put("seeds", [0, -1]), "seeds.1", ["at least 0, got -1"]),
    ("no seeds", put("seeds", []), "seeds", ["at least 1"]),
    ("zero seeds", put("seeds", 0), "seeds", ["above 0, got 0"]),
    ("seeds in words", put("seeds", "three"), "seeds", ["must be a list", "'three'"]),
    ("true for seeds", put("seeds", True), "seeds", ["must be a list, got true"]),
    ("step style", put("step_style", "lines"), "step_style", ["did you mean 'line'?"]),
    ("scale in words", put("scale", "cpu"), "scale", ["must be a mapping of keys, got 'cpu'"]),
    ("negative memory", put("scale.resources.train", {"mem_mb": -1}), "scale.resources.train.mem_mb", ["got -1"]),
    (
        "bad repository",
        put("models.tiny", {"source": "hub", "repository": "gpt2"}),
        "models.tiny.repository",
        ["owner/name"],
    ),
    (
        "path as folder",
        put("models.tiny", {"source": "local", "folder": "../x"}),
        "models.tiny.folder",
        ["must match", "../x"],
    ),
    (
        "missing checkpoint",
        put("models.tiny", {"source": "local", "folder": "nowhere"}),
        "models.tiny.folder",
        ["no checkpoint", "models_dir"],
    ),
    (
        "order",
        put("evaluations.sft.option_order", "random"),
        "evaluations.sft.option_order",
        ["allowed: as_given, rev"],
    ),
    ("missing reported", put("tables.main.reported", "pspoo"), "tables.main.reported", ["no file", "pspoo.csv"]),
    ("reported row alone", put(f"{ROW}.0.reported", "SFT"), f"{ROW}.0.reported", ["no file of reported numbers"]),
    ("row label twice", put(f"{ROW}.2.label", "SFT"), "tables.main.rows", ["two rows are labelled 'SFT'"]),
    ("baseline", put("tables.main.baseline", "SFTT"), "tables.main.baseline", ["did you mean 'SFT'?"]),
    ("PRM not scored", put(f"{ROW}.1.prm", "rank"), f"{ROW}.1.prm", ["evaluations.sft", "prms.rank", "add it"]),
    ("too many samples", put(f"{ROW}.1.n", 9), f"{ROW}.1.n", ["9 samples", "has 4"]),
    ("choice without PRM", put(f"{ROW}.0.answer", "best_of_n"), f"{ROW}.0.prm", ["must name it"]),
    (
        "muon with ZeRO",
        put("policies.dpo.optimisation", {"optimizer": "muon", "deepspeed": "zero2"}),
        "policies.dpo.optimisation.deepspeed",
        ["muon", "adamw"],
    ),
    ("overlap of no split", put("questions.six.allow_overlap", ["sft/dev"]), "questions.six.allow_overlap", ["'a/b'"]),
    (
        "overlap of one",
        put("questions.six.allow_overlap", ["sft"]),
        "questions.six.allow_overlap",
        ["its splits: rl, sft, test"],
    ),
    ("endless share", put("questions.six.splits.sft", 0.5), "questions.six.splits", ["whole number of questions"]),
]

# (what is wrong, the file as it stands on disk, what its one line says)
BROKEN_FILES = [
    ("syntax", "study: [a\nseeds: 1\n", ["line 2", "not YAML"]),
    ("tab", "study: a\nscale:\n\tname: cpu\n", ["line 3", "not YAML", "\\t"]),
    ("indentation", "study: a\n seeds: 1\n", ["line 2", "not YAML"]),
    ("binary", bytes(range(128, 256)), ["UTF-8"]),
    ("control characters", "study: a\x00b\n", ["not YAML"]),
    ("empty", "", ["mapping of keys", "nothing"]),
    ("comment alone", "# nothing here\n", ["mapping of keys", "nothing"]),
    ("list", "- study: a\n", ["mapping of keys", "[{'study': 'a'}]"]),
    ("text", "quickstart\n", ["mapping of keys", "'quickstart'"]),
    ("setting twice", SMALL + "study: again\n", [LAST, "'study' is given twice"]),
    ("node twice", SMALL.replace("  rank: {", "  bce: {"), ["line 21", "'bce' is given twice"]),
    ("key twice", SMALL.replace("{source: new}", "{source: new, source: hub}"), ["line 7", "'source' is given twice"]),
    ("list as key", SMALL + "? [a, b]\n: 1\n", [LAST, "plain word"]),
    ("mapping as key", SMALL + "results: {{data}}\n", [LAST, "plain word"]),
    ("itself", SMALL + "scale: &scale {override: *scale}\n", [LAST, "recursive"]),
    ("unknown anchor", SMALL + "scale: *cpu\n", [LAST, "undefined alias"]),
    ("foreign object", SMALL + "results: !!python/object:os.system {}\n", [LAST, "not YAML"]),
    ("impossible date", SMALL + "results: 2020-13-45\n", ["not YAML", "month"]),
    ("date", SMALL + "results: 2020-12-24\n", ["results: must be text", "date(2020, 12, 24)"]),
    ("two documents", SMALL + "---\nstudy: b\n", [LAST, "document"]),
    ("deep", "a: " + "[" * 1500, ["not YAML"]),
]


def _one_line(capsys) -> str:
    """The one line on stderr after a check that found one fault."""
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert len(err) < 500
    return err.removesuffix("\n")


@pytest.mark.parametrize(
    ("edit", "location", "words"),
    [pytest.param(*case[1:], id=case[0]) for case in BROKEN_KEYS + BROKEN_NAMES + BROKEN_VALUES],
)
def test_one_fault_is_one_line(edit, location, words, tmp_path, capsys):
    file = write(tmp_path / "study.yaml", edited(edit))
    assert main(["check", str(file)]) == 1
    line = _one_line(capsys)
    assert line.startswith(f"{file}: {location}")
    message = line.removeprefix(f"{file}: ")
    assert all(word in message for word in words), line


@pytest.mark.parametrize(("content", "words"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN_FILES])
def test_one_line_for_a_file_that_cannot_be_read(content, words, tmp_path, capsys):
    file = write(tmp_path / "study.yaml", content)
    assert main(["check", str(file)]) == 1
    line = _one_line(capsys)
    assert line.startswith(f"{file}: ")
    assert all(word in line for word in words), line


def test_several_faults_are_told_in_one_go(tmp_path, capsys):
    broken = edited(
        put("seedz", 1),
        put("step_style", "zigzag"),
        put("labels.rollouts.rolouts", 4),
        put("prms.bce.zeta", -1),
        put("rewards.wrs", 3),
        put("trajectories.samples.split", "rll"),
        put("tables.main.baseline", "SFTT"),
        put("questions.six.allow_overlap", ["a"]),
    )
    file = write(tmp_path / "study.yaml", broken)
    assert main(["check", str(file)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert sorted(line.split(": ")[1] for line in lines) == [
        "labels.rollouts.rolouts",
        "prms.bce.zeta",
        "questions.six.allow_overlap",
        "rewards.wrs",
        "seedz",
        "step_style",
        "tables.main.baseline",
        "trajectories.samples.split",
    ]


def test_unknown_names_and_circles_are_told_beside_other_faults(tmp_path, capsys):
    broken = edited(
        put("policies.sft.from", "dpo"),
        put("scores.samples.prm", "bcee"),
        put("evaluations.ppo.prms", ["zzz"]),
        put("pairs.outcome.margin", -1),
    )
    file = write(tmp_path / "study.yaml", broken)
    assert main(["check", str(file)]) == 1
    lines = capsys.readouterr().err.splitlines()
    places = [line.split(": ")[1] for line in lines]
    assert places[:3] == ["pairs.outcome.margin", "scores.samples.prm", "evaluations.ppo.prms.0"]
    assert "in a circle: " in lines[3] and len(lines) == 4


def test_every_name_given_twice_is_told(tmp_path, capsys):
    file = write(tmp_path / "study.yaml", "study: a\nstudy: b\nmodels:\n  m: {source: new}\n  m: {source: hub}\n")
    other = write(tmp_path / "other.yaml", "seeds: [\n")
    assert main(["check", str(file), str(other)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        [str(file), "line 2"],
        [str(file), "line 5"],
        [str(other), "line 2"],
    ]


@pytest.mark.parametrize(
    ("splits", "fault"),
    [
        ({"train": 0.8, "test": 0.2}, None),
        ({"train": 300, "test": 50}, None),
        ({"train": 0.8, "test": 0.3}, "add up to 1.1"),
        ({"train": 0.8, "test": 50}, "or every split a share below 1"),
        ({"train": 50.5}, "whole number of questions"),
    ],
)
def test_splits_of_local_sets_are_numbers_or_shares(splits, fault, tmp_path, capsys, root):
    study = {"study": "a", "questions": {"q": {"source": "hub", "sets": ["qqa"], "splits": splits}}}
    file = write(tmp_path / "study.yaml", study)
    assert main(["check", str(file)]) == (0 if fault is None else 1)
    assert fault is None or fault in _one_line(capsys)
