"""Running whole graphs in tests: one Snakemake process at a time, bounded in time."""

import os
import re
import subprocess
import sys
from pathlib import Path

import warm

ROOT = Path(__file__).resolve().parents[1]
QUICKSTART = ROOT / "config" / "config.yaml"
# The quickstart's graph at the smallest size; its results lie in results/quickstart.
TINY = [QUICKSTART, Path(__file__).with_name("tiny.yaml")]
TABLE_FILES = ["table.csv", "table.md", "table.tex", "table.html", "bars.png", "best_of_n.png"]
SECONDS = 2400


def command(
    results: Path, files: list[Path], options: tuple[str, ...], config: dict[str, str], profile: str
) -> list[str]:
    """The command line of a study's run into a results folder."""
    settings = [f"{key}={value}" for key, value in {"results": str(results), **config}.items()]
    return [
        str(Path(sys.executable).parent / "snakemake"), "--nolock", "--profile", f"profiles/{profile}", *options,
        "--configfile", *map(str, files), "--config", *settings,
    ]  # fmt: skip


def run(
    results: Path,
    files: list[Path],
    *options: str,
    config: dict[str, str] | None = None,
    profile: str = "local",
) -> str:
    """Runs a study to its end and returns what Snakemake said."""
    environment = warm.environment() if profile == "local" else warm.ENVIRONMENT
    done = subprocess.run(
        command(results, files, options, config or {}, profile),
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    return said


def planned(said: str) -> dict[str, int]:
    """Jobs by rule in a dry-run; empty when nothing is to be done."""
    if "Nothing to be done" in said:
        return {}
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", said, re.MULTILINE | re.DOTALL)
    assert table, said
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)", table[1], re.MULTILINE)}


def same_tables(results: Path, undisturbed: Path) -> None:
    """Fails unless both folders hold the same table and figures, byte for byte."""
    for name in TABLE_FILES:
        found, expected = (each / "quickstart/tables/main" / name for each in (results, undisturbed))
        assert found.read_bytes() == expected.read_bytes(), name
