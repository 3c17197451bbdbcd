"""Snakemake itself says the same one line for a broken study, before any job starts."""

import os
import subprocess
import sys

import pytest
from study_files import SMALL, edited, put, rename, write

BROKEN = [
    (
        "typo",
        edited(rename("labels.rollouts.policy", "polcy")),
        ["labels.rollouts.polcy: unknown key 'polcy'; did you mean 'policy'?"],
    ),
    (
        "unknown node",
        edited(put("policies.sft.from", "bse")),
        ["policies.sft.from: no node 'bse' in policies; did you mean 'base'?"],
    ),
    (
        "circle",
        edited(put("policies.dpo.from", "dpo")),
        ["policies.dpo: nodes are made from each other in a circle: policies.dpo -> policies.dpo"],
    ),
    ("name twice", SMALL + "seeds: 1\n", ["line 42: the name 'seeds' is given twice; rename or remove one"]),
    (
        "two faults",
        edited(put("seeds", [0, 0]), put("prms.rank.zeta", -4)),
        ["seeds: 0 is named twice", "prms.rank.zeta: must be at least 0, got -4"],
    ),
]


def _dry_run(root, folder, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all", "--nolock"]
    command += ["--snakefile", str(root / "Snakefile"), *arguments]
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("study", "faults"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN])
def test_snakemake_tells_the_faults_and_stops(study, faults, root, tmp_path):
    file = write(tmp_path / "study.yaml", study)
    done = _dry_run(root, tmp_path, "--configfile", str(file))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"{file}: {fault}" for fault in faults]


def test_snakemake_tells_faults_of_overlays_and_of_the_command_line(root, tmp_path):
    study = write(tmp_path / "study.yaml", SMALL)
    scale = write(tmp_path / "scale.yaml", {"scale": {"override": {"prms": {"per_step": {"zetta": 1}}}}})
    done = _dry_run(root, tmp_path, "--configfile", str(study), str(scale), "--config", "sedes=3")
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if not line.startswith("Config file")]
    assert told == [
        "--config: sedes: unknown key 'sedes'; did you mean 'seeds'?",
        f"{scale}: scale.override.prms.per_step.zetta: unknown key 'zetta'; did you mean 'zeta'?",
    ]
