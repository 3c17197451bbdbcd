# One reward a trajectory: step scores accumulated, shaped by length, with or without an outcome term.
rule rewards:
    input:
        unpack(inputs_of("rewards")),
    output:
        rewards=output_of("rewards", "rewards.parquet"),
        metrics=output_of("rewards", "metrics.json"),
    log:
        log_of("rewards"),
    priority: 1
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light")
    resources:
        **resources_for("light"),
    params:
        job=job_of("rewards"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/reward.py --job {params.job:q} --seed {wildcards.seed} --input scores {input.scores:q}"
        " --input trajectories {input.trajectories:q} --output {params.folder:q} 2>&1 | tee {log:q}"
