"""States S4 to S8 of a seed, each in one job."""


rule s4_alloc_plan:
    input:
        requirements=DATA["s3_requirements"],
        candidate_set=upstream_file("s3_candidate_set"),
        country_mass=DATA["country_mass"],
        tile_curve=DATA["tile_curve"],
        tile_weights=DATA["tile_weights"],
        places=REFERENCE["places"],
        tile_policy=policy_of("s1_tile_index"),
        s2_policy=policy_of("s2"),
        policy=policy_of("s4"),
    output:
        plan=DATA["s4_alloc_plan"],
        ledger=DATA["s4_reroute_ledger"],
        report=DATA["s4_run_report"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s4_alloc_plan.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s4_alloc_plan.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s4_alloc_plan"),
        runtime=BOARD.runtime("s4_alloc_plan"),
    params:
        version=state_version("states.s4_alloc_plan"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S4 {wildcards.run_id} seed {wildcards.seed}: allocation plan"
    script:
        "../scripts/states/s4_alloc_plan.py"


rule s5_site_tile_assignment:
    input:
        plan=DATA["s4_alloc_plan"],
        policy=policy_of("s5"),
    output:
        assignment=DATA["s5_site_tile_assignment"],
        rng_log=DATA["rng_event_site_tile_assign"],
        report=DATA["s5_run_report"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s5_site_tile_assignment.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s5_site_tile_assignment.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s5_site_tile_assignment"),
        runtime=BOARD.runtime("s5_site_tile_assignment"),
    params:
        version=state_version("states.s5_site_tile_assignment"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S5 {wildcards.run_id} seed {wildcards.seed}: site to tile"
    script:
        "../scripts/states/s5_site_tile_assignment.py"


rule s6_site_jitter:
    input:
        assignment=DATA["s5_site_tile_assignment"],
        tile_index=DATA["tile_index"],
        countries=REFERENCE["countries"],
        places=REFERENCE["places"],
        tile_policy=policy_of("s1_tile_index"),
        policy=policy_of("s6"),
    output:
        jitter=DATA["s6_site_jitter"],
        rng_log=DATA["rng_event_in_cell_jitter"],
        report=DATA["s6_run_report"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s6_site_jitter.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s6_site_jitter.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s6_site_jitter"),
        runtime=BOARD.runtime("s6_site_jitter"),
    params:
        version=state_version("states.s6_site_jitter"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S6 {wildcards.run_id} seed {wildcards.seed}: jitter within the tile"
    script:
        "../scripts/states/s6_site_jitter.py"


rule s7_site_synthesis:
    input:
        assignment=DATA["s5_site_tile_assignment"],
        jitter=DATA["s6_site_jitter"],
        outlet_catalogue=upstream_file("outlet_catalogue"),
        steering_ledger=DATA["s3_steering_ledger"],
        reroute_ledger=DATA["s4_reroute_ledger"],
        tile_policy=policy_of("s1_tile_index"),
    output:
        synthesis=DATA["s7_site_synthesis"],
        summary=DATA["s7_run_summary"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s7_site_synthesis.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s7_site_synthesis.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s7_site_synthesis"),
        runtime=BOARD.runtime("s7_site_synthesis"),
    params:
        version=state_version("states.s7_site_synthesis"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S7 {wildcards.run_id} seed {wildcards.seed}: coordinates"
    script:
        "../scripts/states/s7_site_synthesis.py"


rule s8_site_locations:
    input:
        synthesis=DATA["s7_site_synthesis"],
    output:
        site_locations=DATA["site_locations"],
        summary=DATA["s8_run_summary"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s8_site_locations.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s8_site_locations.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s8_site_locations"),
        runtime=BOARD.runtime("s8_site_locations"),
    params:
        version=state_version("states.s8_site_locations"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S8 {wildcards.run_id} seed {wildcards.seed}: egress"
    script:
        "../scripts/states/s8_site_locations.py"
