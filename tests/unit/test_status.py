"""Where jobs stand: by results, logs and Slurm's queue, none of them trusted beyond what it can know."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stepladder.attempts import Attempt, first_lines, last_line, read_log
from stepladder.progress import Reading, chunk_label, format_reading
from stepladder.status.__main__ import main, settings
from stepladder.status.queue import parse_queue, read_queue
from stepladder.status.show import seconds_left, show_failures, show_standings
from stepladder.status.standing import survey, unfinished
from stepladder.status.tasks import tasks_of
from stepladder.study.faults import StudyFaults
from stepladder.study.graph import Study, build
from stepladder.study.load import Sources


@pytest.fixture
def study(root, tmp_path, monkeypatch) -> Study:
    """The quickstart, with its results in an empty folder."""
    monkeypatch.chdir(tmp_path)
    sources = Sources([root / "config" / "config.yaml"])
    return build(sources.merged(), sources)


def task_of(study: Study, stage: str, name: str, part: str = "job"):
    return next(task for task in tasks_of(study, stage, name, 0) if task.part == part)


def attempt(study: Study, stage: str, name: str, **changes) -> Attempt:
    command = f"cd / && python x.py --job '{changes.pop('job', study.job(stage, name))}'"
    began = int(time.time()) - 60
    given = {"job": f"{stage}/{name} seed 0", "began": began, "host": "far", "pid": 1, "slurm_job": None,
             "by_hand": command}  # fmt: skip
    return Attempt(**(given | changes))


def write_log(task, *lines: str):
    task.log.parent.mkdir(parents=True, exist_ok=True)
    task.log.write_text("".join(f"{line}\n" for line in lines))
    return read_log(task.log)


def finish(study: Study, stage: str, name: str, **changes) -> None:
    for task in tasks_of(study, stage, name, 0):
        task.result.parent.mkdir(parents=True, exist_ok=True)
        content = {"job": json.loads(study.job(stage, name)), "wall_seconds": 61.0, "slurm_job": "5"} | changes
        task.result.write_text(json.dumps(content))


def states(study: Study, queue=None) -> dict[str, str]:
    return {standing.task.title: standing.state for standing in survey(study, lambda: queue)}


def queue(*jobs: tuple[str, str, str]):
    return parse_queue([f"{number}|{state}|/here|{comment}" for number, state, comment in jobs], Path("/here"))


def test_an_untouched_study_waits(study):
    found = states(study)
    assert set(found.values()) == {"waiting"}
    assert {"questions/six", "labels/monte_carlo 2-of-2", "labels/monte_carlo", "pairs/random reference"} <= set(found)


def test_a_result_is_done_and_hides_its_shards(study):
    for node in [("questions", "six"), ("models", "tiny"), ("policies", "base"), ("policies", "sft"),
                 ("trajectories", "samples")]:  # fmt: skip
        finish(study, *node)
    found = {standing.task.title: standing for standing in survey(study, lambda: None)}
    done = found["trajectories/samples"]
    assert (done.state, done.elapsed, done.slurm_job) == ("done", 61.0, "5")
    assert "trajectories/samples 1-of-2" not in found and "labels/monte_carlo 1-of-2" in found


def test_a_result_of_another_spec_is_stale_and_so_is_what_was_made_from_it(study):
    for node in [("questions", "six"), ("models", "tiny"), ("policies", "base"), ("policies", "sft")]:
        finish(study, *node)
    finish(study, "models", "tiny", job={"spec": "other"})
    found = states(study)
    assert {found[node] for node in ("models/tiny", "policies/base", "policies/sft")} == {"stale"}
    assert found["questions/six"] == "done"


def test_a_result_is_stale_while_something_above_it_is_missing(study):
    finish(study, "questions", "six")
    finish(study, "policies", "sft")
    assert states(study)["policies/sft"] == "stale"


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"job": null}'])
def test_a_broken_result_is_stale(study, content):
    finish(study, "questions", "six")
    task_of(study, "questions", "six").result.write_text(content)
    assert states(study)["questions/six"] == "stale"


def judge(study, log_lines, its_queue=None, stage="policies", name="sft", part="job"):
    task = task_of(study, stage, name, part)
    log = write_log(task, *log_lines) if log_lines is not None else None
    return unfinished(task, study.job(stage, name), log, its_queue)


def test_a_failed_attempt(study):
    its = attempt(study, "policies", "sft")
    found = judge(study, [*first_lines(its), last_line(its.job, "failed", 12.5), "stepladder: why"])
    assert (found.state, found.elapsed) == ("failed", 12.5)


def test_an_attempt_at_another_spec_says_nothing(study):
    its = attempt(study, "policies", "sft", job='{"spec":1}')
    assert judge(study, [*first_lines(its), last_line(its.job, "failed", 1)]).state == "waiting"


def test_a_done_attempt_whose_result_was_removed_waits(study):
    its = attempt(study, "policies", "sft")
    assert judge(study, [*first_lines(its), last_line(its.job, "done", 1)]).state == "waiting"


def test_a_log_without_an_attempt_is_of_a_job_that_starts_while_something_writes_it(study):
    log = str(task_of(study, "policies", "sft").log)
    writer = subprocess.Popen(
        ["tee", "/dev/stdout", "--", log], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    try:
        writer.stdin.write(b"up\n")
        assert writer.stdout.readline() == b"up\n"
        found = judge(study, [])
        assert (found.state, found.note) == ("running", "starting")
    finally:
        writer.kill()
        writer.communicate(timeout=30)
    assert judge(study, ["Traceback"]).state == "failed"


def test_a_part_that_is_missing_makes_what_stands_below_stale_and_not_its_sibling(study):
    for stage, name in study.nodes:
        finish(study, stage, name)
    assert set(states(study).values()) == {"done"}
    task_of(study, "pairs", "random", "reference").result.unlink()
    found = states(study)
    assert (found["pairs/random"], found["pairs/random reference"]) == ("done", "waiting")
    stale = {node for node, state in found.items() if state == "stale"}
    assert stale == {"policies/dpo_random", "evaluations/dpo_random", "tables/main"}


def test_an_attempt_on_a_machine_that_cannot_be_asked(study):
    reading = Reading("policies/sft seed 0", 3, 12, "steps", 2.5, 4)
    found = judge(study, [*first_lines(attempt(study, "policies", "sft")), format_reading(reading)])
    assert (found.state, found.reading) == ("running", reading) and 60 <= found.elapsed < 3600
    assert "far" in found.note


def test_a_process_of_this_machine_is_known_by_its_job_and_not_by_its_number_alone(study):
    job = study.job("policies", "sft")
    code = "import time; print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, "--job", job], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"up\n"
        here = {"host": socket.gethostname(), "pid": process.pid}
        assert judge(study, first_lines(attempt(study, "policies", "sft", **here))).state == "running"
        other = attempt(study, "policies", "dpo_outcome", **here)
        assert judge(study, first_lines(other), name="dpo_outcome").state == "failed"
    finally:
        process.kill()
        process.communicate(timeout=30)
    killed = judge(study, first_lines(attempt(study, "policies", "sft", **here)))
    assert (killed.state, killed.note) == ("failed", "killed")


COMMENT = "rule_policies_sft_wildcards_sft_0"


def test_slurm_knows_better_than_the_log(study):
    lines = first_lines(attempt(study, "policies", "sft", slurm_job="7"))
    assert judge(study, lines, queue(("7", "RUNNING", COMMENT))).state == "running"
    killed = judge(study, lines, queue())
    assert (killed.state, killed.note, killed.slurm_job) == ("failed", "killed", "7")
    requeued = judge(study, lines, queue(("7", "PENDING", COMMENT)))
    assert (requeued.state, requeued.slurm_job, requeued.reading) == ("queued", "7", None)


def test_a_retry_is_not_confused_with_the_attempt_before(study):
    its = attempt(study, "policies", "sft", slurm_job="7")
    lines = [*first_lines(its), format_reading(Reading("x", 9, 10, "steps", 1.0, 1)), last_line(its.job, "failed", 9)]
    waiting, started = (judge(study, lines, queue(("8", state, COMMENT))) for state in ("PENDING", "RUNNING"))
    assert (waiting.state, waiting.slurm_job) == ("queued", "8")
    assert (started.state, started.slurm_job, started.reading) == ("running", "8", None)


def test_a_queued_job_without_a_log(study):
    assert judge(study, None, queue(("7", "PENDING", COMMENT))).state == "queued"
    assert judge(study, None, queue(("7", "PENDING", "rule_policies_sft_wildcards_sft_1"))).state == "waiting"
    shard = queue(("7", "PENDING", "rule_labels_shard_wildcards_monte_carlo_0_2-of-2"))
    assert judge(study, None, shard, stage="labels", name="monte_carlo", part="2-of-2").state == "queued"


def test_the_queue_leaves_out_other_folders_ended_jobs_and_comments_that_arrays_share():
    lines = [
        "1|RUNNING|/here|a",
        "2|RUNNING|/there|b",
        "3|COMPLETING|/here|c",
        "4|PENDING|/here|d",
        "5|PENDING|/here|d",
    ]
    found = parse_queue(lines, Path("/here"))
    assert set(found.by_number) == {"1", "4", "5"} and set(found.by_comment) == {"a"}


def test_no_slurm_is_no_queue(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert read_queue() is None


def test_comments_name_rules_that_exist(study, root):
    text = "".join(path.read_text() for path in (root / "workflow" / "rules").glob("*.smk"))
    for stage, name in study.nodes:
        for task in tasks_of(study, stage, name, 0):
            rule = task.comment.removeprefix("rule_").partition("_wildcards_")[0]
            assert f"\nrule {rule}:" in text, rule


def test_seconds_left_reach_to_the_last_chunk():
    reading = Reading(chunk_label("trajectories/a seed 0", 3, 8), 10, 20, "prompts", 2.0, 5)
    assert seconds_left(reading) == 5 + 5 * 20 / 2.0
    assert seconds_left(Reading("policies/a seed 0", 10, 20, "steps", 2.0, 5)) == 5
    assert seconds_left(Reading("policies/a seed 0", 0, 20, "steps", 0.0, None)) is None


def test_what_is_shown(study):
    finish(study, "questions", "six")
    task, its = task_of(study, "models", "tiny"), attempt(study, "models", "tiny")
    write_log(
        task, *first_lines(its), *[f"line {n}" for n in range(50)], last_line(its.job, "failed", 3), "stepladder: why"
    )
    said = show_standings("quickstart", survey(study, lambda: None))
    lines = said.splitlines()
    assert lines[0].split() == ["job", "seed", "state", "slurm", "elapsed", "log"]
    assert lines[2].split() == [
        "models/tiny",
        "0",
        "failed",
        "00:03",
        "results/quickstart/logs/models/tiny.seed0.job.log",
    ]
    assert lines[1].split() == ["questions/six", "done", "5", "01:01", "results/quickstart/logs/questions/six.job.log"]
    assert "quickstart: 1 done, 31 waiting, 1 failed" in lines
    assert "    line 49" in lines and "    line 20" not in lines
    assert lines[-3:] == ["    stepladder: why", "run it by hand:", f"    {its.by_hand}"]


def test_without_failures_nothing_is_said_of_them(study):
    assert show_failures(survey(study, lambda: None)) == []


def test_the_command_takes_what_snakemake_is_given(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "over.yaml").write_text("scale: {shards: 3}\n")
    files = [str(root / "config" / "config.yaml"), "over.yaml"]
    assert main(["--configfile", *files, "--config", "seeds=2", "results=elsewhere"]) == 0
    said = capsys.readouterr().out
    assert "labels/monte_carlo 3-of-3" in said and list(tmp_path.iterdir()) == [tmp_path / "over.yaml"]
    assert main(["--configfile", *files, "--config", "sedes=2"]) == 1
    assert capsys.readouterr().err.startswith("--config: sedes: unknown key 'sedes'")
    assert settings(["seeds=[0, 1]", "results=a"]) == {"seeds": [0, 1], "results": "a"}
    with pytest.raises(StudyFaults, match="'seeds' is no setting"):
        settings(["seeds"])


def test_it_loads_nothing_heavy(root):
    code = (
        "import sys; import stepladder.status.__main__;"
        "print([name for name in ('torch', 'mlflow', 'pandas', 'pyarrow', 'numpy', 'vllm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=os.environ)
    assert done.stdout.strip() == "[]", done.stderr
