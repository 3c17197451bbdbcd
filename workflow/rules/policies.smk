# Policies: every one a checkpoint, made from the checkpoint of the node that it starts from. Priorities keep long
# trainings ahead of evaluations, so that nothing waits for the longest job at the end.


# Atomic skills of the generated world.
rule policies_pretrain:
    input:
        unpack(inputs_of("policies")),
    output:
        policy=directory(output_of("policies", "checkpoint")),
        metrics=output_of("policies", "metrics.json"),
        history=output_of("policies", "history.jsonl"),
    log:
        log_of("policies"),
    wildcard_constraints:
        name=one_of(study.names("policies", "pretrain")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("train", "policies", "pretrain")
    resources:
        **resources_for("train", "policies", "pretrain"),
    params:
        job=job_of("policies"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("policies"),
        launch=launcher_of("policies"),
        seconds=seconds_of,
    shell:
        "{params.launch} workflow/scripts/pretrain.py --job {params.job:q} --seed {wildcards.seed}"
        " --input start {input.start:q}"
        " --output {params.folder:q} --checkpoint {params.checkpoint:q} --max-seconds {params.seconds}"
        " 2>&1 | tee {log:q}"


# Demonstrations.
rule policies_sft:
    input:
        unpack(inputs_of("policies")),
    output:
        policy=directory(output_of("policies", "checkpoint")),
        metrics=output_of("policies", "metrics.json"),
        history=output_of("policies", "history.jsonl"),
    log:
        log_of("policies"),
    wildcard_constraints:
        name=one_of(study.names("policies", "sft")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("train", "policies", "sft")
    resources:
        **resources_for("train", "policies", "sft"),
    params:
        job=job_of("policies"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("policies"),
        launch=launcher_of("policies"),
        seconds=seconds_of,
    shell:
        "{params.launch} workflow/scripts/sft.py --job {params.job:q} --seed {wildcards.seed}"
        " --input start {input.start:q} --input questions {input.questions:q}"
        " --output {params.folder:q} --checkpoint {params.checkpoint:q} --max-seconds {params.seconds}"
        " 2>&1 | tee {log:q}"


# Right answers of a policy itself.
rule policies_restem:
    input:
        unpack(inputs_of("policies")),
    output:
        policy=directory(output_of("policies", "checkpoint")),
        metrics=output_of("policies", "metrics.json"),
        history=output_of("policies", "history.jsonl"),
    log:
        log_of("policies"),
    wildcard_constraints:
        name=one_of(study.names("policies", "restem")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("train", "policies", "restem")
    resources:
        **resources_for("train", "policies", "restem"),
    params:
        job=job_of("policies"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("policies"),
        launch=launcher_of("policies"),
        seconds=seconds_of,
    shell:
        "{params.launch} workflow/scripts/restem.py --job {params.job:q} --seed {wildcards.seed}"
        " --input start {input.start:q} --input trajectories {input.trajectories:q}"
        " --output {params.folder:q} --checkpoint {params.checkpoint:q} --max-seconds {params.seconds}"
        " 2>&1 | tee {log:q}"


# One of several rounds, by its accuracy on questions that no result is reported on.
rule policies_select:
    input:
        unpack(inputs_of("policies")),
    output:
        policy=directory(output_of("policies", "checkpoint")),
        metrics=output_of("policies", "metrics.json"),
        history=output_of("policies", "history.jsonl"),
    log:
        log_of("policies"),
    wildcard_constraints:
        name=one_of(study.names("policies", "select")),
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("light", "policies", "select")
    resources:
        **resources_for("light", "policies", "select"),
    params:
        job=job_of("policies"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python workflow/scripts/choose.py --job {params.job:q} --seed {wildcards.seed}"
        " --input policies {input.policies:q} --input answers {input.answers:q}"
        " --output {params.folder:q}"
        " 2>&1 | tee {log:q}"
