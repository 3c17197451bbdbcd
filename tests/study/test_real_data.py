"""The PSPO study on the six real data sets at the laptop's scale: near chance, and whole."""

import csv
import os

from graph import ROOT, run

FILES = [ROOT / "config/studies/pspo.yaml", ROOT / "config/scale/cpu.yaml", ROOT / "tests/pspo.yaml"]
SETS = {"awpnli", "newsnli", "redditnli", "rte_quant", "stresstest", "qqa"}


def test_real_sets_end_in_the_main_table_beside_the_papers_rows(real_data, tmp_path):
    run(tmp_path / "results", FILES, config={"data_dir": os.path.relpath(real_data, ROOT)})
    with (tmp_path / "results/pspo/tables/main/table.csv").open() as file:
        rows = list(csv.DictReader(file))
    ours = {row["row"] for row in rows if not row["source"].startswith("reported")}
    reported = {(row["row"], row["column"]): float(row["mean"]) for row in rows if row["source"].startswith("reported")}
    assert len(ours) == 9
    assert {row["column"] for row in rows} >= SETS
    values = [value for (row, column), value in reported.items() if "PSPO-WRS" in row and column == "awpnli"]
    assert values == [86.76]
    assert all(0 <= float(row["mean"]) <= 100 for row in rows if row["mean"])
