# Whether policies lean to a place among the options.
rule tables_positions:
    input:
        unpack(inputs_of("tables")),
    output:
        csv=output_of("tables", "table.csv"),
        md=output_of("tables", "table.md"),
        tex=output_of("tables", "table.tex"),
        html=report(
            output_of("tables", "table.html"),
            caption="../report/positions.rst",
            category="Tables",
            labels={"table": "{name}"},
        ),
        recall=report(
            output_of("tables", "recall.png"),
            caption="../report/recall.rst",
            category="Figures",
            labels={"table": "{name}", "figure": "accuracy by place"},
        ),
        metrics=output_of("tables", "metrics.json"),
    log:
        log_of("tables"),
    wildcard_constraints:
        name=one_of(study.names("tables", "positions")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("tables"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/position_table.py --job {params.job:q} --input answers {input.answers:q}"
        " --output {params.folder:q} 2>&1 | tee {log:q}"


# Whether rewards lean to short or to long answers.
rule tables_lengths:
    input:
        unpack(inputs_of("tables")),
    output:
        csv=output_of("tables", "table.csv"),
        md=output_of("tables", "table.md"),
        tex=output_of("tables", "table.tex"),
        html=report(
            output_of("tables", "table.html"),
            caption="../report/lengths.rst",
            category="Tables",
            labels={"table": "{name}"},
        ),
        metrics=output_of("tables", "metrics.json"),
    log:
        log_of("tables"),
    wildcard_constraints:
        name=one_of(study.names("tables", "lengths")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("tables"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/length_table.py --job {params.job:q} --input rewards {input.rewards:q}"
        " --input trajectories {input.trajectories:q} --output {params.folder:q} 2>&1 | tee {log:q}"
