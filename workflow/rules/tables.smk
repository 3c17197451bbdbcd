# Tables and figures over all seeds: which answers are right, with the paper's own rows beside ours where the study names them.
rule tables_answers:
    input:
        unpack(inputs_of("tables")),
    output:
        csv=output_of("tables", "table.csv"),
        md=output_of("tables", "table.md"),
        tex=output_of("tables", "table.tex"),
        html=report(
            output_of("tables", "table.html"),
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{name}"},
        ),
        bars=report(
            output_of("tables", "bars.png"),
            caption="../report/bars.rst",
            category="Figures",
            labels={"table": "{name}", "figure": "accuracy"},
        ),
        curve=report(
            output_of("tables", "best_of_n.png"),
            caption="../report/best_of_n.rst",
            category="Figures",
            labels={"table": "{name}", "figure": "best of n"},
        ),
        metrics=output_of("tables", "metrics.json"),
    log:
        log_of("tables"),
    wildcard_constraints:
        name=one_of(study.names("tables", "answers")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("tables"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/table.py --job {params.job:q} --input answers {input.answers:q}"
        " --input reported {input.reported:q} --input audits {input.audits:q} --output {params.folder:q} 2>&1 | tee {log:q}"


# Accuracy against what it took.
rule tables_efficiency:
    input:
        unpack(inputs_of("tables")),
    output:
        csv=output_of("tables", "table.csv"),
        md=output_of("tables", "table.md"),
        tex=output_of("tables", "table.tex"),
        html=report(
            output_of("tables", "table.html"),
            caption="../report/efficiency.rst",
            category="Tables",
            labels={"table": "{name}"},
        ),
        figure=report(
            output_of("tables", "efficiency.png"),
            caption="../report/efficiency.rst",
            category="Figures",
            labels={"table": "{name}", "figure": "accuracy against cost"},
        ),
        courses=report(
            output_of("tables", "courses.png"),
            caption="../report/courses.rst",
            category="Figures",
            labels={"table": "{name}", "figure": "courses of on-policy trainings"},
        ),
        points=output_of("tables", "courses.csv"),
        metrics=output_of("tables", "metrics.json"),
    log:
        log_of("tables"),
    wildcard_constraints:
        name=one_of(study.names("tables", "efficiency")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("tables"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/efficiency_table.py --job {params.job:q} --input answers {input.answers:q}"
        " --input costs {input.costs:q} --input histories {input.histories:q} --output {params.folder:q} 2>&1 | tee {log:q}"


# How well step scores tell right steps from wrong ones.
rule tables_steps:
    input:
        unpack(inputs_of("tables")),
    output:
        csv=output_of("tables", "table.csv"),
        md=output_of("tables", "table.md"),
        tex=output_of("tables", "table.tex"),
        html=report(
            output_of("tables", "table.html"),
            caption="../report/steps.rst",
            category="Tables",
            labels={"table": "{name}"},
        ),
        reliability=report(
            output_of("tables", "reliability.png"),
            caption="../report/reliability.rst",
            category="Figures",
            labels={"table": "{name}", "figure": "reliability"},
        ),
        by_position=report(
            output_of("tables", "by_position.png"),
            caption="../report/by_position.rst",
            category="Figures",
            labels={"table": "{name}", "figure": "score by position"},
        ),
        metrics=output_of("tables", "metrics.json"),
    log:
        log_of("tables"),
    wildcard_constraints:
        name=one_of(study.names("tables", "steps")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("tables"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/step_table.py --job {params.job:q} --input scores {input.scores:q}"
        " --input labels {input.labels:q} --output {params.folder:q} 2>&1 | tee {log:q}"
