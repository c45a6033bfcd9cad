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
include: "rules/sealed.smk"


rule certify:
    """Certify the candidate: every file hashed again, every gate on every required seed."""
    default_target: True
    input:
        unpack(unless_refused("certify", certified)),
    log:
        logs("1B/certify"),
    localrule: True
    params:
        code=code("governance.certify"),
        runs_root=runs_root,
        faults=refusals("certify"),
        reference=shipped_reference,
        demands=DEMANDS,
        policies=CANDIDATE.policies,
        keep=SETTINGS.kept_runs,
    conda:
        "envs/runtime.yaml"
    script:
        "scripts/governance/certify.py"


# One workflow at a time on a runs root; then superseded runs are looked at, before a new candidate
# takes their space.
onstart:
    start.begin(workflow, SETTINGS, ROOT_OF_JOBS, VIEW)


onsuccess:
    start.end(workflow, SETTINGS, ROOT_OF_JOBS, VIEW, passed=True)


onerror:
    start.end(workflow, SETTINGS, ROOT_OF_JOBS, VIEW, passed=False)
