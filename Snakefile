# Stepladder: one graph from questions to tables. What a study is made of is said in config/, what is done in
# src/stepladder/, and here only which files come from which.
from snakemake.utils import min_version

from stepladder.errors import StepladderError
from stepladder.files import claim
from stepladder.status.show import failures

min_version("9.27")


if "study" not in config:

    configfile: "config/config.yaml"


# For --software-deployment-method apptainer; nothing else asks for it.
container: "containers/stepladder.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/questions.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/policies.smk"
include: "workflow/rules/trajectories.smk"
include: "workflow/rules/labels.smk"
include: "workflow/rules/prms.smk"
include: "workflow/rules/rewards.smk"
include: "workflow/rules/pairs.smk"
include: "workflow/rules/evaluations.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/tracking.smk"


localrules:
    all,
    costs,
    study,
    tables,
    track,


# One run at a time in a results folder, however it is started; a killed one leaves no lock behind.
onstart:
    try:
        claim(Path(study.settings.results))
    except StepladderError as error:
        sys.exit(f"stepladder: {error}")


# What failed, the end of its log, and the command to run it by hand.
onerror:
    print(failures(study), file=sys.stderr)


# Everything the study asks for, what it has cost, and its record in MLflow.
rule all:
    default_target: True
    input:
        study.table_files(),
        f"{study.root}/costs.html",
        f"{study.root}/tracking.json",


# The tables and figures alone.
rule tables:
    input:
        study.table_files(),
