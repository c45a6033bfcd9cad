"""Scoring: the reference Earth of a run, a scorecard per seed, and the pinned baseline (P0)."""

# The baseline is pinned over the required seeds, whichever seeds a run takes.
P0_SEEDS = list(SETTINGS.required_seeds)


rule fidelity_reference:
    input:
        tile_index=DATA["tile_index"],
        tile_population=DATA["tile_population"],
        land_cover=REFERENCE["land_cover"],
        tile_policy=policy_of("s1_tile_index"),
    output:
        cells=DATA["fidelity_cells"],
        points=DATA["fidelity_points"],
    log:
        f"{LOGS}/1B/{{run_id}}/fidelity_reference.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/fidelity_reference.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=state_version("scorers.fidelity_reference"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Fidelity {wildcards.run_id}: population on one-degree cells"
    script:
        "../scripts/scorers/fidelity_reference.py"


rule scorecard:
    input:
        site_locations=DATA["site_locations"],
        s9_summary=DATA["validation_summary_1B"],
        baseline_sites=BOARD.baseline_sites,
        outlet_catalogue=upstream_file("outlet_catalogue"),
        cells=DATA["fidelity_cells"],
        points=DATA["fidelity_points"],
        facts=REFERENCE["facts"],
        places=REFERENCE["places"],
        land_cover=REFERENCE["land_cover"],
        s2_policy=policy_of("s2"),
        gates=GATES,
    output:
        scorecard=report(
            DATA["segment1b_scorecard"],
            caption="../report/scorecard.rst",
            category="Scorecards",
            labels=BOARD.labels(table="scorecard"),
        ),
        country_share=report(
            DATA["segment1b_country_share"],
            caption="../report/table.rst",
            category="Scorecards",
            labels=BOARD.labels(table="shares of countries"),
        ),
        region_share=report(
            DATA["segment1b_region_share"],
            caption="../report/table.rst",
            category="Scorecards",
            labels=BOARD.labels(table="shares of regions"),
        ),
        nn_quantiles=report(
            DATA["segment1b_nn_quantiles"],
            caption="../report/table.rst",
            category="Scorecards",
            labels=BOARD.labels(table="distance quantiles"),
        ),
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/scorecard.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/scorecard.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("scorecard"),
        runtime=BOARD.runtime("scorecard"),
    params:
        version=state_version("scorers.scorecard"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Scorecard {wildcards.run_id} seed {wildcards.seed}"
    script:
        "../scripts/scorers/scorecard.py"


rule p0_baseline:
    input:
        scorecards=expand(DATA["segment1b_scorecard"], seed=P0_SEEDS, allow_missing=True),
        country_share=expand(DATA["segment1b_country_share"], seed=P0_SEEDS, allow_missing=True),
        region_share=expand(DATA["segment1b_region_share"], seed=P0_SEEDS, allow_missing=True),
        nn_quantiles=expand(DATA["segment1b_nn_quantiles"], seed=P0_SEEDS, allow_missing=True),
        receipts=expand(DATA["run_receipt"], seed=P0_SEEDS, allow_missing=True),
        s2_report=DATA["s2_run_report"],
        s4_reports=expand(DATA["s4_run_report"], seed=P0_SEEDS, allow_missing=True),
        s6_reports=expand(DATA["s6_run_report"], seed=P0_SEEDS, allow_missing=True),
        s8_summaries=expand(DATA["s8_run_summary"], seed=P0_SEEDS, allow_missing=True),
        gates=GATES,
    output:
        report=report(
            DATA["segment1b_p0_baseline"],
            caption="../report/p0_baseline.rst",
            category="Verdict",
            labels={"file": "baseline (P0)"},
        ),
        country_share=DATA["segment1b_p0_country_share"],
        region_share=DATA["segment1b_p0_region_share"],
        nn_quantiles=DATA["segment1b_p0_nn_quantiles"],
    log:
        f"{LOGS}/1B/{{run_id}}/p0_baseline.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/p0_baseline.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=15,
    params:
        version=state_version("scorers.p0_baseline"),
    conda:
        "../envs/runtime.yaml"
    message:
        "P0 {wildcards.run_id}: the baseline authority"
    script:
        "../scripts/scorers/p0_baseline.py"
