# Checkpoints that training starts from: made from a config, taken from disk, or fetched from the hub.
rule models:
    input:
        unpack(inputs_of("models")),
    output:
        model=directory(output_of("models", "checkpoint")),
        metrics=output_of("models", "metrics.json"),
    log:
        log_of("models"),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("models"),
        folder=subpath(output.metrics, parent=True),
        models_dir=study.settings.models_dir,
    shell:
        "python workflow/scripts/model.py --job {params.job:q} --seed {wildcards.seed}"
        " --input models_dir {params.models_dir:q} --output {params.folder:q} 2>&1 | tee {log:q}"
