"""Scoring: a scorecard per seed, and the report on the baseline (P0)."""

# A run is measured against the baseline's sites of its seed, the baseline against nothing.
BASELINE_SITES = run("s8_site_locations/site_locations.parquet").replace(
    "{run_id}", BASELINE_RUN_ID
)


def over_p0_seeds(path):
    """A file of a run for each required seed."""
    return each_seed(path, seeds=P0_SEEDS)


def companion(file, table):
    """A companion table of a scorecard, for `--report` too."""
    return report(
        run(f"scorecard/segment1b_scorecard_{file}.csv"),
        caption="../report/table.rst",
        category="Scorecards",
        labels=labels(table=table),
    )


rule scorecard:
    input:
        site_locations=run("s8_site_locations/site_locations.parquet"),
        s9_summary=run("s9_validation/s9_summary.json"),
        baseline_sites=branch(evaluate(f"{{run_id}} != '{BASELINE_RUN_ID}'"), then=BASELINE_SITES),
        outlet_catalogue=upstream("outlet_catalogue.parquet"),
        cells=tiles("fidelity_reference/fidelity_cells.parquet"),
        points=tiles("fidelity_reference/fidelity_points.parquet"),
        width=tiles("fidelity_reference/people_width.parquet"),
        tile_index=tiles("s1_tile_index/tile_index.parquet"),
        tile_population=tiles("s1_tile_index/tile_population.parquet"),
        tile_weights=shared("s2_tile_weights/tile_weights.parquet"),
        tile_policy=policy("s1_tile_index"),
        density=reference("outlet_density.csv"),
        facts=reference("country_facts.csv"),
        places=reference("places.parquet"),
        near_urban=tiles("fidelity_reference/near_urban_cells.parquet"),
        s2_policy=policy("s2"),
        gates=GATES,
    output:
        scorecard=report(
            run("scorecard/segment1b_scorecard.json"),
            caption="../report/scorecard.rst",
            category="Scorecards",
            labels=labels(table="scorecard"),
        ),
        country_share=companion("country_share", "shares of countries"),
        region_share=companion("region_share", "shares of regions"),
        nn_quantiles=companion("nn_quantiles", "distance quantiles"),
    log:
        logs("1B/{run_id}/{seed}/scorecard"),
    resources:
        **demand("scorecard"),
    params:
        code=code("scorers.scorecard", policy("s1_tile_index"), policy("s2"), GATES),
    conda:
        ENV
    script:
        "../scripts/scorers/scorecard.py"


rule p0_baseline:
    input:
        scorecards=over_p0_seeds(run("scorecard/segment1b_scorecard.json")),
        country_share=over_p0_seeds(run("scorecard/segment1b_scorecard_country_share.csv")),
        region_share=over_p0_seeds(run("scorecard/segment1b_scorecard_region_share.csv")),
        nn_quantiles=over_p0_seeds(run("scorecard/segment1b_scorecard_nn_quantiles.csv")),
        receipts=over_p0_seeds(run("run_receipt.json")),
        s2_report=shared("s2_tile_weights/s2_run_report.json"),
        s4_reports=over_p0_seeds(run("s4_alloc_plan/s4_run_report.json")),
        s6_reports=over_p0_seeds(run("s6_site_jitter/s6_run_report.json")),
        s8_summaries=over_p0_seeds(run("s8_site_locations/s8_run_summary.json")),
        gates=GATES,
    output:
        report=report(
            reports("segment1b_p0_baseline_{run_id}.json"),
            caption="../report/p0_baseline.rst",
            category="Verdict",
            labels={"file": "baseline (P0)"},
        ),
        country_share=reports("segment1b_p0_baseline_{run_id}_country_share.csv"),
        region_share=reports("segment1b_p0_baseline_{run_id}_region_share.csv"),
        nn_quantiles=reports("segment1b_p0_baseline_{run_id}_nn_quantiles.csv"),
    log:
        logs("1B/{run_id}/p0_baseline"),
    params:
        code=code("scorers.p0_baseline", GATES),
    conda:
        ENV
    script:
        "../scripts/scorers/p0_baseline.py"
