"""States S0 to S3, the receipt and S9: one rule each, fed the policies that it obeys."""


rule s0_gate:
    input:
        **OWN_INPUTS,
        bundle_index=upstream_file("validation_bundle_index_1A"),
        bundle_flag=upstream_file("validation_passed_flag_1A"),
        bundle=upstream_bundle,
        outlet_catalogue=upstream_file("outlet_catalogue"),
        candidate_set=upstream_file("s3_candidate_set"),
        freeze_guard=upstream_file("segment1a_freeze_guard_seed"),
        countries=REFERENCE["countries"],
        facts=REFERENCE["facts"],
        places=REFERENCE["places"],
        land_cover=REFERENCE["land_cover"],
        outlet_density=reference("outlet_density.csv"),
        outlet_statistics=reference("outlet_statistics.csv"),
        outlet_samples=reference("outlet_samples.csv"),
        manifest=REFERENCE["manifest"],
        contracts=CONTRACT_FILES,
    output:
        receipt=DATA["s0_gate_receipt_1B"],
        sealed_inputs=DATA["sealed_inputs_1B"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s0_gate.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s0_gate.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s0_gate"),
        runtime=BOARD.runtime("s0_gate"),
    params:
        version=state_version("states.s0_gate"),
        upstream_id=upstream_id,
    conda:
        "../envs/runtime.yaml"
    message:
        "S0 {wildcards.run_id} seed {wildcards.seed}: verify and seal the inputs"
    script:
        "../scripts/states/s0_gate.py"


rule s1_tile_index:
    input:
        countries=REFERENCE["countries"],
        policy=policy_of("s1_tile_index"),
    output:
        tile_index=DATA["tile_index"],
        report=DATA["s1_run_report"],
    log:
        f"{LOGS}/1B/{{run_id}}/s1_tile_index.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/s1_tile_index.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=state_version("states.s1_tile_index"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S1 {wildcards.run_id}: tile universe"
    script:
        "../scripts/states/s1_tile_index.py"


rule s1_population_surface:
    input:
        tile_index=DATA["tile_index"],
        facts=REFERENCE["facts"],
        places=REFERENCE["places"],
        land_cover=REFERENCE["land_cover"],
        tile_policy=policy_of("s1_tile_index"),
        policy=policy_of("s1_population"),
        raster_cells=OWN_INPUTS["own_raster_cells"],
    output:
        tile_population=DATA["tile_population"],
        report=DATA["s1_population_report"],
    log:
        f"{LOGS}/1B/{{run_id}}/s1_population_surface.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/s1_population_surface.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=state_version("states.s1_population_surface"),
        raster=SETTINGS.population_raster,
        totals=SETTINGS.population_totals,
        uncovered=SETTINGS.population_uncovered,
    conda:
        "../envs/runtime.yaml"
    message:
        "S1 {wildcards.run_id}: population surface"
    script:
        "../scripts/states/s1_population_surface.py"


rule s2_tile_weights:
    input:
        tile_index=DATA["tile_index"],
        tile_population=DATA["tile_population"],
        facts=REFERENCE["facts"],
        tile_policy=policy_of("s1_tile_index"),
        policy=policy_of("s2"),
    output:
        tile_weights=DATA["tile_weights"],
        tile_curve=DATA["tile_curve"],
        country_mass=DATA["country_mass"],
        report=DATA["s2_run_report"],
    log:
        f"{LOGS}/1B/{{run_id}}/s2_tile_weights.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/s2_tile_weights.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=state_version("states.s2_tile_weights"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S2 {wildcards.run_id}: tile weights and country mass"
    script:
        "../scripts/states/s2_tile_weights.py"


rule s3_requirements:
    input:
        gate=DATA["s0_gate_receipt_1B"],
        outlet_catalogue=upstream_file("outlet_catalogue"),
        candidate_set=upstream_file("s3_candidate_set"),
        country_mass=DATA["country_mass"],
        policy=policy_of("s2"),
    output:
        requirements=DATA["s3_requirements"],
        ledger=DATA["s3_steering_ledger"],
        report=DATA["s3_run_report"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s3_requirements.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s3_requirements.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s3_requirements"),
        runtime=BOARD.runtime("s3_requirements"),
    params:
        version=state_version("states.s3_requirements"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S3 {wildcards.run_id} seed {wildcards.seed}: sites per merchant and country"
    script:
        "../scripts/states/s3_requirements.py"


rule run_receipt:
    input:
        gate_receipt=DATA["s0_gate_receipt_1B"],
        sealed_inputs=DATA["sealed_inputs_1B"],
        policies=BOARD.policies,
        outputs=BOARD.state_outputs,
        fork=BOARD.fork_record,
    output:
        receipt=DATA["run_receipt"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/run_receipt.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/run_receipt.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        run=run_identity,
        runs_root=runs_root,
        versions=RULE_VERSIONS,
    conda:
        "../envs/runtime.yaml"
    message:
        "Receipt of {wildcards.run_id} seed {wildcards.seed}"
    script:
        "../scripts/governance/run_receipt.py"


rule s9_validation:
    input:
        receipt=DATA["run_receipt"],
        outlet_catalogue=upstream_file("outlet_catalogue"),
        requirements=DATA["s3_requirements"],
        steering_ledger=DATA["s3_steering_ledger"],
        plan=DATA["s4_alloc_plan"],
        reroute_ledger=DATA["s4_reroute_ledger"],
        assignment=DATA["s5_site_tile_assignment"],
        assignment_log=DATA["rng_event_site_tile_assign"],
        jitter=DATA["s6_site_jitter"],
        jitter_log=DATA["rng_event_in_cell_jitter"],
        synthesis=DATA["s7_site_synthesis"],
        site_locations=DATA["site_locations"],
        tile_index=DATA["tile_index"],
        countries=REFERENCE["countries"],
        places=REFERENCE["places"],
        facts=REFERENCE["facts"],
        tile_policy=policy_of("s1_tile_index"),
        weights_policy=policy_of("s2"),
        assignment_policy=policy_of("s5"),
        jitter_policy=policy_of("s6"),
        policy=policy_of("s9"),
    output:
        manifest=DATA["validation_manifest_1B"],
        summary=DATA["validation_summary_1B"],
        rng_accounting=DATA["rng_accounting_1B"],
        egress_checksums=DATA["egress_checksums_1B"],
        parameter_hash=DATA["parameter_hash_resolved_1B"],
        manifest_fingerprint=DATA["manifest_fingerprint_resolved_1B"],
        index=DATA["validation_bundle_index_1B"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s9_validation.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s9_validation.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s9_validation"),
        runtime=BOARD.runtime("s9_validation"),
    params:
        version=state_version("states.s9_validation"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S9 {wildcards.run_id} seed {wildcards.seed}: validate and bundle"
    script:
        "../scripts/states/s9_validation.py"


rule s9_passed_flag:
    input:
        manifest=DATA["validation_manifest_1B"],
        summary=DATA["validation_summary_1B"],
        rng_accounting=DATA["rng_accounting_1B"],
        egress_checksums=DATA["egress_checksums_1B"],
        parameter_hash=DATA["parameter_hash_resolved_1B"],
        manifest_fingerprint=DATA["manifest_fingerprint_resolved_1B"],
        index=DATA["validation_bundle_index_1B"],
    output:
        flag=DATA["validation_passed_flag_1B"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s9_passed_flag.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s9_passed_flag.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("states.s9_passed_flag"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S9 {wildcards.run_id} seed {wildcards.seed}: flag"
    script:
        "../scripts/states/s9_passed_flag.py"
