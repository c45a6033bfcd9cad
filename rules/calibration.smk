"""Calibration: a bounded search over the policies of the candidate, cycle by cycle."""

from scripts.ladder.calibration import attempts_of
from scripts.workflow import SearchBoard

ATTEMPTS = attempts_of(SEARCH)
CYCLES = SearchBoard(DATA, ATTEMPTS)


rule evaluate_attempt:
    input:
        best=CYCLES.best_before,
        gate=DATA["s0_gate_receipt_1B"],
        tile_index=tiles("s1_tile_index/tile_index.parquet"),
        tile_population=tiles("s1_tile_index/tile_population.parquet"),
        outlet_catalogue=upstream_file("outlet_catalogue"),
        candidate_set=upstream_file("s3_candidate_set"),
        baseline_sites=baseline_sites,
        cells=tiles("fidelity_reference/fidelity_cells.parquet"),
        points=tiles("fidelity_reference/fidelity_points.parquet"),
        countries=REFERENCE["countries"],
        facts=REFERENCE["facts"],
        places=REFERENCE["places"],
        land_cover=REFERENCE["land_cover"],
        tile_policy=policy_of("s1_tile_index"),
        s2=policy_of("s2"),
        s4=policy_of("s4"),
        s5_policy=policy_of("s5"),
        s6=policy_of("s6"),
        gates=GATES,
        calibration=CALIBRATION,
    output:
        attempt=DATA["calibration_attempt"],
        s2=DATA["calibration_policy_s2"],
        s4=DATA["calibration_policy_s4"],
        s6=DATA["calibration_policy_s6"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/evaluate_attempt.{{cycle}}.{{attempt}}.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/evaluate_attempt.{{cycle}}.{{attempt}}.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("evaluate_attempt"),
        runtime=BOARD.runtime("evaluate_attempt"),
    params:
        version=state_version("ladder.evaluate_attempt"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Calibration {wildcards.run_id} seed {wildcards.seed}: cycle {wildcards.cycle}, attempt {wildcards.attempt}"
    script:
        "../scripts/ladder/evaluate_attempt.py"


rule rank_cycle:
    input:
        best=CYCLES.best_before,
        attempts=CYCLES.of_cycle("calibration_attempt"),
        s2=CYCLES.of_cycle("calibration_policy_s2"),
        s4=CYCLES.of_cycle("calibration_policy_s4"),
        s6=CYCLES.of_cycle("calibration_policy_s6"),
        calibration=CALIBRATION,
    output:
        best=DATA["calibration_best"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/rank_cycle.{{cycle}}.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/rank_cycle.{{cycle}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("ladder.rank_cycle"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Calibration {wildcards.run_id} seed {wildcards.seed}: best after cycle {wildcards.cycle}"
    script:
        "../scripts/ladder/rank_cycle.py"


rule rank_calibration:
    input:
        attempts=CYCLES.of_all("calibration_attempt"),
        best=expand(DATA["calibration_best"], cycle=len(ATTEMPTS) - 1, allow_missing=True),
        calibration=CALIBRATION,
    output:
        leaderboard=DATA["calibration_leaderboard"],
        table=DATA["calibration_leaderboard_table"],
        s2=DATA["calibration_best_policy_s2"],
        s4=DATA["calibration_best_policy_s4"],
        s6=DATA["calibration_best_policy_s6"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/rank_calibration.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/rank_calibration.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("ladder.rank_calibration"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Calibration {wildcards.run_id} seed {wildcards.seed}: leaderboard"
    script:
        "../scripts/ladder/rank_calibration.py"


rule calibrate:
    input:
        DATA["calibration_leaderboard"].format(run_id=RELEASE_RUN_ID, seed=SEARCH["seed"]),
        DATA["calibration_leaderboard_table"].format(run_id=RELEASE_RUN_ID, seed=SEARCH["seed"]),
