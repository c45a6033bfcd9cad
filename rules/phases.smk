"""Phases P0 to P4: pointers, candidate scorecards, witnesses, locks."""

from types import SimpleNamespace

from scripts.governance.iteration_protocol import rerun_matrix
from scripts.states import CHAIN

PROTOCOL = {
    "required_seeds": list(SETTINGS.required_seeds),
    "minimum_grade": SETTINGS.minimum_grade,
    "baseline": SETTINGS.baseline_posture,
}
PHASE_WILDCARDS = {"phase": "p[1-4]", "witness_id": "[a-f0-9]{32}"}


rule pin_baseline:
    input:
        report=DATA["segment1b_p0_baseline"].format(run_id=BASELINE_RUN_ID),
        scorecards=expand(DATA["segment1b_scorecard"], run_id=BASELINE_RUN_ID, seed=P0_SEEDS),
        receipts=expand(DATA["run_receipt"], run_id=BASELINE_RUN_ID, seed=P0_SEEDS),
        state_outputs=BOARD.outputs_of(BASELINE_RUN_ID, P0_SEEDS),
    output:
        pointer=update(DATA["baseline_pointer"]),
    log:
        f"{LOGS}/1B/pin_baseline.log",
    benchmark:
        f"{BENCHMARKS}/1B/pin_baseline.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.pin_baseline"),
        runs_root=runs_root,
    conda:
        "../envs/runtime.yaml"
    message:
        "P0: pin the baseline authority"
    script:
        "../scripts/governance/pin_baseline.py"


rule point_current_candidate:
    input:
        scorecards=BOARD.scorecards(SETTINGS.candidate, SEEDS),
        receipts=expand(DATA["run_receipt"], run_id=RELEASE_RUN_ID, seed=SEEDS),
    output:
        pointer=update(DATA["current_candidate_pointer"]),
    log:
        f"{LOGS}/1B/point_current_candidate.log",
    benchmark:
        f"{BENCHMARKS}/1B/point_current_candidate.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.point_current_candidate"),
        runs_root=runs_root,
    conda:
        "../envs/runtime.yaml"
    message:
        "Candidate {SETTINGS.candidate}: point to it"
    script:
        "../scripts/governance/point_current_candidate.py"


def reruns(wildcards):
    """States of the candidate that a change runs again, from the inputs of their rules."""
    run = SETTINGS.run_named(SETTINGS.candidate)
    one = SimpleNamespace(
        run_id=run.run_id, seed=str(SEEDS[0]), tiles_id=run.tiles_id, part=PARTS[0]
    )
    files = {
        state: (files_of(state, "input", one), files_of(state, "output", one)) for state in CHAIN
    }
    return rerun_matrix(files, run.posture.policies.values(), f"segment_1A/{run.upstream_id}/")


def files_of(rule, side, wildcards):
    """Inputs or outputs of a rule for some wildcards, those of runs relative to the runs root."""
    found = []
    for path in getattr(getattr(rules, rule), side):
        paths = path(wildcards) if callable(path) else path.format(**vars(wildcards))
        found += [paths] if isinstance(paths, str) else paths
    return [path.split(f"{RUNS}/")[-1] for path in found]


rule iteration_protocol:
    output:
        protocol=DATA["iteration_protocol"],
    log:
        f"{LOGS}/1B/iteration_protocol.log",
    benchmark:
        f"{BENCHMARKS}/1B/iteration_protocol.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.iteration_protocol"),
        protocol=PROTOCOL,
        reruns=reruns,
    conda:
        "../envs/runtime.yaml"
    message:
        "Iteration protocol"
    script:
        "../scripts/governance/iteration_protocol.py"


rule score_phase:
    input:
        unpack(PROMOTION.phase_inputs),
        baseline_pointer=DATA["baseline_pointer"],
        gates=GATES,
    output:
        candidate=DATA["segment1b_phase_candidate"],
    wildcard_constraints:
        **PHASE_WILDCARDS,
    log:
        f"{LOGS}/1B/{{run_id}}/score_phase_{{phase}}.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/score_phase_{{phase}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.score_phase"),
        runs_root=runs_root,
        required_seeds=list(SETTINGS.required_seeds),
        tuned_seed=TUNED_SEED,
    conda:
        "../envs/runtime.yaml"
    message:
        "Phase {wildcards.phase}: scorecard of {wildcards.run_id}"
    script:
        "../scripts/governance/score_phase.py"


