"""Certification (P5): the certificate of the release. The target `certify` enforces it."""

from scripts.geo.snapshot import DATA_FILES, MANIFEST

DEMANDS = {
    "required_seeds": list(SETTINGS.required_seeds),
    "minimum_grade": SETTINGS.minimum_grade,
    "release": SETTINGS.release,
}
MISSING_SEEDS = sorted(set(SETTINGS.required_seeds) - set(SEEDS))
CERTIFY_FAULTS = PROMOTION.faults(None, CANDIDATE)
RELEASE_POSTURE = SETTINGS.runs[RELEASE_RUN_ID].posture
BASELINE_POSTURE = SETTINGS.runs[BASELINE_RUN_ID].posture
VALIDATION_FILES = (
    "validation_manifest_1B",
    "validation_summary_1B",
    "rng_accounting_1B",
    "egress_checksums_1B",
    "parameter_hash_resolved_1B",
    "manifest_fingerprint_resolved_1B",
    "validation_bundle_index_1B",
)

# What the certificate rests on is an input, so that a deleted file is made again; all are hashed
# each time.
CERTIFIED = (
    {}
    if MISSING_SEEDS or CERTIFY_FAULTS
    else {
        "certificate": DATA["segment1b_p5_certification"],
        "attestation": DATA["segment1b_p5_attestation"],
        "freeze_guard": DATA["segment1a_freeze_guard_accepted"].format(
            run_id=SETTINGS.runs[RELEASE_RUN_ID].upstream_id
        ),
        "state_outputs": BOARD.outputs_of(RELEASE_RUN_ID, SEEDS),
        "scorecards": expand(DATA["segment1b_scorecard"], run_id=RELEASE_RUN_ID, seed=SEEDS),
        "receipts": expand(DATA["run_receipt"], run_id=RELEASE_RUN_ID, seed=SEEDS),
        "validation": expand(
            [DATA[name] for name in VALIDATION_FILES], run_id=RELEASE_RUN_ID, seed=SEEDS
        ),
        "byproducts": BOARD.byproducts(RELEASE_RUN_ID, SEEDS),
        "upstream": world_files(SETTINGS.runs[RELEASE_RUN_ID].upstream_id, SEEDS)
        + world_files(SETTINGS.runs[BASELINE_RUN_ID].upstream_id, P0_SEEDS),
        "baseline": [
            DATA["segment1b_p0_baseline"].format(run_id=BASELINE_RUN_ID),
            *expand(
                [DATA["segment1b_scorecard"], DATA["run_receipt"]],
                run_id=BASELINE_RUN_ID,
                seed=P0_SEEDS,
            ),
            *BOARD.outputs_of(BASELINE_RUN_ID, P0_SEEDS),
        ],
        "baseline_pointer": DATA["baseline_pointer"],
        "current_candidate_pointer": DATA["current_candidate_pointer"],
        "protocol": DATA["iteration_protocol"],
        "flags": expand(DATA["validation_passed_flag_1B"], run_id=RELEASE_RUN_ID, seed=SEEDS),
        # The records name the files that the runs were made from; they are held against these.
        "policies": source(
            sorted(
                {
                    path
                    for posture in (RELEASE_POSTURE, BASELINE_POSTURE)
                    for path in (posture.upstream_policy, *posture.policies.values())
                }
            )
        ),
        "bands": BANDS_1A,
        "gates": GATES,
        "reference": [reference(file) for file in (*DATA_FILES, MANIFEST)],
    }
)


rule certify_release:
    input:
        scorecards=expand(DATA["segment1b_scorecard"], run_id=RELEASE_RUN_ID, seed=SEEDS),
        baseline_scorecards=expand(DATA["segment1b_scorecard"], run_id=BASELINE_RUN_ID, seed=SEEDS),
        baseline_report=DATA["segment1b_p0_baseline"].format(run_id=BASELINE_RUN_ID),
        receipts=expand(DATA["run_receipt"], run_id=RELEASE_RUN_ID, seed=SEEDS),
        state_outputs=BOARD.outputs_of(RELEASE_RUN_ID, SEEDS),
        validation=expand(
            [DATA[name] for name in VALIDATION_FILES], run_id=RELEASE_RUN_ID, seed=SEEDS
        ),
        policies=source(
            [RELEASE_POSTURE.upstream_policy, *sorted(RELEASE_POSTURE.policies.values())]
        ),
        gates=GATES,
        lock_records=PROMOTION.lock_records(),
    output:
        certificate=report(
            DATA["segment1b_p5_certification"],
            caption="../report/certificate.rst",
            category="Verdict",
            labels={"file": "certificate"},
        ),
    log:
        f"{LOGS}/1B/certify_release.log",
    benchmark:
        f"{BENCHMARKS}/1B/certify_release.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        version=state_version("governance.certify_release"),
        runs_root=runs_root,
        demands=DEMANDS,
    conda:
        "../envs/runtime.yaml"
    message:
        "P5: certificate over seeds {SEEDS}"
    script:
        "../scripts/governance/certify_release.py"


rule attest_release:
    input:
        certificate=DATA["segment1b_p5_certification"],
        receipts=expand(DATA["run_receipt"], run_id=RELEASE_RUN_ID, seed=SEEDS),
        baseline_receipt=DATA["run_receipt"].format(run_id=BASELINE_RUN_ID, seed=min(SEEDS)),
        site_locations=expand(DATA["site_locations"], run_id=RELEASE_RUN_ID, seed=SEEDS),
        byproducts=BOARD.byproducts(RELEASE_RUN_ID, SEEDS),
        lock_file=source("envs/runtime.lock.txt"),
    output:
        attestation=DATA["segment1b_p5_attestation"],
    log:
        f"{LOGS}/1B/attest_release.log",
    benchmark:
        f"{BENCHMARKS}/1B/attest_release.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.attest_release"),
        runs_root=runs_root,
    conda:
        "../envs/runtime.yaml"
    message:
        "P5: attestation of the certificate"
    script:
        "../scripts/governance/attest_release.py"
