"""Right studies: one line, or for the shipped ones none, at every scale."""

from pathlib import Path

import pytest
from study_files import SMALL, write

from stepladder.study.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


def test_a_right_study_is_one_line(tmp_path, capsys):
    assert main(["check", str(write(tmp_path / "study.yaml", SMALL))]) == 0
    out, err = capsys.readouterr()
    # Questions and tables are made once, the others for both seeds.
    assert (out, err) == ("small: 18 nodes, 34 jobs\n", "")


def test_the_quickstart_is_right(root, capsys):
    assert main(["check", str(root / "config" / "config.yaml")]) == 0
    assert capsys.readouterr().err == ""


def pairs_of(studies: list[str], scales: list[str]) -> list[tuple[str, str]]:
    """Every study with every scale that is meant for it: `7b_pqm` is for pqm alone."""
    return [(study, scale) for study in studies for scale in scales if scale.partition("_")[2] in ("", study)]


@pytest.mark.parametrize(
    ("study", "scale"),
    pairs_of(*(sorted(path.stem for path in (ROOT / "config" / kind).glob("*.yaml")) for kind in ("studies", "scale"))),
)
def test_every_shipped_study_is_right_at_every_scale(study, scale, root, real_data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(root)
    data = write(tmp_path / "data.yaml", {"data_dir": str(real_data)})
    assert main(["check", f"config/studies/{study}.yaml", f"config/scale/{scale}.yaml", str(data)]) == 0
    assert capsys.readouterr().err == ""
