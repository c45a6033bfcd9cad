"""Retention, forks, and the board: commands on the run tree, which no other job waits for."""

KEPT_RUNS = sorted({RELEASE_RUN_ID, BASELINE_RUN_ID})
PARENT = {"name": SETTINGS.parent, "run_id": BOARD.run_id_of(SETTINGS.parent)}
CHILD = {
    "name": SETTINGS.candidate,
    "run_id": RELEASE_RUN_ID,
    "posture": SETTINGS.runs[RELEASE_RUN_ID].posture.name,
}


rule prune:
    log:
        f"{LOGS}/1B/prune.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        runs_root=runs_root,
        keep=KEPT_RUNS,
        execute=SETTINGS.prune_execute,
    conda:
        "../envs/runtime.yaml"
    message:
        "Prune: superseded runs below {params.runs_root}"
    script:
        "../scripts/governance/prune.py"


rule fork:
    log:
        f"{LOGS}/1B/fork.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        runs_root=runs_root,
        child=CHILD,
        parent=PARENT,
        keep=KEPT_RUNS,
        prune_execute=SETTINGS.prune_execute,
        quiet=QUIET,
    conda:
        "../envs/runtime.yaml"
    message:
        "Fork {SETTINGS.candidate} from {SETTINGS.parent}"
    script:
        "../scripts/governance/fork.py"


rule status:
    log:
        f"{LOGS}/1B/status.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        runs_root=runs_root,
        phase_runs=PROMOTION.phase_runs(),
        names=PROMOTION.run_names(),
    conda:
        "../envs/runtime.yaml"
    message:
        "Status"
    script:
        "../scripts/governance/status.py"


rule explain:
    log:
        f"{LOGS}/1B/explain.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        target="certify",
        config=config,
        snakefile=workflow.main_snakefile,
    conda:
        "../envs/runtime.yaml"
    message:
        "Explain: what certify would run since the last time"
    script:
        "../scripts/governance/explain.py"
