# Process reward models, and their scores of trajectories.
rule prms:
    input:
        unpack(inputs_of("prms")),
    output:
        prm=directory(output_of("prms", "checkpoint")),
        metrics=output_of("prms", "metrics.json"),
        history=output_of("prms", "history.jsonl"),
    log:
        log_of("prms"),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("train", "prms")
    resources:
        **resources_for("train", "prms"),
    params:
        job=job_of("prms"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("prms"),
        launch=launcher_of("prms"),
        seconds=seconds_of,
    shell:
        "{params.launch} workflow/scripts/prm.py --job {params.job:q} --seed {wildcards.seed}"
        " --input backbone {input.backbone:q} --input tokenizer {input.tokenizer:q}"
        " --input labels {input.labels:q} --input trajectories {input.trajectories:q} --input replay {input.replay:q}"
        " --output {params.folder:q} --checkpoint {params.checkpoint:q} --max-seconds {params.seconds}"
        " 2>&1 | tee {log:q}"


# One forward pass a trajectory, one score a step.
rule scores:
    input:
        unpack(inputs_of("scores")),
    output:
        scores=output_of("scores", "scores.parquet"),
        metrics=output_of("scores", "metrics.json"),
    log:
        log_of("scores"),
    priority: 1
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("score", "scores")
    resources:
        **resources_for("score", "scores"),
    params:
        job=job_of("scores"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("scores"),
        seconds=seconds_of,
    shell:
        "python workflow/scripts/score.py --job {params.job:q} --seed {wildcards.seed} --input prm {input.prm:q}"
        " --input tokenizer {input.tokenizer:q} --input trajectories {input.trajectories:q}"
        " --output {params.folder:q} --checkpoint {params.checkpoint:q} --max-seconds {params.seconds}"
        " 2>&1 | tee {log:q}"
