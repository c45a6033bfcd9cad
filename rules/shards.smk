"""States S4 to S8 scattered over groups of countries and gathered to the bytes of one job.

Parts live as long as a rule needs them. A state's parts read the gathered table of the state
before, so a change reruns its own state's parts and what follows.
"""

from scripts.shards.plan import shard_names

SHARDS = shard_names(SETTINGS.shards)


rule s4_guard:
    input:
        requirements=DATA["s3_requirements"],
        candidate_set=upstream_file("s3_candidate_set"),
        country_mass=DATA["country_mass"],
        s2_policy=policy_of("s2"),
        policy=policy_of("s4"),
    output:
        pairs=temp(DATA["s4_guarded_pairs"]),
        ledger=temp(DATA["s4_guard_ledger"]),
        summary=temp(DATA["s4_guard_summary"]),
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s4_guard.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s4_guard.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s4_guard"),
        runtime=BOARD.runtime("s4_guard"),
    params:
        version=state_version("shards.s4_guard"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S4 {wildcards.run_id} seed {wildcards.seed}: guard over all countries"
    script:
        "../scripts/shards/s4_guard.py"


rule s4_part:
    input:
        pairs=DATA["s4_guarded_pairs"],
        tile_curve=DATA["tile_curve"],
        tile_weights=DATA["tile_weights"],
        places=REFERENCE["places"],
        tile_policy=policy_of("s1_tile_index"),
        policy=policy_of("s4"),
    output:
        plan=temp(DATA["s4_plan_part"]),
        spread=temp(DATA["s4_spread_part"]),
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s4_part.{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s4_part.{{shard}}.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s4_part"),
        runtime=BOARD.runtime("s4_part"),
    params:
        version=state_version("shards.s4_part"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S4 {wildcards.run_id} seed {wildcards.seed} shard {wildcards.shard}: allocation plan"
    script:
        "../scripts/shards/s4_part.py"


rule s4_alloc_plan:
    input:
        plans=expand(DATA["s4_plan_part"], shard=SHARDS, allow_missing=True),
        spreads=expand(DATA["s4_spread_part"], shard=SHARDS, allow_missing=True),
        ledger=DATA["s4_guard_ledger"],
        summary=DATA["s4_guard_summary"],
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
        mem_mb=BOARD.mem_mb("gather"),
        runtime=BOARD.runtime("gather"),
    params:
        version=state_version("shards.gather_s4_alloc_plan", "s4_alloc_plan"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S4 {wildcards.run_id} seed {wildcards.seed}: gather the shards"
    script:
        "../scripts/shards/gather_s4_alloc_plan.py"


rule s5_part:
    input:
        plan=DATA["s4_alloc_plan"],
        policy=policy_of("s5"),
    output:
        sites=temp(DATA["s5_site_part"]),
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s5_part.{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s5_part.{{shard}}.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s5_part"),
        runtime=BOARD.runtime("s5_part"),
    params:
        version=state_version("shards.s5_part"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S5 {wildcards.run_id} seed {wildcards.seed} shard {wildcards.shard}: site to tile"
    script:
        "../scripts/shards/s5_part.py"


rule s5_site_tile_assignment:
    input:
        sites=expand(DATA["s5_site_part"], shard=SHARDS, allow_missing=True),
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
        mem_mb=BOARD.mem_mb("gather"),
        runtime=BOARD.runtime("gather"),
    params:
        version=state_version("shards.gather_s5_site_tile_assignment", "s5_site_tile_assignment"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S5 {wildcards.run_id} seed {wildcards.seed}: gather the shards"
    script:
        "../scripts/shards/gather_s5_site_tile_assignment.py"


rule s6_part:
    input:
        assignment=DATA["s5_site_tile_assignment"],
        tile_index=DATA["tile_index"],
        countries=REFERENCE["countries"],
        places=REFERENCE["places"],
        tile_policy=policy_of("s1_tile_index"),
        policy=policy_of("s6"),
    output:
        sites=temp(DATA["s6_site_part"]),
        events=temp(DATA["s6_event_part"]),
        cells=temp(DATA["s6_cell_part"]),
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s6_part.{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s6_part.{{shard}}.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s6_part"),
        runtime=BOARD.runtime("s6_part"),
    params:
        version=state_version("shards.s6_part"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S6 {wildcards.run_id} seed {wildcards.seed} shard {wildcards.shard}: jitter within the tile"
    script:
        "../scripts/shards/s6_part.py"


rule s6_site_jitter:
    input:
        sites=expand(DATA["s6_site_part"], shard=SHARDS, allow_missing=True),
        events=expand(DATA["s6_event_part"], shard=SHARDS, allow_missing=True),
        cells=expand(DATA["s6_cell_part"], shard=SHARDS, allow_missing=True),
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
        mem_mb=BOARD.mem_mb("gather"),
        runtime=BOARD.runtime("gather"),
    params:
        version=state_version("shards.gather_s6_site_jitter", "s6_site_jitter"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S6 {wildcards.run_id} seed {wildcards.seed}: gather the shards"
    script:
        "../scripts/shards/gather_s6_site_jitter.py"


rule s7_part:
    input:
        assignment=DATA["s5_site_tile_assignment"],
        jitter=DATA["s6_site_jitter"],
        outlet_catalogue=upstream_file("outlet_catalogue"),
        steering_ledger=DATA["s3_steering_ledger"],
        reroute_ledger=DATA["s4_reroute_ledger"],
        tile_policy=policy_of("s1_tile_index"),
    output:
        sites=temp(DATA["s7_site_part"]),
        flows=temp(DATA["s7_flow_part"]),
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s7_part.{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s7_part.{{shard}}.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s7_part"),
        runtime=BOARD.runtime("s7_part"),
    params:
        version=state_version("shards.s7_part"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S7 {wildcards.run_id} seed {wildcards.seed} shard {wildcards.shard}: coordinates"
    script:
        "../scripts/shards/s7_part.py"


rule s7_site_synthesis:
    input:
        sites=expand(DATA["s7_site_part"], shard=SHARDS, allow_missing=True),
        flows=expand(DATA["s7_flow_part"], shard=SHARDS, allow_missing=True),
    output:
        synthesis=DATA["s7_site_synthesis"],
        summary=DATA["s7_run_summary"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s7_site_synthesis.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s7_site_synthesis.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("gather"),
        runtime=BOARD.runtime("gather"),
    params:
        version=state_version("shards.gather_s7_site_synthesis", "s7_site_synthesis"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S7 {wildcards.run_id} seed {wildcards.seed}: gather the shards"
    script:
        "../scripts/shards/gather_s7_site_synthesis.py"


rule s8_part:
    input:
        synthesis=DATA["s7_site_synthesis"],
    output:
        sites=temp(DATA["s8_site_part"]),
        extent=temp(DATA["s8_extent_part"]),
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s8_part.{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s8_part.{{shard}}.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("s8_part"),
        runtime=BOARD.runtime("s8_part"),
    params:
        version=state_version("shards.s8_part"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S8 {wildcards.run_id} seed {wildcards.seed} shard {wildcards.shard}: egress"
    script:
        "../scripts/shards/s8_part.py"


rule s8_site_locations:
    input:
        sites=expand(DATA["s8_site_part"], shard=SHARDS, allow_missing=True),
        extents=expand(DATA["s8_extent_part"], shard=SHARDS, allow_missing=True),
    output:
        site_locations=DATA["site_locations"],
        summary=DATA["s8_run_summary"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/s8_site_locations.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/s8_site_locations.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("gather"),
        runtime=BOARD.runtime("gather"),
    params:
        version=state_version("shards.gather_s8_site_locations", "s8_site_locations"),
    conda:
        "../envs/runtime.yaml"
    message:
        "S8 {wildcards.run_id} seed {wildcards.seed}: gather the shards"
    script:
        "../scripts/shards/gather_s8_site_locations.py"
