"""What a study has cost: read from what jobs write, summed by stage, honest about what is not known."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from stepladder.errors import StepladderError
from stepladder.records import write_json
from stepladder.report.costs import lay_out_costs, read_cost, render_costs_csv
from stepladder.report.layout import NOTHING
from stepladder.report.render import render_html, render_latex, render_markdown


def made(stage: str, spec: dict[str, Any] | None = None, metrics: dict[str, Any] | None = None, **changes):
    job = {"study": "s", "stage": stage, "name": "n", "spec": spec or {}}
    return {"job": job, "seed": 0, "metrics": metrics or {}, "device": "H100", "wall_seconds": 3600.0, "gpus": 2,
            "host": "node1", "slurm_job": "7", "max_memory_mb": 2048, "attempts": 1} | changes  # fmt: skip


def cost(folder: Path, content: Any, name: str = "metrics.json"):
    write_json(content, folder / name)
    return read_cost(folder / name)


def test_a_training(tmp_path):
    found = cost(tmp_path, made("policies", {"method": "dpo"}, {"trained_tokens": 500}))
    assert (found.stage, found.gpu_seconds, found.trained_tokens, found.generated_tokens) == (
        "policies (dpo)", 7200.0, 500, None,
    )  # fmt: skip


def test_shards_belong_to_the_job_that_puts_them_together(tmp_path):
    shards = {"shard_seconds": 7200.0, "shard_gpu_seconds": 28800.0, "shard_max_memory_mb": 9000}
    found = cost(tmp_path, made("labels", metrics=shards, gpus=0, wall_seconds=10.0))
    assert (found.wall_seconds, found.gpu_seconds, found.max_memory_mb) == (7210.0, 28800.0, 9000)


def test_the_reference_log_probs_of_pairs_stand_for_themselves(tmp_path):
    assert cost(tmp_path, made("pairs")).stage == "pairs"
    assert cost(tmp_path, made("pairs"), "reference.json").stage == "pairs (reference)"


def test_results_of_before_say_what_they_know(tmp_path):
    old = {
        key: value for key, value in made("prms").items() if key in ("job", "seed", "metrics", "device", "wall_seconds")
    }
    found = cost(tmp_path, old)
    assert (found.gpu_seconds, found.max_memory_mb, found.attempts, found.host) == (None, None, None, None)
    assert lay_out_costs([found]).rows[0] == ["prms", "1", "1:00:00", "1:00:00", *[NOTHING] * 4]


def test_lines_are_sums_by_stage_and_of_all(tmp_path):
    costs = [
        cost(tmp_path, made("policies", {"method": "sft"}, {"trained_tokens": 1000})),
        cost(tmp_path, made("pairs", gpus=0, max_memory_mb=0)),
        cost(tmp_path, made("evaluations", metrics={"generated_tokens": 1_000_000}, gpus=1, max_memory_mb=512)),
        cost(tmp_path, made("policies", {"method": "sft"}, {"trained_tokens": 234}, wall_seconds=1800.0, attempts=2)),
        cost(tmp_path, made("pairs", gpus=0, max_memory_mb=0), "reference.json"),
    ]
    assert lay_out_costs(costs).rows == [
        ["policies (sft)", "2", "1:30:00", "1:00:00", "3.00", NOTHING, "1,234", "2.0"],
        ["pairs", "1", "1:00:00", "1:00:00", *[NOTHING] * 4],
        ["pairs (reference)", "1", "1:00:00", "1:00:00", *[NOTHING] * 4],
        ["evaluations", "1", "1:00:00", "1:00:00", "1.00", "1,000,000", NOTHING, "0.5"],
        ["all", "5", "4:30:00", "1:00:00", "4.00", "1,000,000", "1,234", "2.0"],
    ]


def test_every_format_shows_it(tmp_path):
    costs = [cost(tmp_path, made("scores", slurm_job=None))]
    layout = lay_out_costs(costs)
    assert layout.title == "What s has cost"
    for text in (render_markdown(layout), render_html(layout), render_latex(layout)):
        assert "2.00" in text and "GPU-hours" in text
    (row,) = csv.DictReader(io.StringIO(render_costs_csv(costs)))
    assert (row["stage"], row["gpu_seconds"], row["slurm_job"], row["host"]) == ("scores", "7200.0", "", "node1")


@pytest.mark.parametrize(
    "content", [{}, [], {"job": None}, made("prms") | {"wall_seconds": "long"}, made("prms") | {"metrics": 3}]
)
def test_what_no_job_wrote_is_one_line(tmp_path, content):
    with pytest.raises(StepladderError, match=r"metrics\.json: not what a job writes .* make it anew"):
        cost(tmp_path, content)
