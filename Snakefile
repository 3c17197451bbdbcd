# Stepladder: one graph from questions to tables. What a study is made of is said in config/, what is done in
# src/stepladder/, and here only which files come from which.
from snakemake.utils import min_version

min_version("9.27")


if "study" not in config:

    configfile: "config/config.yaml"


# For --software-deployment-method apptainer; nothing else asks for it.
container: "containers/stepladder.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/questions.smk"
include: "workflow/rules/audits.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/policies.smk"
include: "workflow/rules/policies_by_reward.smk"
include: "workflow/rules/trajectories.smk"
include: "workflow/rules/labels.smk"
include: "workflow/rules/rollouts.smk"
include: "workflow/rules/prms.smk"
include: "workflow/rules/rewards.smk"
include: "workflow/rules/pairs.smk"
include: "workflow/rules/evaluations.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/tables_values.smk"
include: "workflow/rules/tables_bias.smk"
include: "workflow/rules/study.smk"


localrules:
    all,
    costs,
    study,
    tables,
    track,


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
