# Which questions of a split stand on passages that were trained on.
rule audits:
    input:
        unpack(inputs_of("audits")),
    output:
        audit=output_of("audits", "audit.parquet"),
        metrics=output_of("audits", "metrics.json"),
    log:
        log_of("audits"),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("audits"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/audit.py --job {params.job:q} --input questions {input.questions:q}"
        " --input seen {input.seen:q} --output {params.folder:q} 2>&1 | tee {log:q}"


# How many they are, by data set.
rule tables_contamination:
    input:
        unpack(inputs_of("tables")),
    output:
        csv=output_of("tables", "table.csv"),
        md=output_of("tables", "table.md"),
        tex=output_of("tables", "table.tex"),
        html=report(
            output_of("tables", "table.html"),
            caption="../report/contamination.rst",
            category="Tables",
            labels={"table": "{name}"},
        ),
        metrics=output_of("tables", "metrics.json"),
    log:
        log_of("tables"),
    wildcard_constraints:
        name=one_of(study.names("tables", "contamination")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("tables"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/contamination_table.py --job {params.job:q} --input audits {input.audits:q}"
        " --output {params.folder:q} 2>&1 | tee {log:q}"
