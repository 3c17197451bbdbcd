# How good values of states are, judged by many rollouts of the same states.
rule tables_values:
    input:
        unpack(inputs_of("tables")),
    output:
        csv=output_of("tables", "table.csv"),
        md=output_of("tables", "table.md"),
        tex=output_of("tables", "table.tex"),
        html=report(
            output_of("tables", "table.html"),
            caption="../report/values.rst",
            category="Tables",
            labels={"table": "{name}"},
        ),
        by_step=report(
            output_of("tables", "by_step.png"),
            caption="../report/by_step.rst",
            category="Figures",
            labels={"table": "{name}", "figure": "error by step"},
        ),
        metrics=output_of("tables", "metrics.json"),
    log:
        log_of("tables"),
    wildcard_constraints:
        name=one_of(study.names("tables", "values")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("tables"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/value_table.py --job {params.job:q} --input rollouts {input.rollouts:q}"
        " --input scores {input.scores:q} --output {params.folder:q} 2>&1 | tee {log:q}"


# How well values rank the alternatives to a step.
rule tables_ranking:
    input:
        unpack(inputs_of("tables")),
    output:
        csv=output_of("tables", "table.csv"),
        md=output_of("tables", "table.md"),
        tex=output_of("tables", "table.tex"),
        html=report(
            output_of("tables", "table.html"),
            caption="../report/ranking.rst",
            category="Tables",
            labels={"table": "{name}"},
        ),
        metrics=output_of("tables", "metrics.json"),
    log:
        log_of("tables"),
    wildcard_constraints:
        name=one_of(study.names("tables", "ranking")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("tables"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/ranking_table.py --job {params.job:q} --input rollouts {input.rollouts:q}"
        " --output {params.folder:q} 2>&1 | tee {log:q}"
