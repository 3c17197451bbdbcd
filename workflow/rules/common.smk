# The study, read once, and the few words by which every rule asks it for inputs, jobs and resources.
import sys
from pathlib import Path
from shlex import quote

from stepladder.study.faults import StudyFaults
from stepladder.study.graph import build
from stepladder.study.load import Sources, study_text
from stepladder.study.resources import work_seconds

try:
    study = build(config, Sources(Path(file) for file in workflow.configfiles))
except StudyFaults as faults:
    for line in faults.lines:
        print(line, file=sys.stderr)
    sys.exit(1)

# Without conda, jobs run in the environment that Snakemake itself runs in, whether or not it is activated. Threads that
# wait must not spin: on a busy machine that costs ten times the speed.
own = "" if workflow.deployment_settings.deployment_method else f"{Path(sys.executable).parent}:"
# A job's time counts from its shell's start, before Python and its libraries are loaded.
started = "STEPLADDER_STARTED=$(date +%s)"
live = f"STEPLADDER_LIVE={quote(study.settings.tracking)}" if study.settings.live else ""
shell.prefix(f"export PATH={quote(own)}$PATH OMP_WAIT_POLICY=PASSIVE {started} {live}; set -euo pipefail; ")


wildcard_constraints:
    name=r"[A-Za-z]\w*",
    seed="|".join(str(seed) for seed in study.settings.seeds),


scattergather:
    shard=study.settings.scale.shards,


def one_of(names):
    """A wildcard constraint that admits these names only."""
    return "|".join(names) or "(?!)"


def output_of(stage, file):
    """Path pattern of a file that a stage's job writes."""
    return f"{study.folder(stage, '{name}', '{seed}')}/{file}"


def shards_of(stage, ending):
    """Path patterns of a stage's shards, to be gathered."""
    folder = study.folder(stage, "{{name}}", "{{seed}}")
    return gather.shard(f"{folder}/shards/{{scatteritem}}.{ending}")


def log_of(stage, job="job"):
    """Path pattern of a job's log."""
    return study.log(stage, "{name}", "{seed}", job)


def inputs_of(stage):
    """Input function of a stage's rule."""
    return lambda wildcards: study.inputs(stage, wildcards.name, wildcards.get("seed", 0))


def job_of(stage):
    """Params function: all that the result depends on beside the input files, as canonical JSON."""
    return lambda wildcards: study.job(stage, wildcards.name)


def checkpoint_of(stage):
    """Params function: where unfinished work is kept, under a key that changes with everything above the node."""
    return lambda wildcards: study.checkpoint(stage, wildcards.name, wildcards.seed)


def launcher_of(stage):
    """Params function: how a training job is started on its ranks; like all that follows from resources, no trigger."""
    return lambda wildcards, resources: study.launcher(stage, wildcards.name)


def asked_by(work, stage, kind):
    """What jobs ask for, by name: values, and functions where a stage's nodes or a job's attempts differ."""
    ask = lambda name: lambda wildcards, attempt: study.request(work, stage, wildcards.get("name"), attempt).get(name)
    return {name: ask(name) if value is None else value for name, value in study.requests(work, stage, kind).items()}


def threads_for(work, stage=None, kind=None):
    """Threads of a stage's jobs of one kind of work, at this scale."""
    return asked_by(work, stage, kind)["threads"]


def resources_for(work, stage=None, kind=None):
    """Their resources: memory and time grow with the node's model and with every attempt."""
    return {name: value for name, value in asked_by(work, stage, kind).items() if name != "threads"}


def seconds_of(wildcards, resources):
    """Params function: the time for work inside what the scheduler grants."""
    return work_seconds(resources.runtime)
