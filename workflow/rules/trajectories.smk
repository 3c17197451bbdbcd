# Trajectories: a policy's sampled answers, in shards that a cluster runs side by side.
rule trajectories_shard:
    input:
        unpack(inputs_of("trajectories")),
    output:
        part=temp(output_of("trajectories", "shards/{scatteritem}.parquet")),
        metrics=temp(output_of("trajectories", "shards/{scatteritem}.json")),
    log:
        log_of("trajectories", "{scatteritem}"),
    wildcard_constraints:
        name=one_of(study.names("trajectories", "sampled")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("sample", "trajectories", "sampled")
    resources:
        **resources_for("sample", "trajectories", "sampled"),
    params:
        job=job_of("trajectories"),
        folder=subpath(output.metrics, ancestor=2),
        checkpoint=checkpoint_of("trajectories"),
        engine=study.engine(),
        seconds=seconds_of,
    shell:
        "python workflow/scripts/sample.py --job {params.job:q} --seed {wildcards.seed}"
        " --input policy {input.policy:q} --input questions {input.questions:q}"
        " --shard {wildcards.scatteritem} --engine {params.engine:q} --output {params.folder:q}"
        " --checkpoint {params.checkpoint:q} --max-seconds {params.seconds} 2>&1 | tee {log:q}"


# The shards of one node as one table.
rule trajectories_sampled:
    input:
        parts=shards_of("trajectories", "parquet"),
        metrics=shards_of("trajectories", "json"),
    output:
        trajectories=output_of("trajectories", "trajectories.parquet"),
        metrics=output_of("trajectories", "metrics.json"),
    log:
        log_of("trajectories"),
    wildcard_constraints:
        name=one_of(study.names("trajectories", "sampled")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("trajectories"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("trajectories"),
    shell:
        "python workflow/scripts/gather.py --job {params.job:q} --seed {wildcards.seed} --input parts {input.parts:q}"
        " --input metrics {input.metrics:q} --output {params.folder:q}"
        " --checkpoint {params.checkpoint:q} 2>&1 | tee {log:q}"


# Published answers to a split, graded as sampled ones are.
rule trajectories_candidates:
    input:
        unpack(inputs_of("trajectories")),
    output:
        trajectories=output_of("trajectories", "trajectories.parquet"),
        metrics=output_of("trajectories", "metrics.json"),
    log:
        log_of("trajectories"),
    wildcard_constraints:
        name=one_of(study.names("trajectories", "candidates")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("trajectories"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/candidates.py --job {params.job:q} --seed {wildcards.seed}"
        " --input tokenizer {input.tokenizer:q} --input questions {input.questions:q} --input files {input.files:q}"
        " --output {params.folder:q} 2>&1 | tee {log:q}"


# Published solutions whose steps others have labelled.
rule trajectories_solutions:
    input:
        unpack(inputs_of("trajectories")),
    output:
        trajectories=output_of("trajectories", "trajectories.parquet"),
        metrics=output_of("trajectories", "metrics.json"),
    log:
        log_of("trajectories"),
    wildcard_constraints:
        name=one_of(study.names("trajectories", "solutions")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("trajectories"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/solutions.py --job {params.job:q} --seed {wildcards.seed}"
        " --input tokenizer {input.tokenizer:q} --input files {input.files:q}"
        " --output {params.folder:q} 2>&1 | tee {log:q}"
