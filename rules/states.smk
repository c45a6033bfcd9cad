"""States S0 to S9 of a run. S4 to S7 work by groups of countries, S8 gathers their parts."""

from scripts.contracts import dataset_path

RASTER = SETTINGS.population_raster
VALIDATION = [run(f"s9_validation/{file}") for file in ("MANIFEST.json", *BUNDLE)]


rule s0_gate:
    input:
        bundle_index=upstream("validation/index.json"),
        bundle_flag=upstream("validation/_passed.flag"),
        bundle=upstream_bundle,
        outlet_catalogue=upstream("outlet_catalogue.parquet"),
        candidate_set=upstream("s3_candidate_set.parquet"),
        freeze_guard=upstream("segment1a_freeze_guard.json"),
        countries=reference("countries.parquet"),
        facts=reference("country_facts.csv"),
        places=reference("places.parquet"),
        land_cover=reference("land_cover.parquet"),
        outlet_density=reference("outlet_density.csv"),
        outlet_statistics=reference("outlet_statistics.csv"),
        outlet_samples=reference("outlet_samples.csv"),
        manifest=reference("manifest.json"),
        own_polygons=source(SETTINGS.polygons_path or []),
        own_raster=source(RASTER or []),
        own_raster_cells=tiles("own_raster/raster_population.parquet") if RASTER else [],
        own_raster_report=tiles("own_raster/raster_population_report.json") if RASTER else [],
    output:
        receipt=run("s0_gate/s0_gate_receipt_1B.json"),
        sealed_inputs=run("s0_gate/sealed_inputs_1B.json"),
    log:
        logs("1B/{run_id}/{seed}/s0_gate"),
    resources:
        **demand("s0_gate"),
    params:
        code=code("states.s0_gate"),
        contracts=CONTRACTS_DIGEST,
        upstream_id=upstream_id,
    conda:
        ENV
    script:
        "../scripts/states/s0_gate.py"


rule s2_tile_weights:
    input:
        tile_index=tiles("s1_tile_index/tile_index.parquet"),
        tile_population=tiles("s1_tile_index/tile_population.parquet"),
        facts=reference("country_facts.csv"),
        policy=policy("s2"),
    output:
        tile_weights=shared("s2_tile_weights/tile_weights.parquet"),
        country_mass=shared("s2_tile_weights/country_mass.parquet"),
        report=shared("s2_tile_weights/s2_run_report.json"),
    log:
        logs("1B/{run_id}/s2_tile_weights"),
    resources:
        **demand("s2_tile_weights"),
    params:
        code=code("states.s2_tile_weights", policy("s2")),
    conda:
        ENV
    script:
        "../scripts/states/s2_tile_weights.py"


rule s3_requirements:
    input:
        gate=run("s0_gate/s0_gate_receipt_1B.json"),
        outlet_catalogue=upstream("outlet_catalogue.parquet"),
        candidate_set=upstream("s3_candidate_set.parquet"),
        country_mass=shared("s2_tile_weights/country_mass.parquet"),
        policy=policy("s2"),
    output:
        requirements=run("s3_requirements/s3_requirements.parquet"),
        ledger=run("s3_requirements/s3_steering_ledger.parquet"),
        report=run("s3_requirements/s3_run_report.json"),
    log:
        logs("1B/{run_id}/{seed}/s3_requirements"),
    resources:
        **demand("s3_requirements"),
    params:
        code=code("states.s3_requirements", policy("s2")),
    conda:
        ENV
    script:
        "../scripts/states/s3_requirements.py"


rule s4_guard:
    input:
        requirements=run("s3_requirements/s3_requirements.parquet"),
        candidate_set=upstream("s3_candidate_set.parquet"),
        country_mass=shared("s2_tile_weights/country_mass.parquet"),
        s2_policy=policy("s2"),
        policy=policy("s4"),
    output:
        pairs=run("s4_alloc_plan/s4_guarded_pairs.parquet"),
        ledger=run("s4_alloc_plan/s4_reroute_ledger.parquet"),
        summary=run("s4_alloc_plan/s4_guard_summary.json"),
    log:
        logs("1B/{run_id}/{seed}/s4_guard"),
    resources:
        **demand("s4_guard"),
    params:
        code=code("states.s4_guard", policy("s2"), policy("s4")),
    conda:
        ENV
    script:
        "../scripts/states/s4_guard.py"


