"""Unfinished work that is damaged or incomplete: it is made anew, with one line in the log, and nothing else is."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from scene import STUDY, attempt, copy_of, follow, kill, start, state, surroundings, the_line, untouched, waits_for

from damage import DAMAGES, cut_short
from graph import ROOT, TINY, run

MADE_ANEW = "kept work cannot be used and is made anew"


def same(results: Path, finished: Path, file: str) -> None:
    assert (results / STUDY / file).read_bytes() == (finished / STUDY / file).read_bytes()


def command_of(results: Path, target: Path) -> str:
    """The command of the job that makes a file, as Snakemake would run it."""
    said = run(results, TINY, str(target), "--dry-run", "--printshellcmds", "--quiet", "host")
    (found,) = re.findall(r"^Shell command: python (.*?) 2>&1", said, re.MULTILINE)
    return f"{sys.executable} {found}"


@pytest.mark.parametrize("damage", ["cut short", "missing"])
def test_a_training_goes_on_beside_a_damaged_checkpoint(finished, tmp_path, damage):
    results = copy_of(finished, tmp_path)
    shutil.rmtree(results / STUDY / "policies/sft")
    target = results / STUDY / "policies/sft/seed0/history.jsonl"
    line = re.sub(r"--max-seconds [\d.]+", "--max-seconds 1", command_of(results, target))
    stopped = subprocess.run(shlex.split(line), **surroundings(ROOT, {}), timeout=300)
    assert "time budget" in the_line(stopped)
    (kept,) = (results / STUDY / "checkpoints").glob("policies-sft-*/step-*")
    before = state(results)
    DAMAGES[damage](kept / "model.safetensors")
    done = attempt(results, str(target))
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{MADE_ANEW}: {kept}" in done.stdout
    for file in ("history.jsonl", "checkpoint/model.safetensors"):
        same(results, finished, f"policies/sft/seed0/{file}")
    untouched(before, state(results), "policies/sft", "checkpoints")
    assert not list(results.rglob("step-*"))


def test_sampling_goes_on_beside_a_damaged_chunk(finished, tmp_path):
    results = copy_of(finished, tmp_path)
    shutil.rmtree(results / STUDY / "trajectories/samples")
    target = "trajectories/samples/seed0/trajectories.parquet"
    killed = start(results, str(results / STUDY / target))
    chunks = results / STUDY / "checkpoints"
    waits_for(lambda: list(chunks.glob("trajectories-*/sampled/chunk-1.parquet")))
    kill(killed)
    before = state(results)
    (first,) = chunks.glob("trajectories-*/sampled/chunk-0.parquet")
    second = first.with_name("chunk-1.parquet")
    made = second.stat().st_mtime_ns
    cut_short(first)
    again = start(results, str(results / STUDY / target))
    waits_for(lambda: first.is_file() and first.stat().st_size > 0 and first.stat().st_mtime_ns > made)
    assert second.stat().st_mtime_ns == made
    said, _ = again.communicate(timeout=300)
    assert again.returncode == 0, said[-4000:]
    assert f"{MADE_ANEW}: {first}" in said and str(second) not in said
    same(results, finished, target)
    untouched(before, state(results), "trajectories/samples", "checkpoints")


def test_a_shard_that_is_missing_or_damaged_is_made_anew_alone(finished, tmp_path):
    results = copy_of(finished, tmp_path)
    shutil.rmtree(results / STUDY / "labels/monte_carlo")
    sharded = tmp_path / "sharded.yaml"
    sharded.write_text(yaml.safe_dump({"scale": {"shards": 2}}))
    files, folder = [*TINY, sharded], results / STUDY / "labels/monte_carlo/seed0"
    shards = [folder / "shards" / f"{number}-of-2.{ending}" for number in (1, 2) for ending in ("parquet", "json")]
    run(results, files, *map(str, shards), "--rerun-triggers", "mtime", "--notemp")
    before = state(results)
    cut_short(shards[0])
    line = the_line(attempt(results, str(folder / "labels.parquet"), "--rerun-triggers", "mtime", files=files))
    assert follow(line) == shards[0]
    untouched(before, state(results), "labels/monte_carlo")
    other = shards[2].stat().st_mtime_ns
    run(results, files, str(folder / "labels.parquet"), "--rerun-triggers", "mtime", "--notemp")
    assert shards[2].stat().st_mtime_ns == other
    same(results, finished, "labels/monte_carlo/seed0/labels.parquet")
