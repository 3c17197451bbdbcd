"""Dry-runs every shipped study at every scale, on one machine and on Slurm, and prints how many jobs each has."""

import io
import multiprocessing
import os
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from itertools import product
from pathlib import Path

from snakemake.cli import main as snakemake

import stepladder.study.graph  # noqa: F401 which every rule needs, loaded once for all dry-runs

ROOT = Path(__file__).resolve().parent.parent
OVERLAYS = ROOT / "config" / "overlays"
DATA = Path(os.environ.get("STEPLADDER_DATA", ROOT.parent / "shared" / "data"))
SECONDS = 600


def dry_run(layers: list[Path], profile: str) -> int:
    """Number of jobs of a study under its overlays.

    Raises:
        RuntimeError: with Snakemake's words, when the dry-run fails.
    """
    files = [str(path.relative_to(ROOT)) for path in layers]
    words = [
        "--dry-run", "--nolock", "--profile", f"profiles/{profile}",
        "--configfile", *files, "--config", f"data_dir={DATA}", "results=results/dry-run",
    ]  # fmt: skip
    said, status = io.StringIO(), 0
    with redirect_stdout(said), redirect_stderr(said):
        try:
            snakemake(words)
        except SystemExit as end:
            status = end.code
    total = re.search(r"^total\s+(\d+)", said.getvalue(), re.MULTILINE)
    if status or not total:
        raise RuntimeError(f"dry-run of {' + '.join(files)} with {profile} failed:\n{said.getvalue()}")
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
    layers += [[*each, OVERLAYS / "gsm8k.yaml"] for each in layers if each[0].stem == "vineppo"]
    layers += [[*each, OVERLAYS / "logiqa.yaml"] for each in layers if each[0].stem == "lpr"]
    runs = [run for run in product(layers, scales, ("local", "slurm")) if is_meant_for(run[1], run[0][0])]
    os.chdir(ROOT)
    # Every dry-run has a process of its own, which is a copy of this one with all libraries loaded.
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        arguments = [([*study, scale] if scale else study, profile) for study, scale, profile in runs]
        try:
            counts = pool.starmap_async(dry_run, arguments, chunksize=1).get(timeout=SECONDS)
        except RuntimeError as fault:
            sys.exit(str(fault))
    for (study, scale, profile), jobs in zip(runs, counts, strict=True):
        name = " + ".join(path.stem for path in study)
        print(f"{name:>20} x {scale.stem if scale else 'own scale':<9} on {profile:<5}: {jobs} jobs")


if __name__ == "__main__":
    main()
