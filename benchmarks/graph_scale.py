"""Seconds that a study of many nodes costs Snakemake before its first job: to read it, and to plan all its jobs.

    python benchmarks/graph_scale.py [JOBS ...]

Studies of about 100, 1 000 and 10 000 jobs are made from the quickstart by adding variants of its DPO node with an
evaluation each, in one seed and in ten; before them comes every shipped study at each of its full scales with five
seeds. Goals: 15 s for the dry-run of 10 000 jobs, 5 s for every shipped study.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from stepladder.study.graph import build
from stepladder.study.load import Sources

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("STEPLADDER_DATA", ROOT.parent / "shared" / "data"))
QUICKSTART = Path("config/config.yaml")


def variants(jobs: int, seeds: int) -> dict:
    """An overlay of the quickstart that has about so many jobs."""
    names = [f"variant_{number}" for number in range(jobs // (2 * seeds))]
    return {
        "seeds": seeds,
        "policies": {name: {"method": "dpo", "from": "sft", "pairs": ["outcome"]} for name in names},
        "evaluations": {
            name: {"method": "sampled", "policy": name, "questions": "six", "split": "test", "samples": 0}
            for name in names
        },
        "tables": {
            f"table_{start}": {
                "kind": "answers",
                "title": "Variants",
                "baseline": "SFT",
                "rows": [
                    {"label": "SFT", "evaluation": "sft"},
                    *({"label": name, "evaluation": name} for name in names[start : start + 50]),
                ],
            }
            for start in range(0, len(names), 50)
        },
    }


def full_scales(study: Path) -> list[Path]:
    """Those of the study alone, and where there are none that of all studies."""
    return sorted(Path("config/scale").glob(f"*_{study.stem}.yaml")) or [Path("config/scale/7b.yaml")]


def measure(title: str, files: list[Path], settings: list[str]) -> None:
    """Prints one line: nodes and jobs, seconds to read, seconds and memory of the dry-run."""
    started = time.perf_counter()
    sources = Sources(files)
    study = build(sources.merged() | dict(setting.split("=") for setting in settings), sources)
    read = time.perf_counter() - started
    command = [str(Path(sys.executable).parent / "snakemake"), "--dry-run", "--nolock", "--quiet", "rules"]
    command += ["--profile", "profiles/slurm", "--configfile", *map(str, files), "--config", *settings]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    planned = time.perf_counter() - started
    total = re.search(r"^total\s+(\d+)", said, re.MULTILINE)
    if process.returncode or not total:
        sys.exit(said[-4000:])
    processor = used.ru_utime + used.ru_stime  # what it costs on a machine that has other work, too
    memory = used.ru_maxrss // 1024  # Linux counts in KiB
    print(
        f"{title:46} {len(study.nodes):6} {total[1]:>6} {read:8.2f} {planned:8.1f} {processor:8.1f} {memory:6}",
        flush=True,
    )


def main() -> None:
    os.chdir(ROOT)
    print(f"{'study':46} {'nodes':>6} {'jobs':>6} {'read s':>8} {'plan s':>8} {'CPU s':>8} {'MB':>6}")
    with tempfile.TemporaryDirectory() as folder:
        results = f"results={folder}/results"
        for file in sorted(Path("config/studies").glob("*.yaml")) if DATA.is_dir() else []:
            for scale in full_scales(file):
                settings = ["seeds=5", f"data_dir={DATA}", results]
                measure(f"{file.stem} at {scale.stem}, five seeds", [file, scale], settings)
        for jobs in [int(word) for word in sys.argv[1:]] or [100, 1000, 10000]:
            for seeds in (1, 10):
                overlay = Path(folder) / f"{jobs}-{seeds}.yaml"
                overlay.write_text(yaml.safe_dump(variants(jobs, seeds)), encoding="utf-8")
                measure(f"quickstart and variants, {seeds} seeds", [QUICKSTART, overlay], [results])


if __name__ == "__main__":
    main()
