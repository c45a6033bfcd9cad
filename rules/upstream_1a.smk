"""Upstream 1A: generate or ingest, validate, flag, score, certify the authority, guard."""

from scripts.governance.anchors import BANDS
from scripts.upstream.tables_1a import ALL_TABLES, delivered_files, supplied_tables

EXTERNAL = f"{SETTINGS.external_root}/seed={{seed}}"
EXTERNAL_TABLES = ()
if SETTINGS.upstream_kind == "external":
    EXTERNAL_TABLES = supplied_tables(SETTINGS.external_root, SEEDS)
    try:
        DELIVERED = delivered_files(SETTINGS.external_root, SEEDS)
    except SegmentError as error:
        raise WorkflowError(str(error)) from None
# What the flag of a validated world seals.
BUNDLE_1A = [f"validation/{file}" for file in BUNDLE]
BANDS_1A = source(BANDS)


def worlds_of(kind):
    """Pattern of the run ids of builtin or external worlds."""
    return "|".join(u.run_id for u in SETTINGS.upstreams.values() if u.kind == kind)


def generator_policy(wildcards):
    """Policy file of a builtin world."""
    return source(SETTINGS.upstreams[wildcards.run_id].policy)


def tables_of(upstream_id):
    """Names of the tables of a world."""
    return EXTERNAL_TABLES if SETTINGS.upstreams[upstream_id].kind == "external" else ALL_TABLES


def world_tables(wildcards):
    """Tables of a world by name, and the policy that made it or the record of its ingest."""
    upstream_id = wildcards.run_id
    paths = {name: world(f"{name}.parquet").format(**wildcards) for name in tables_of(upstream_id)}
    if SETTINGS.upstreams[upstream_id].kind == "external":
        return {**paths, "external_source": world("external_source.json").format(**wildcards)}
    return {**paths, "policy": generator_policy(wildcards)}


def world_files(upstream_id, seeds):
    """Tables, validation bundle and flag of a world."""
    files = [f"{name}.parquet" for name in tables_of(upstream_id)]
    files += [*BUNDLE_1A, "validation/_passed.flag"]
    return expand([world(file) for file in files], run_id=upstream_id, seed=seeds)


def delivered_bundle(wildcards):
    """Input function: all files of an external world's validation bundle."""
    return source([path for path in DELIVERED[int(wildcards.seed)] if "/validation/" in path])


def upstream_bundle(wildcards):
    """Validation bundle of the world that a run of 1B stands on."""
    return [upstream(file)(wildcards) for file in BUNDLE_1A]


rule generate_1a:
    input:
        policy=generator_policy,
        facts=reference("country_facts.csv"),
    output:
        **{name: world(f"{name}.parquet") for name in ALL_TABLES},
    wildcard_constraints:
        run_id=worlds_of("builtin"),
    log:
        logs("1A/{run_id}/{seed}/generate_1a"),
    resources:
        **demand("generate_1a"),
    params:
        code=code("upstream.generate_1a", generator_policy),
        merchants_total=SETTINGS.merchants_total,
    conda:
        ENV
    script:
        "../scripts/upstream/generate_1a.py"


if EXTERNAL_TABLES:

    rule ingest_1a:
        input:
            **{name: marked_source(f"{EXTERNAL}/{name}.parquet") for name in EXTERNAL_TABLES},
            index=marked_source(f"{EXTERNAL}/validation/index.json"),
            flag=marked_source(f"{EXTERNAL}/validation/_passed.flag"),
            bundle=delivered_bundle,
            facts=reference("country_facts.csv"),
        output:
            **{name: world(f"{name}.parquet") for name in EXTERNAL_TABLES},
            external_source=world("external_source.json"),
        wildcard_constraints:
            run_id=worlds_of("external"),
        log:
            logs("1A/{run_id}/{seed}/ingest_1a"),
        resources:
            **demand("ingest_1a"),
        params:
            code=code("upstream.ingest_1a"),
        conda:
            ENV
        script:
            "../scripts/upstream/ingest_1a.py"


