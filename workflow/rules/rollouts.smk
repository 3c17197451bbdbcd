# Many rollouts of some states, each kept, in shards that a cluster runs side by side.
rule rollouts_shard:
    input:
        unpack(inputs_of("rollouts")),
    output:
        part=temp(output_of("rollouts", "shards/{scatteritem}.parquet")),
        metrics=temp(output_of("rollouts", "shards/{scatteritem}.json")),
    log:
        log_of("rollouts", "{scatteritem}"),
    wildcard_constraints:
        name=one_of(study.names("rollouts")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("sample", "rollouts")
    resources:
        **resources_for("sample", "rollouts"),
    params:
        job=job_of("rollouts"),
        folder=subpath(output.metrics, ancestor=2),
        checkpoint=checkpoint_of("rollouts"),
        engine=study.engine(),
        seconds=seconds_of,
    shell:
        "python workflow/scripts/roll_out.py --job {params.job:q} --seed {wildcards.seed}"
        " --input policy {input.policy:q} --input trajectories {input.trajectories:q} --input questions {input.questions:q}"
        " --shard {wildcards.scatteritem} --engine {params.engine:q} --output {params.folder:q}"
        " --checkpoint {params.checkpoint:q} --max-seconds {params.seconds} 2>&1 | tee {log:q}"


# The shards of one node as one table.
rule rollouts:
    input:
        parts=shards_of("rollouts", "parquet"),
        metrics=shards_of("rollouts", "json"),
    output:
        rollouts=output_of("rollouts", "rollouts.parquet"),
        metrics=output_of("rollouts", "metrics.json"),
    log:
        log_of("rollouts"),
    wildcard_constraints:
        name=one_of(study.names("rollouts")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("rollouts"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("rollouts"),
    shell:
        "python workflow/scripts/gather.py --job {params.job:q} --seed {wildcards.seed} --input parts {input.parts:q}"
        " --input metrics {input.metrics:q} --output {params.folder:q}"
        " --checkpoint {params.checkpoint:q} 2>&1 | tee {log:q}"
