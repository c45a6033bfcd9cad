"""Upstream 1A: generate or ingest, validate, pass, score, certify the authority, guard."""

from scripts.upstream.tables_1a import ALL_TABLES
from scripts.workflow import BUNDLE_1A

BUILTIN_1A = BOARD.upstream_ids("builtin")
EXTERNAL_1A = BOARD.upstream_ids("external")
EXTERNAL_TABLES = BOARD.external_tables()
CONTRACT_FILES_1A = CONTRACT_FILES
BANDS_1A = source("config/layer1/1A/policy/policy.1a.bands.yaml")


rule generate_1a:
    input:
        policy=upstream_policy,
        facts=REFERENCE["facts"],
    output:
        **{name: DATA[name] for name in ALL_TABLES},
    wildcard_constraints:
        run_id="|".join(BUILTIN_1A),
    log:
        f"{LOGS}/1A/{{run_id}}/{{seed}}/generate_1a.log",
    benchmark:
        f"{BENCHMARKS}/1A/{{run_id}}/{{seed}}/generate_1a.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("generate_1a"),
        runtime=BOARD.runtime("generate_1a"),
    params:
        version=state_version("upstream.generate_1a"),
        merchants_total=SETTINGS.merchants_total,
    conda:
        "../envs/runtime.yaml"
    message:
        "1A {wildcards.run_id} seed {wildcards.seed}: generate the merchant world"
    script:
        "../scripts/upstream/generate_1a.py"


if EXTERNAL_1A:

    rule ingest_1a:
        input:
            **{
                name: source(f"{SETTINGS.external_root}/seed={{seed}}/{name}.parquet")
                for name in EXTERNAL_TABLES
            },
            index=source(f"{SETTINGS.external_root}/seed={{seed}}/validation/index.json"),
            flag=source(f"{SETTINGS.external_root}/seed={{seed}}/validation/_passed.flag"),
            facts=REFERENCE["facts"],
        output:
            **{name: DATA[name] for name in EXTERNAL_TABLES},
            external_source=DATA["external_source_1A"],
        wildcard_constraints:
            run_id="|".join(EXTERNAL_1A),
        log:
            f"{LOGS}/1A/{{run_id}}/{{seed}}/ingest_1a.log",
        benchmark:
            f"{BENCHMARKS}/1A/{{run_id}}/{{seed}}/ingest_1a.tsv"
        threads: 1
        resources:
            mem_mb=BOARD.mem_mb("ingest_1a"),
            runtime=BOARD.runtime("ingest_1a"),
        params:
            version=state_version("upstream.ingest_1a"),
        conda:
            "../envs/runtime.yaml"
        message:
            "1A {wildcards.run_id} seed {wildcards.seed}: verify and take over external tables"
        script:
            "../scripts/upstream/ingest_1a.py"


rule validate_1a:
    input:
        unpack(BOARD.upstream_tables),
        facts=REFERENCE["facts"],
        contracts=CONTRACT_FILES_1A,
    output:
        summary=DATA["validation_summary_1A"],
        checksums=DATA["egress_checksums_1A"],
        rng_accounting=DATA["rng_accounting_1A"],
        parameter_hash=DATA["parameter_hash_resolved_1A"],
        fingerprint=DATA["manifest_fingerprint_resolved_1A"],
        index=DATA["validation_bundle_index_1A"],
    log:
        f"{LOGS}/1A/{{run_id}}/{{seed}}/validate_1a.log",
    benchmark:
        f"{BENCHMARKS}/1A/{{run_id}}/{{seed}}/validate_1a.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("validate_1a"),
        runtime=BOARD.runtime("validate_1a"),
    params:
        version=state_version("upstream.validate_1a"),
        merchants_total=SETTINGS.merchants_total,
    conda:
        "../envs/runtime.yaml"
    message:
        "1A {wildcards.run_id} seed {wildcards.seed}: validation bundle"
    script:
        "../scripts/upstream/validate_1a.py"


