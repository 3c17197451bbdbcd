# Preference pairs, and the reference policy's log-probs of both sides, computed once for every training that uses them.
rule pairs:
    input:
        unpack(inputs_of("pairs")),
    output:
        pairs=output_of("pairs", "pairs.parquet"),
        metrics=output_of("pairs", "metrics.json"),
    log:
        log_of("pairs"),
    priority: 1
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("pairs"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/pairs.py --job {params.job:q} --seed {wildcards.seed} --input rewards {input.rewards:q}"
        " --input trajectories {input.trajectories:q} --input scores {input.scores:q} --input left_out {input.left_out:q}"
        " --output {params.folder:q} 2>&1 | tee {log:q}"


rule reference:
    input:
        pairs=output_of("pairs", "pairs.parquet"),
        policy=lambda wildcards: study.reference_policy(wildcards.name, wildcards.seed),
    output:
        reference=output_of("pairs", "reference.parquet"),
        metrics=output_of("pairs", "reference.json"),
    log:
        log_of("pairs", "reference"),
    priority: 1
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("score", "pairs")
    resources:
        **resources_for("score", "pairs"),
    params:
        job=job_of("pairs"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("pairs"),
        seconds=seconds_of,
    shell:
        "python workflow/scripts/reference.py --job {params.job:q} --seed {wildcards.seed} --input pairs {input.pairs:q}"
        " --input policy {input.policy:q} --output {params.folder:q}"
        " --checkpoint {params.checkpoint:q} --max-seconds {params.seconds} 2>&1 | tee {log:q}"