rule check_reproduction:
    input:
        outputs=PROMOTION.seed_outputs,
        witness=PROMOTION.witness_outputs,
    output:
        check=DATA["segment1b_repro_check"],
    wildcard_constraints:
        **PHASE_WILDCARDS,
    log:
        f"{LOGS}/1B/{{run_id}}/check_reproduction_{{phase}}_{{witness_id}}.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/check_reproduction_{{phase}}_{{witness_id}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.check_reproduction"),
        runs_root=runs_root,
        seed=PROMOTION.seed,
    conda:
        "../envs/runtime.yaml"
    message:
        "Phase {wildcards.phase}: {wildcards.run_id} against its witness"
    script:
        "../scripts/governance/check_reproduction.py"


rule authority_envelope:
    input:
        candidates=[PROMOTION.candidate(phase) for phase in UNLOCKED],
        baseline_pointer=DATA["baseline_pointer"],
        policies=source(PROMOTION.integrated_policies()),
        gates=GATES,
        lock_records=PROMOTION.lock_records(),
    output:
        envelope=DATA["segment1b_p4_authority_envelope"],
    log:
        f"{LOGS}/1B/authority_envelope.log",
    benchmark:
        f"{BENCHMARKS}/1B/authority_envelope.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.authority_envelope"),
        unlocked=UNLOCKED,
        runs=PROMOTION.integrated_runs(),
    conda:
        "../envs/runtime.yaml"
    message:
        "P4: authority envelope"
    script:
        "../scripts/governance/authority_envelope.py"


rule score_integrated:
    input:
        scorecards=expand(DATA["segment1b_scorecard"], seed=SEEDS, allow_missing=True),
        reference_scorecards=PROMOTION.integrated_reference,
        receipts=expand(DATA["run_receipt"], seed=SEEDS, allow_missing=True),
        envelope=DATA["segment1b_p4_authority_envelope"],
        baseline_pointer=DATA["baseline_pointer"],
        gates=GATES,
    output:
        integrated=DATA["segment1b_p4_integrated"],
    log:
        f"{LOGS}/1B/{{run_id}}/score_integrated.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/score_integrated.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.score_integrated"),
        runs_root=runs_root,
    conda:
        "../envs/runtime.yaml"
    message:
        "P4 {wildcards.run_id}: integrated scorecard"
    script:
        "../scripts/governance/score_integrated.py"


rule p1:
    input:
        **PROMOTION.target("P1", promotion.phase_run(SETTINGS, "P1")),
    log:
        f"{LOGS}/1B/p1.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.enforce_phase"),
        runs_root=runs_root,
        quiet=QUIET,
        faults=PROMOTION.faults("P1", promotion.phase_run(SETTINGS, "P1")),
    conda:
        "../envs/runtime.yaml"
    message:
        "P1: hold the run against what the phase demands"
    script:
        "../scripts/governance/enforce_phase.py"


rule p2:
    input:
        **PROMOTION.target("P2", promotion.phase_run(SETTINGS, "P2")),
    log:
        f"{LOGS}/1B/p2.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.enforce_phase"),
        runs_root=runs_root,
        quiet=QUIET,
        faults=PROMOTION.faults("P2", promotion.phase_run(SETTINGS, "P2")),
    conda:
        "../envs/runtime.yaml"
    message:
        "P2: hold the run against what the phase demands"
    script:
        "../scripts/governance/enforce_phase.py"


rule p3:
    input:
        **PROMOTION.target("P3", promotion.phase_run(SETTINGS, "P3")),
    log:
        f"{LOGS}/1B/p3.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.enforce_phase"),
        runs_root=runs_root,
        quiet=QUIET,
        faults=PROMOTION.faults("P3", promotion.phase_run(SETTINGS, "P3")),
    conda:
        "../envs/runtime.yaml"
    message:
        "P3: hold the run against what the phase demands"
    script:
        "../scripts/governance/enforce_phase.py"


rule p4:
    input:
        **PROMOTION.target("P4", promotion.phase_run(SETTINGS, "P4")),
    log:
        f"{LOGS}/1B/p4.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.enforce_phase"),
        runs_root=runs_root,
        quiet=QUIET,
        faults=PROMOTION.faults("P4", promotion.phase_run(SETTINGS, "P4")),
    conda:
        "../envs/runtime.yaml"
    message:
        "P4: hold the run against what the phase demands"
    script:
        "../scripts/governance/enforce_phase.py"


rule integrated:
    input:
        **PROMOTION.target("P4", CANDIDATE),
    log:
        f"{LOGS}/1B/integrated.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("governance.enforce_phase"),
        runs_root=runs_root,
        quiet=QUIET,
        faults=PROMOTION.faults("P4", CANDIDATE),
    conda:
        "../envs/runtime.yaml"
    message:
        "P4: hold {SETTINGS.candidate} against the gates"
    script:
        "../scripts/governance/enforce_phase.py"
