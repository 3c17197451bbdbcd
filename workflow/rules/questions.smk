# Questions with their splits and their one prompt.
rule questions:
    input:
        unpack(inputs_of("questions")),
    output:
        questions=output_of("questions", "questions.parquet"),
        metrics=output_of("questions", "metrics.json"),
    log:
        log_of("questions"),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("questions"),
        folder=subpath(output.metrics, parent=True),
        data_dir=study.settings.data_dir,
    shell:
        "python workflow/scripts/questions.py --job {params.job:q} --input data_dir {params.data_dir:q}"
        " --output {params.folder:q} 2>&1 | tee {log:q}"