rule pass_1a:
    input:
        summary=DATA["validation_summary_1A"],
        checksums=DATA["egress_checksums_1A"],
        rng_accounting=DATA["rng_accounting_1A"],
        parameter_hash=DATA["parameter_hash_resolved_1A"],
        fingerprint=DATA["manifest_fingerprint_resolved_1A"],
        index=DATA["validation_bundle_index_1A"],
    output:
        flag=DATA["validation_passed_flag_1A"],
    log:
        f"{LOGS}/1A/{{run_id}}/{{seed}}/pass_1a.log",
    benchmark:
        f"{BENCHMARKS}/1A/{{run_id}}/{{seed}}/pass_1a.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("upstream.pass_1a"),
    conda:
        "../envs/runtime.yaml"
    message:
        "1A {wildcards.run_id} seed {wildcards.seed}: flag"
    script:
        "../scripts/upstream/pass_1a.py"


rule score_1a:
    input:
        unpack(BOARD.upstream_tables),
        facts=REFERENCE["facts"],
        flag=DATA["validation_passed_flag_1A"],
        parameter_hash=DATA["parameter_hash_resolved_1A"],
        bundle=[DATA[name] for name in BUNDLE_1A],
        bands=BANDS_1A,
    output:
        scorecard=DATA["segment1a_scorecard"],
    log:
        f"{LOGS}/1A/{{run_id}}/{{seed}}/score_1a.log",
    benchmark:
        f"{BENCHMARKS}/1A/{{run_id}}/{{seed}}/score_1a.tsv"
    threads: 1
    resources:
        mem_mb=BOARD.mem_mb("score_1a"),
        runtime=BOARD.runtime("score_1a"),
    params:
        version=state_version("upstream.score_1a"),
    conda:
        "../envs/runtime.yaml"
    message:
        "1A {wildcards.run_id} seed {wildcards.seed}: scorecard"
    script:
        "../scripts/upstream/score_1a.py"


rule certify_1a_authority:
    input:
        scorecards=BOARD.authority_scorecards(),
        bands=BANDS_1A,
    output:
        certification=DATA["segment1a_p5_certification"],
    log:
        f"{LOGS}/1A/certify_1a_authority.log",
    benchmark:
        f"{BENCHMARKS}/1A/certify_1a_authority.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("upstream.certify_1a_authority"),
    conda:
        "../envs/runtime.yaml"
    message:
        "1A: certify the frozen authority"
    script:
        "../scripts/upstream/certify_1a_authority.py"


rule judge_1a:
    input:
        certification=DATA["segment1a_p5_certification"],
        scorecards=BOARD.upstream_scorecards,
        bands=BANDS_1A,
    output:
        guard=DATA["segment1a_freeze_guard"],
    log:
        f"{LOGS}/1A/{{run_id}}/judge_1a.log",
    benchmark:
        f"{BENCHMARKS}/1A/{{run_id}}/judge_1a.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("upstream.freeze_guard", "judge_1a"),
    conda:
        "../envs/runtime.yaml"
    message:
        "1A {wildcards.run_id}: freeze guard"
    script:
        "../scripts/upstream/freeze_guard.py"


rule judge_1a_seed:
    input:
        certification=DATA["segment1a_p5_certification"],
        scorecards=[DATA["segment1a_scorecard"]],
        bands=BANDS_1A,
    output:
        guard=DATA["segment1a_freeze_guard_seed"],
    log:
        f"{LOGS}/1A/{{run_id}}/{{seed}}/judge_1a_seed.log",
    benchmark:
        f"{BENCHMARKS}/1A/{{run_id}}/{{seed}}/judge_1a_seed.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("upstream.freeze_guard", "judge_1a_seed"),
    conda:
        "../envs/runtime.yaml"
    message:
        "1A {wildcards.run_id} seed {wildcards.seed}: freeze guard on the seed alone"
    script:
        "../scripts/upstream/freeze_guard.py"


rule enforce_freeze_guard:
    input:
        guard=DATA["segment1a_freeze_guard"],
        certification=DATA["segment1a_p5_certification"],
        scorecards=BOARD.upstream_scorecards,
        flags=BOARD.upstream_flags,
        bundles=BOARD.upstream_bundles,
        bands=BANDS_1A,
    output:
        accepted=DATA["segment1a_freeze_guard_accepted"],
    log:
        f"{LOGS}/1A/{{run_id}}/enforce_freeze_guard.log",
    benchmark:
        f"{BENCHMARKS}/1A/{{run_id}}/enforce_freeze_guard.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("upstream.enforce_freeze_guard"),
    conda:
        "../envs/runtime.yaml"
    message:
        "1A {wildcards.run_id}: refuse what the freeze guard did not pass"
    script:
        "../scripts/upstream/enforce_freeze_guard.py"