rule s4_alloc_plan:
    input:
        pairs=run("s4_alloc_plan/s4_guarded_pairs.parquet"),
        summary=run("s4_alloc_plan/s4_guard_summary.json"),
        tile_weights=shared("s2_tile_weights/tile_weights.parquet"),
        places=reference("places.parquet"),
        tile_policy=policy("s1_tile_index"),
        policy=policy("s4"),
    output:
        plan=run("s4_alloc_plan/{part}.parquet"),
        spread=run("s4_alloc_plan/spread/{part}.parquet"),
        tally=run("s4_alloc_plan/tally/{part}.json"),
    log:
        logs("1B/{run_id}/{seed}/s4_alloc_plan.{part}"),
    resources:
        **demand("s4_alloc_plan"),
    params:
        code=code("states.s4_alloc_plan", policy("s1_tile_index"), policy("s4")),
    conda:
        ENV
    script:
        "../scripts/states/s4_alloc_plan.py"


rule s5_site_tile_assignment:
    input:
        plan=run("s4_alloc_plan/{part}.parquet"),
        policy=policy("s5"),
    output:
        assignment=run("s5_site_tile_assignment/{part}.parquet"),
        draws=run("s5_site_tile_assignment/draws/{part}.parquet"),
        tally=run("s5_site_tile_assignment/tally/{part}.json"),
    log:
        logs("1B/{run_id}/{seed}/s5_site_tile_assignment.{part}"),
    resources:
        **demand("s5_site_tile_assignment"),
    params:
        code=code("states.s5_site_tile_assignment", policy("s5")),
    conda:
        ENV
    script:
        "../scripts/states/s5_site_tile_assignment.py"


rule s6_site_jitter:
    input:
        assignment=run("s5_site_tile_assignment/{part}.parquet"),
        tile_index=tiles("s1_tile_index/tile_index.parquet"),
        countries=reference("countries.parquet"),
        places=reference("places.parquet"),
        tile_policy=policy("s1_tile_index"),
        policy=policy("s6"),
    output:
        jitter=run("s6_site_jitter/{part}.parquet"),
        draws=run("s6_site_jitter/draws/{part}.parquet"),
        tally=run("s6_site_jitter/tally/{part}.json"),
    log:
        logs("1B/{run_id}/{seed}/s6_site_jitter.{part}"),
    resources:
        **demand("s6_site_jitter"),
    params:
        code=code("states.s6_site_jitter", policy("s1_tile_index"), policy("s6")),
    conda:
        ENV
    script:
        "../scripts/states/s6_site_jitter.py"


rule s7_site_synthesis:
    input:
        assignment=run("s5_site_tile_assignment/{part}.parquet"),
        jitter=run("s6_site_jitter/{part}.parquet"),
        outlet_catalogue=upstream("outlet_catalogue.parquet"),
        steering_ledger=run("s3_requirements/s3_steering_ledger.parquet"),
        reroute_ledger=run("s4_alloc_plan/s4_reroute_ledger.parquet"),
        summary=run("s4_alloc_plan/s4_guard_summary.json"),
        tile_policy=policy("s1_tile_index"),
    output:
        synthesis=run("s7_site_synthesis/{part}.parquet"),
        tally=run("s7_site_synthesis/tally/{part}.json"),
    log:
        logs("1B/{run_id}/{seed}/s7_site_synthesis.{part}"),
    resources:
        **demand("s7_site_synthesis"),
    params:
        code=code("states.s7_site_synthesis", policy("s1_tile_index")),
    conda:
        ENV
    script:
        "../scripts/states/s7_site_synthesis.py"


rule s8_site_locations:
    input:
        synthesis=parts("s7_site_synthesis/{part}.parquet"),
        guard=run("s4_alloc_plan/s4_guard_summary.json"),
        spreads=parts("s4_alloc_plan/spread/{part}.parquet"),
        s4_tallies=parts("s4_alloc_plan/tally/{part}.json"),
        s5_tallies=parts("s5_site_tile_assignment/tally/{part}.json"),
        s6_tallies=parts("s6_site_jitter/tally/{part}.json"),
        s7_tallies=parts("s7_site_synthesis/tally/{part}.json"),
        s4_policy=policy("s4"),
        s5_policy=policy("s5"),
        s6_policy=policy("s6"),
    output:
        site_locations=run("s8_site_locations/site_locations.parquet"),
        s4_run_report=run("s4_alloc_plan/s4_run_report.json"),
        s5_run_report=run("s5_site_tile_assignment/s5_run_report.json"),
        s6_run_report=run("s6_site_jitter/s6_run_report.json"),
        s7_run_summary=run("s7_site_synthesis/s7_run_summary.json"),
        s8_run_summary=run("s8_site_locations/s8_run_summary.json"),
    log:
        logs("1B/{run_id}/{seed}/s8_site_locations"),
    resources:
        **demand("s8_site_locations"),
    params:
        code=code("states.s8_site_locations", policy("s4"), policy("s5"), policy("s6")),
    conda:
        ENV
    script:
        "../scripts/states/s8_site_locations.py"


