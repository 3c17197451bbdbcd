# One job a policy and seed: the engine is loaded once and answers every data set, greedily and by sampling.
rule evaluations_sampled:
    input:
        unpack(inputs_of("evaluations")),
    output:
        answers=output_of("evaluations", "answers.parquet"),
        metrics=output_of("evaluations", "metrics.json"),
    log:
        log_of("evaluations"),
    wildcard_constraints:
        name=one_of(study.names("evaluations", "sampled")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("sample", "evaluations", "sampled")
    resources:
        **resources_for("sample", "evaluations", "sampled"),
    params:
        job=job_of("evaluations"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("evaluations"),
        engine=study.engine(),
        seconds=seconds_of,
    shell:
        "python workflow/scripts/evaluate.py --job {params.job:q} --seed {wildcards.seed} --input policy {input.policy:q}"
        " --input questions {input.questions:q} --input prms {input.prms:q} --engine {params.engine:q}"
        " --output {params.folder:q} --checkpoint {params.checkpoint:q} --max-seconds {params.seconds} 2>&1 | tee {log:q}"


# Answers that are there already: only their steps are scored.
rule evaluations_given:
    input:
        unpack(inputs_of("evaluations")),
    output:
        answers=output_of("evaluations", "answers.parquet"),
        metrics=output_of("evaluations", "metrics.json"),
    log:
        log_of("evaluations"),
    wildcard_constraints:
        name=one_of(study.names("evaluations", "given")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("score", "evaluations", "given")
    resources:
        **resources_for("score", "evaluations", "given"),
    params:
        job=job_of("evaluations"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("evaluations"),
        seconds=seconds_of,
    shell:
        "python workflow/scripts/judge.py --job {params.job:q} --seed {wildcards.seed}"
        " --input tokenizer {input.tokenizer:q} --input trajectories {input.trajectories:q}"
        " --input questions {input.questions:q} --input prms {input.prms:q}"
        " --output {params.folder:q} --checkpoint {params.checkpoint:q} --max-seconds {params.seconds} 2>&1 | tee {log:q}"
