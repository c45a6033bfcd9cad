"""Recovery (P4.3): a bounded search for BPLUS, for a candidate that holds B and nothing else."""

from scripts.ladder.recovery import load_recovery

RECOVERY = source("config/recovery.yaml")
try:
    RECOVERY_SEARCH = load_recovery(RECOVERY)
except SegmentError as error:
    raise WorkflowError(str(error)) from None
RECOVERY_ATTEMPTS = attempts_of(RECOVERY_SEARCH)
RECOVERIES = SearchBoard(DATA, RECOVERY_ATTEMPTS, "recovery_best", "recovery_start")


rule start_recovery:
    input:
        integrated=DATA["segment1b_p4_integrated"],
        scorecards=expand(DATA["segment1b_scorecard"], seed=SEEDS, allow_missing=True),
        reference_scorecards=PROMOTION.integrated_reference,
        s2=policy_of("s2"),
        s4=policy_of("s4"),
        s6=policy_of("s6"),
        gates=GATES,
        calibration=CALIBRATION,
        recovery=RECOVERY,
    output:
        start=DATA["recovery_start"],
    log:
        f"{LOGS}/1B/{{run_id}}/start_recovery.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/start_recovery.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("ladder.start_recovery"),
    conda:
        "../envs/runtime.yaml"
    message:
        "P4 {wildcards.run_id}: whether a recovery is allowed, and from where"
    script:
        "../scripts/ladder/start_recovery.py"


rule recovery_attempt:
    input:
        start=DATA["recovery_start"],
        best=RECOVERIES.best_before,
        gates=GATES,
        gate=expand(DATA["s0_gate_receipt_1B"], seed=SEEDS, allow_missing=True),
        reference_scorecards=PROMOTION.integrated_reference,
        tile_index=tiles("s1_tile_index/tile_index.parquet"),
        tile_population=tiles("s1_tile_index/tile_population.parquet"),
        outlet_catalogue=BOARD.upstream_over_seeds("outlet_catalogue"),
        candidate_set=BOARD.upstream_over_seeds("s3_candidate_set"),
        baseline_sites=expand(DATA["site_locations"], run_id=BASELINE_RUN_ID, seed=SEEDS),
        cells=tiles("fidelity_reference/fidelity_cells.parquet"),
        points=tiles("fidelity_reference/fidelity_points.parquet"),
        countries=REFERENCE["countries"],
        facts=REFERENCE["facts"],
        places=REFERENCE["places"],
        land_cover=REFERENCE["land_cover"],
        tile_policy=policy_of("s1_tile_index"),
        s5_policy=policy_of("s5"),
        calibration=CALIBRATION,
        recovery=RECOVERY,
    output:
        attempt=DATA["recovery_attempt"],
        s2=DATA["recovery_policy_s2"],
        s4=DATA["recovery_policy_s4"],
        s6=DATA["recovery_policy_s6"],
    log:
        f"{LOGS}/1B/{{run_id}}/recovery_attempt.{{cycle}}.{{attempt}}.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/recovery_attempt.{{cycle}}.{{attempt}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        version=state_version("ladder.recovery_attempt"),
        name=run_name,
        seeds=SEEDS,
    conda:
        "../envs/runtime.yaml"
    message:
        "Recovery {wildcards.run_id}: cycle {wildcards.cycle}, attempt {wildcards.attempt}"
    script:
        "../scripts/ladder/recovery_attempt.py"


rule rank_recovery:
    input:
        best=RECOVERIES.best_before,
        attempts=RECOVERIES.of_cycle("recovery_attempt"),
        s2=RECOVERIES.of_cycle("recovery_policy_s2"),
        s4=RECOVERIES.of_cycle("recovery_policy_s4"),
        s6=RECOVERIES.of_cycle("recovery_policy_s6"),
        calibration=CALIBRATION,
        recovery=RECOVERY,
    output:
        best=DATA["recovery_best"],
    log:
        f"{LOGS}/1B/{{run_id}}/rank_recovery.{{cycle}}.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/rank_recovery.{{cycle}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("ladder.rank_recovery"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Recovery {wildcards.run_id}: best safe attempt after cycle {wildcards.cycle}"
    script:
        "../scripts/ladder/rank_recovery.py"


rule record_recovery:
    input:
        integrated=DATA["segment1b_p4_integrated"],
        start=DATA["recovery_start"],
        attempts=RECOVERIES.of_all("recovery_attempt"),
        best=expand(DATA["recovery_best"], cycle=len(RECOVERY_ATTEMPTS) - 1, allow_missing=True),
        s2=policy_of("s2"),
        s4=policy_of("s4"),
        s6=policy_of("s6"),
    output:
        record=DATA["segment1b_p4_recovery"],
        s2=DATA["recovery_best_policy_s2"],
        s4=DATA["recovery_best_policy_s4"],
        s6=DATA["recovery_best_policy_s6"],
    log:
        f"{LOGS}/1B/{{run_id}}/record_recovery.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/record_recovery.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("ladder.record_recovery"),
        runs_root=runs_root,
    conda:
        "../envs/runtime.yaml"
    message:
        "Recovery {wildcards.run_id}: record"
    script:
        "../scripts/ladder/record_recovery.py"


rule recover:
    input:
        **PROMOTION.recovery_target(),
    log:
        f"{LOGS}/1B/recover.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("ladder.recover"),
        runs_root=runs_root,
        quiet=QUIET,
        faults=PROMOTION.faults("P4", CANDIDATE),
    conda:
        "../envs/runtime.yaml"
    message:
        "P4.3: bounded recovery of {SETTINGS.candidate}"
    script:
        "../scripts/ladder/recover.py"
