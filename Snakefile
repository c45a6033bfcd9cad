"""Segment 1B: places every outlet of a merchant world on the Earth, scores the map, certifies it."""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/reference.smk"
include: "rules/own_inputs.smk"
include: "rules/upstream_1a.smk"
include: "rules/tiles.smk"
include: "rules/states.smk"
include: "rules/scoring.smk"
include: "rules/phases.smk"
include: "rules/certification.smk"
include: "rules/report.smk"
include: "rules/exports.smk"
include: "rules/ladder.smk"
include: "rules/search.smk"
include: "rules/targets.smk"


rule certify:
    default_target: True
    input:
        **CERTIFIED,
    log:
        f"{LOGS}/1B/certify.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        version=state_version("governance.certify"),
        missing_seeds=MISSING_SEEDS,
        faults=CERTIFY_FAULTS,
        last_good=BOARD.here["last_good_pointer"],
        runs_root=runs_root,
        reference=SETTINGS.reference,
        demands=DEMANDS,
        lock_set=BOARD.here["segment1b_p5_lock_set"],
        policies=promotion.policies(CANDIDATE),
        keep=SETTINGS.kept_runs,
        quiet=QUIET,
    conda:
        "envs/runtime.yaml"
    message:
        "Certify: hold the certificate against the minimum grade"
    script:
        "scripts/governance/certify.py"


# One workflow at a time on a runs root; then superseded runs are looked at, before a new candidate
# takes their room.
onstart:
    start.begin(workflow, SETTINGS, ROOT_OF_JOBS)


onsuccess:
    start.end(workflow, DATA, BOARD.here)
