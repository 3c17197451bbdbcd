# Labels: rollouts of every state, in shards that a cluster runs side by side.
rule labels_shard:
    input:
        unpack(inputs_of("labels")),
    output:
        part=temp(output_of("labels", "shards/{scatteritem}.parquet")),
        metrics=temp(output_of("labels", "shards/{scatteritem}.json")),
    log:
        log_of("labels", "{scatteritem}"),
    wildcard_constraints:
        name=one_of(study.names("labels", "monte_carlo")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("sample", "labels", "monte_carlo")
    resources:
        **resources_for("sample", "labels", "monte_carlo"),
    params:
        job=job_of("labels"),
        folder=subpath(output.metrics, ancestor=2),
        checkpoint=checkpoint_of("labels"),
        engine=study.engine(),
        seconds=seconds_of,
    shell:
        "python workflow/scripts/label.py --job {params.job:q} --seed {wildcards.seed}"
        " --input policy {input.policy:q} --input trajectories {input.trajectories:q} --input questions {input.questions:q}"
        " --shard {wildcards.scatteritem} --engine {params.engine:q} --output {params.folder:q}"
        " --checkpoint {params.checkpoint:q} --max-seconds {params.seconds} 2>&1 | tee {log:q}"


# The shards of one node as one table.
rule labels_monte_carlo:
    input:
        parts=shards_of("labels", "parquet"),
        metrics=shards_of("labels", "json"),
    output:
        labels=output_of("labels", "labels.parquet"),
        metrics=output_of("labels", "metrics.json"),
    log:
        log_of("labels"),
    wildcard_constraints:
        name=one_of(study.names("labels", "monte_carlo")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("labels"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("labels"),
    shell:
        "python workflow/scripts/gather.py --job {params.job:q} --seed {wildcards.seed} --input parts {input.parts:q}"
        " --input metrics {input.metrics:q} --output {params.folder:q}"
        " --checkpoint {params.checkpoint:q} 2>&1 | tee {log:q}"


# What others have said of the steps of their solutions.
rule labels_published:
    input:
        unpack(inputs_of("labels")),
    output:
        labels=output_of("labels", "labels.parquet"),
        metrics=output_of("labels", "metrics.json"),
    log:
        log_of("labels"),
    wildcard_constraints:
        name=one_of(study.names("labels", "published")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("labels"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/published_labels.py --job {params.job:q} --seed {wildcards.seed}"
        " --input trajectories {input.trajectories:q} --input files {input.files:q}"
        " --output {params.folder:q} 2>&1 | tee {log:q}"