def policies_of_run(wildcards):
    """Input function: all policy files of a run."""
    return source(sorted(run_of(wildcards).policies.values()))


def fork_record(wildcards):
    """Input function: record of the fork that a run's folder came from; nothing when it is none."""
    path = dataset_path(ROOT_OF_JOBS, "candidate_fork", run_id=wildcards.run_id)
    return (
        str(dataset_path(RUNS, "candidate_fork", run_id=wildcards.run_id)) if path.is_file() else []
    )


def run_identity(wildcards):
    """Name, posture, upstream with its kind, and tiles of a job's run."""
    named = run_of(wildcards)
    return {
        "name": named.name,
        "posture": named.posture.name,
        "upstream_id": named.upstream_id,
        "upstream_kind": SETTINGS.upstreams[named.upstream_id].kind,
        "tiles_id": named.tiles_id,
    }


rule run_receipt:
    input:
        gate_receipt=run("s0_gate/s0_gate_receipt_1B.json"),
        sealed_inputs=run("s0_gate/sealed_inputs_1B.json"),
        policies=policies_of_run,
        outputs=published(),
        fork=fork_record,
    output:
        receipt=run("run_receipt.json"),
    log:
        logs("1B/{run_id}/{seed}/run_receipt"),
    params:
        code=code("governance.run_receipt", policies_of_run),
        run=run_identity,
        runs_root=runs_root,
        versions=versions_of_run,
    conda:
        ENV
    script:
        "../scripts/governance/run_receipt.py"


rule s9_validation:
    input:
        receipt=run("run_receipt.json"),
        outlet_catalogue=upstream("outlet_catalogue.parquet"),
        candidate_set=upstream("s3_candidate_set.parquet"),
        requirements=run("s3_requirements/s3_requirements.parquet"),
        steering_ledger=run("s3_requirements/s3_steering_ledger.parquet"),
        reroute_ledger=run("s4_alloc_plan/s4_reroute_ledger.parquet"),
        plan=parts("s4_alloc_plan/{part}.parquet"),
        assignment=parts("s5_site_tile_assignment/{part}.parquet"),
        assignment_log=parts("s5_site_tile_assignment/draws/{part}.parquet"),
        jitter=parts("s6_site_jitter/{part}.parquet"),
        jitter_log=parts("s6_site_jitter/draws/{part}.parquet"),
        synthesis=parts("s7_site_synthesis/{part}.parquet"),
        site_locations=run("s8_site_locations/site_locations.parquet"),
        tile_index=tiles("s1_tile_index/tile_index.parquet"),
        tile_weights=shared("s2_tile_weights/tile_weights.parquet"),
        countries=reference("countries.parquet"),
        places=reference("places.parquet"),
        facts=reference("country_facts.csv"),
        points=tiles("fidelity_reference/fidelity_points.parquet"),
        tile_policy=policy("s1_tile_index"),
        weights_policy=policy("s2"),
        plan_policy=policy("s4"),
        assignment_policy=policy("s5"),
        jitter_policy=policy("s6"),
        policy=policy("s9"),
    output:
        manifest=run("s9_validation/MANIFEST.json"),
        summary=run("s9_validation/s9_summary.json"),
        rng_accounting=run("s9_validation/rng_accounting.json"),
        egress_checksums=run("s9_validation/egress_checksums.json"),
        parameter_hash=run("s9_validation/parameter_hash_resolved.json"),
        manifest_fingerprint=run("s9_validation/manifest_fingerprint_resolved.json"),
        index=run("s9_validation/index.json"),
    log:
        logs("1B/{run_id}/{seed}/s9_validation"),
    resources:
        **demand("s9_validation"),
    params:
        code=code("states.s9_validation", policies_of_run),
    conda:
        ENV
    script:
        "../scripts/states/s9_validation.py"


rule s9_passed_flag:
    input:
        summary=run("s9_validation/s9_summary.json"),
        bundle=VALIDATION,
    output:
        flag=run("s9_validation/_passed.flag"),
    log:
        logs("1B/{run_id}/{seed}/s9_passed_flag"),
    params:
        code=code("states.s9_passed_flag"),
    conda:
        ENV
    script:
        "../scripts/states/s9_passed_flag.py"
