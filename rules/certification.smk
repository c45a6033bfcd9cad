"""Certification (P5): the certificate of the release and its attestation; `certify` enforces it."""

from scripts.geo.snapshot import DATA_FILES, MANIFEST
from scripts.governance import anchors
from scripts.governance.attestation import byproduct_paths

DEMANDS = {
    "required_seeds": list(SETTINGS.required_seeds),
    "minimum_grade": SETTINGS.minimum_grade,
    "release": SETTINGS.release,
}
FREEZE_GUARD = declared("segment_1A/reports/segment1a_freeze_guard_{run_id}_accepted.json").format(
    run_id=CANDIDATE.upstream_id
)
# What a release stands on; no key of the configuration names another one.
ANCHORS = source(anchors.ANCHORS)
CERTIFICATE = reports("segment1b_p5_certification.json")
ATTESTATION = reports("segment1b_p5_attestation.json")


def byproducts():
    """Files that the attestation of the candidate names beside its subjects."""
    certified = {
        "run": {"run_id": RELEASE_RUN_ID, "upstream_run_id": CANDIDATE.upstream_id},
        "baseline_run_id": BASELINE_RUN_ID,
        "seeds": SEEDS,
    }
    tiles = (CANDIDATE.tiles_id, BASELINE.tiles_id)
    return [f"{RUNS}/{path}" for path in byproduct_paths(certified, BASELINE.upstream_id, tiles)]


def certified(target):
    """What the certificate rests on, so that a deleted file is made again; all are hashed each time."""
    return {
        "certificate": CERTIFICATE,
        "attestation": ATTESTATION,
        "freeze_guard": FREEZE_GUARD,
        "state_outputs": outputs_of(RELEASE_RUN_ID, SEEDS),
        "scorecards": each_seed(run("scorecard/segment1b_scorecard.json"), RELEASE_RUN_ID),
        "receipts": each_seed(run("run_receipt.json"), RELEASE_RUN_ID),
        "validation": each_seed(VALIDATION, RELEASE_RUN_ID),
        "flags": each_seed(run("s9_validation/_passed.flag"), RELEASE_RUN_ID),
        "byproducts": byproducts(),
        "upstream": world_files(CANDIDATE.upstream_id, SEEDS)
        + world_files(BASELINE.upstream_id, P0_SEEDS),
        "baseline_report": BASELINE_REPORT,
        "baseline": each_seed(
            [run("scorecard/segment1b_scorecard.json"), run("run_receipt.json")],
            BASELINE_RUN_ID,
            P0_SEEDS,
        )
        + outputs_of(BASELINE_RUN_ID, P0_SEEDS),
        # The records name the files that the runs were made from; they are held against these.
        "policies": source(sorted({*CANDIDATE.policies.values(), *BASELINE.policies.values()})),
        "bands": BANDS_1A,
        "gates": GATES,
        "anchors": ANCHORS,
        "known_tables": source(anchors.KNOWN_TABLES),
        "reference": [reference(file) for file in (*DATA_FILES, MANIFEST)],
        "baseline_pointer": BASELINE_POINTER,
        "protocol": PROTOCOL,
        "map": run("scorecard/segment1b_site_map.png").format(
            run_id=RELEASE_RUN_ID, seed=min(SEEDS)
        ),
    }


rule certify_release:
    input:
        scorecards=each_seed(run("scorecard/segment1b_scorecard.json"), RELEASE_RUN_ID),
        baseline_scorecards=each_seed(run("scorecard/segment1b_scorecard.json"), BASELINE_RUN_ID),
        baseline_report=BASELINE_REPORT,
        receipts=each_seed(run("run_receipt.json"), RELEASE_RUN_ID),
        baseline_receipts=each_seed(run("run_receipt.json"), BASELINE_RUN_ID),
        state_outputs=outputs_of(RELEASE_RUN_ID, SEEDS),
        validation=each_seed(VALIDATION, RELEASE_RUN_ID),
        policies=source(list(CANDIDATE.policies.values())),
        bands=BANDS_1A,
        gates=GATES,
        anchors=ANCHORS,
        lock_records=LOCK_RECORDS,
    output:
        certificate=report(
            internal(CERTIFICATE),
            caption="../report/certificate.rst",
            category="Verdict",
            labels={"file": "certificate"},
        ),
    log:
        logs("{segment}/certify_release"),
    params:
        code=code("governance.certify_release"),
        runs_root=runs_root,
        demands=DEMANDS,
    conda:
        ENV
    script:
        "../scripts/governance/certify_release.py"


rule attest_release:
    input:
        certificate=CERTIFICATE,
        receipts=each_seed(run("run_receipt.json"), RELEASE_RUN_ID),
        baseline_receipt=run("run_receipt.json").format(run_id=BASELINE_RUN_ID, seed=min(SEEDS)),
        site_locations=each_seed(run("s8_site_locations/site_locations.parquet"), RELEASE_RUN_ID),
        byproducts=byproducts(),
        lock_file=source("envs/runtime.lock.txt"),
    output:
        attestation=internal(ATTESTATION),
    log:
        logs("{segment}/attest_release"),
    params:
        code=code("governance.attest_release"),
        runs_root=runs_root,
    conda:
        ENV
    script:
        "../scripts/governance/attest_release.py"
