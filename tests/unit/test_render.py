"""Formats of a table: what each holds, that it lines up and escapes, and that it comes out the same twice."""

import csv
import io
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_answers import ROWS, TABLE, write_study

from stepladder.report.answers import read_evaluated
from stepladder.report.layout import lay_out
from stepladder.report.render import render_csv, render_html, render_latex, render_markdown
from stepladder.report.reported import read_reported
from stepladder.report.tables import make_table
from stepladder.study.canonical import canonical_json


@pytest.fixture
def table(tmp_path, root):
    evaluated = read_evaluated(write_study(tmp_path))
    return make_table(TABLE, evaluated, read_reported(root / "config/reported/pspo.csv"), seed=3)


def test_csv_is_tidy_and_complete(table):
    rows = list(csv.DictReader(io.StringIO(render_csv(table.lines, table.seeds))))
    assert list(rows[0]) == [
        "row", "column", "mean", "low", "high", "difference", "difference_low", "difference_high", "seeds", "questions",
        "differs_from", "source",
    ]  # fmt: skip
    ours = [row for row in rows if row["source"].startswith("evaluations.")]
    assert len(ours) == len(ROWS) * 5 and len(rows) == len(ours) + 3
    dpo = {row["column"]: row for row in ours if row["row"] == "DPO_x & <co>"}
    assert (dpo["awpnli"]["mean"], dpo["awpnli"]["questions"], dpo["average"]["questions"]) == ("100.0000", "3", "5")
    assert (dpo["average"]["difference"], dpo["average"]["seeds"]) == ("37.5000", "2")
    assert dpo["flexible"]["difference"] == ""
    published = [row for row in rows if row["row"] == "PSPO-WRS (reported)"]
    assert all(row["source"].startswith("reported: PSPO README") and row["seeds"] == "" for row in published)


def test_markdown_lines_up(table):
    text = render_markdown(lay_out(table))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(table.lines) and len({len(line) for line in lines}) == 1
    assert re.sub(" +", " ", lines[0]) == "| method | AWPNLI | QQA | average | vs SFT | flexible | unparsable |"
    bars = [[i for i, char in enumerate(line) if char == "|"] for line in lines]
    assert all(places == bars[0] for places in bars)
    (dpo,) = (line for line in lines if line.startswith("| DPO"))
    assert re.search(r"\| +100\.0 \| +50\.0 \| 75\.0 \[[\d.]+, [\d.]+\] \| +\+37\.5 \[\+[\d.]+, \+[\d.]+\] \|", dpo)


def test_latex_and_html_escape_what_they_must(table):
    latex, page = render_latex(lay_out(table)), render_html(lay_out(table))
    assert r"DPO\_x \& <co> & 100.0 & 50.0" in latex
    body = latex[latex.index(r"\toprule") : latex.index(r"\bottomrule")]
    assert {line.count(" & ") for line in body.splitlines() if line.endswith(r"\\")} == {6}
    assert not re.search(r"(?<!\\)%", latex.split("\n", 2)[2])
    layout = replace(lay_out(table), rows=[["BoN@8 8-bit", "-2.5 [-3.1, +0.2]", "–"]], reported=[False])
    assert r"BoN@8 8-bit & $-$2.5 [$-$3.1, +0.2] & -- \\" in render_latex(layout)
    assert "DPO_x &amp; &lt;co&gt;" in page and "http" not in page
    assert page.count('<tr class="reported">') == 1 and page.count('<tr class="measured">') == len(ROWS)


def test_the_entry_point_writes_the_same_bytes_twice(tmp_path, root):
    paths = write_study(tmp_path)
    job = {"study": "tiny", "stage": "tables", "name": "main", "step_style": "line", "spec": TABLE.model_dump()}

    def build(folder: Path) -> dict[str, bytes]:
        command = [sys.executable, str(root / "workflow/scripts/table.py"), "--job", canonical_json(job)]
        command += ["--input", "answers", *map(str, paths), "--output", str(folder)]
        command += ["--input", "reported", str(root / "config/reported/pspo.csv")]
        done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(root / "src")})
        assert done.returncode == 0, done.stderr
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "metrics.json"}

    first, second = build(tmp_path / "one"), build(tmp_path / "two")
    assert sorted(first) == ["bars.png", "best_of_n.png", "table.csv", "table.html", "table.md", "table.tex"]
    assert first == second