rule validate_1a:
    input:
        unpack(world_tables),
        facts=reference("country_facts.csv"),
    output:
        summary=world("validation/s9_summary.json"),
        checksums=world("validation/egress_checksums.json"),
        rng_accounting=world("validation/rng_accounting.json"),
        parameter_hash=world("validation/parameter_hash_resolved.json"),
        fingerprint=world("validation/manifest_fingerprint_resolved.json"),
        index=world("validation/index.json"),
    log:
        logs("1A/{run_id}/{seed}/validate_1a"),
    resources:
        **demand("validate_1a"),
    params:
        code=code("upstream.validate_1a"),
        contracts=CONTRACTS_DIGEST,
        merchants_total=SETTINGS.merchants_total,
    conda:
        ENV
    script:
        "../scripts/upstream/validate_1a.py"


rule pass_1a:
    input:
        summary=world("validation/s9_summary.json"),
        bundle=[world(file) for file in BUNDLE_1A],
    output:
        flag=world("validation/_passed.flag"),
    log:
        logs("1A/{run_id}/{seed}/pass_1a"),
    params:
        code=code("upstream.pass_1a"),
    conda:
        ENV
    script:
        "../scripts/upstream/pass_1a.py"


rule score_1a:
    input:
        unpack(world_tables),
        flag=world("validation/_passed.flag"),
        bundle=[world(file) for file in BUNDLE_1A],
        summary=world("validation/s9_summary.json"),
        parameter_hash=world("validation/parameter_hash_resolved.json"),
        bands=BANDS_1A,
    output:
        scorecard=world("segment1a_scorecard.json"),
    log:
        logs("1A/{run_id}/{seed}/score_1a"),
    resources:
        **demand("score_1a"),
    params:
        code=code("upstream.score_1a", BANDS_1A),
    conda:
        ENV
    script:
        "../scripts/upstream/score_1a.py"


rule certify_1a_authority:
    input:
        scorecards=each_seed(world("segment1a_scorecard.json"), SETTINGS.authority_id, P0_SEEDS),
        bands=BANDS_1A,
    output:
        certification=internal(declared("segment_1A/reports/segment1a_p5_certification.json")),
    log:
        logs("{segment}/certify_1a_authority"),
    params:
        code=code("upstream.certify_1a_authority", BANDS_1A),
    conda:
        ENV
    script:
        "../scripts/upstream/certify_1a_authority.py"


rule check_freeze_guard:
    input:
        certification=declared("segment_1A/reports/segment1a_p5_certification.json"),
        scorecards=expand(world("segment1a_scorecard.json"), seed=SEEDS, allow_missing=True),
        bands=BANDS_1A,
    output:
        guard=declared("segment_1A/reports/segment1a_freeze_guard_{run_id}.json"),
    log:
        logs("1A/{run_id}/check_freeze_guard"),
    params:
        code=code("upstream.check_freeze_guard", BANDS_1A),
    conda:
        ENV
    script:
        "../scripts/upstream/check_freeze_guard.py"


# A seed of 1B waits for its own seed of 1A alone.
use rule check_freeze_guard as check_freeze_guard_seed with:
    input:
        certification=declared("segment_1A/reports/segment1a_p5_certification.json"),
        scorecards=[world("segment1a_scorecard.json")],
        bands=BANDS_1A,
    output:
        guard=world("segment1a_freeze_guard.json"),
    log:
        logs("1A/{run_id}/{seed}/check_freeze_guard_seed"),


rule enforce_freeze_guard:
    input:
        guard=declared("segment_1A/reports/segment1a_freeze_guard_{run_id}.json"),
        certification=declared("segment_1A/reports/segment1a_p5_certification.json"),
        scorecards=expand(world("segment1a_scorecard.json"), seed=SEEDS, allow_missing=True),
        flags=expand(world("validation/_passed.flag"), seed=SEEDS, allow_missing=True),
        bundles=expand([world(file) for file in BUNDLE_1A], seed=SEEDS, allow_missing=True),
        bands=BANDS_1A,
    output:
        accepted=declared("segment_1A/reports/segment1a_freeze_guard_{run_id}_accepted.json"),
    log:
        logs("1A/{run_id}/enforce_freeze_guard"),
    params:
        code=code("upstream.enforce_freeze_guard"),
    conda:
        ENV
    script:
        "../scripts/upstream/enforce_freeze_guard.py"
