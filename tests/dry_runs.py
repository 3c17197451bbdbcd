"""Dry-runs every shipped study at every scale, on one machine and on Slurm, and prints how many jobs each has."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OVERLAYS = ROOT / "config" / "overlays"
DATA = Path(os.environ.get("STEPLADDER_DATA", ROOT.parent / "shared" / "data"))


def dry_run(layers: list[Path], profile: str) -> int:
    """Number of jobs of a study under its overlays; ends the program with Snakemake's words when the dry-run fails."""
    files = [str(path.relative_to(ROOT)) for path in layers]
    command = [
        str(Path(sys.executable).parent / "snakemake"), "--dry-run", "--nolock", "--profile", f"profiles/{profile}",
        "--configfile", *files, "--config", f"data_dir={DATA}", "results=results/dry-run",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    total = re.search(r"^total\s+(\d+)", done.stdout, re.MULTILINE)
    if done.returncode or not total:
        sys.exit(f"dry-run of {' + '.join(files)} with {profile} failed:\n{done.stdout}\n{done.stderr}")
    return int(total[1])


def is_meant_for(scale: Path | None, study: Path) -> bool:
    """Whether a scale is for a study: 7b_pqm is for pqm alone."""
    owner = scale.stem.partition("_")[2] if scale else ""
    return owner in ("", study.stem)


def main() -> None:
    studies = [ROOT / "config" / "config.yaml", *sorted((ROOT / "config" / "studies").glob("*.yaml"))]
    scales = [None, *sorted((ROOT / "config" / "scale").glob("*.yaml"))]
    if not DATA.is_dir():
        print(
            f"real data sets not found at {DATA}: only the quickstart is dry-run; set STEPLADDER_DATA to their folder"
        )
        studies = studies[:1]
    layers = [[study] for study in studies]
    layers += [[*each, OVERLAYS / "process_bench.yaml"] for each in layers if each[0].stem == "pqm"]
    runs = [run for run in product(layers, scales, ("local", "slurm")) if is_meant_for(run[1], run[0][0])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = pool.map(lambda run: dry_run([*run[0], run[1]] if run[1] else run[0], run[2]), runs)
        for (study, scale, profile), jobs in zip(runs, counts, strict=True):
            name = " + ".join(path.stem for path in study)
            print(f"{name:>20} x {scale.stem if scale else 'own scale':<9} on {profile:<5}: {jobs} jobs")


if __name__ == "__main__":
    main()
