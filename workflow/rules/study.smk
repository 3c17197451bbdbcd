from stepladder.errors import StepladderError
from stepladder.files import claim
from stepladder.status.show import failures


# The study as a whole: its one file, its record in MLflow, what it has cost; and its runs, one at a time.
onstart:
    try:
        claim(Path(study.settings.results))
    except StepladderError as error:
        sys.exit(f"stepladder: {error}")


# What failed, the end of its log, and the command to run it by hand.
onerror:
    print(failures(study), file=sys.stderr)


# The merged study beside its results, for jobs that read all of it: a command line could not hold a large one.
rule study:
    output:
        f"{study.root}/study.json",
    log:
        f"{study.root}/logs/study.log",
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        study=study_text(config),
    script:
        "../scripts/study.py"


# Result files into MLflow, by one local job: many writers on one database lose runs, files never do.
rule track:
    input:
        study=rules.study.output,
        tables=study.table_files(),
        metrics=study.metrics_files(),
    output:
        f"{study.root}/tracking.json",
    log:
        f"{study.root}/logs/tracking.log",
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    shell:
        "python workflow/scripts/track.py --study {input.study:q} 2>&1 | tee {log:q}"


# What all jobs have cost. It changes with every run, so nothing is made from it.
rule costs:
    input:
        study=rules.study.output,
        metrics=study.cost_files(),
    output:
        csv=f"{study.root}/costs.csv",
        md=f"{study.root}/costs.md",
        html=report(f"{study.root}/costs.html", caption="../report/costs.rst", category="Costs"),
    log:
        f"{study.root}/logs/costs.log",
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    shell:
        "python workflow/scripts/costs.py --study {input.study:q} 2>&1 | tee {log:q}"
