# Policies that learn from preferences and from rewards.


# Preference pairs, against reference log-probs that are computed once.
rule policies_dpo:
    input:
        unpack(inputs_of("policies")),
    output:
        policy=directory(output_of("policies", "checkpoint")),
        metrics=output_of("policies", "metrics.json"),
        history=output_of("policies", "history.jsonl"),
    log:
        log_of("policies"),
    wildcard_constraints:
        name=one_of(study.names("policies", "dpo")),
    priority: 1
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("train", "policies", "dpo")
    resources:
        **resources_for("train", "policies", "dpo"),
    params:
        job=job_of("policies"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("policies"),
        launch=launcher_of("policies"),
        seconds=seconds_of,
    shell:
        "{params.launch} workflow/scripts/dpo.py --job {params.job:q} --seed {wildcards.seed}"
        " --input start {input.start:q} --input pairs {input.pairs:q} --input reference {input.reference:q}"
        " --output {params.folder:q} --checkpoint {params.checkpoint:q} --max-seconds {params.seconds}"
        " 2>&1 | tee {log:q}"


# On-policy learning; without a PRM the reward is the outcome.
rule policies_ppo:
    input:
        unpack(inputs_of("policies")),
    output:
        policy=directory(output_of("policies", "checkpoint")),
        metrics=output_of("policies", "metrics.json"),
        history=output_of("policies", "history.jsonl"),
    log:
        log_of("policies"),
    wildcard_constraints:
        name=one_of(study.names("policies", "ppo")),
    priority: 2
    conda:
        "../envs/stepladder.yaml"
    threads: threads_for("reinforce", "policies", "ppo")
    resources:
        **resources_for("reinforce", "policies", "ppo"),
    params:
        job=job_of("policies"),
        folder=subpath(output.metrics, parent=True),
        checkpoint=checkpoint_of("policies"),
        launch=launcher_of("policies"),
        seconds=seconds_of,
    shell:
        "{params.launch} workflow/scripts/ppo.py --job {params.job:q} --seed {wildcards.seed}"
        " --input start {input.start:q} --input questions {input.questions:q} --input prm {input.prm:q}"
        " --output {params.folder:q} --checkpoint {params.checkpoint:q} --max-seconds {params.seconds}"
        " 2>&1 | tee {log:q}"
