"""Phases: the pinned baseline, the pointers, and what each of P1 to P4 demands of its run."""

from types import SimpleNamespace

from scripts.governance import closing, locks, promotion
from scripts.governance.iteration_protocol import rerun_matrix
from scripts.states import CHAIN

BASELINE_REPORT = reports("segment1b_p0_baseline_{run_id}.json").format(run_id=BASELINE_RUN_ID)
BASELINE_POINTER = declared("segment_1B/baseline_authority/baseline_pointer.json")
PROTOCOL = declared("segment_1B/iteration_protocol.json")
LOCK_FOLDER = Path(ROOT_OF_JOBS, locks.FOLDER)
LOCKS = locks.read_locks(LOCK_FOLDER)
# Lock and reopen records that are there.
LOCK_RECORDS = [str(lock.path) for lock in LOCKS.values()] + [
    str(path) for phase in locks.PHASES for path in locks.reopen_records(LOCK_FOLDER, phase)
]
UNLOCKED = promotion.unlocked(LOCKS)
SCORERS = ("scorers.scorecard", "governance.score_phase", "governance.assess_p4")
P4_RUNS = (promotion.phase_run(SETTINGS, "P4"), CANDIDATE)


def of_reference(path, phase=""):
    """Input function: a file, for every seed, of the run that a job's phase is measured against."""

    def of_phase(wildcards):
        before = promotion.reference_run(SETTINGS, phase or wildcards.phase.upper())
        return each_seed(run(path), before.run_id)

    return of_phase


def phase_candidate(phase):
    """Candidate scorecard of a phase's run."""
    judged = promotion.phase_run(SETTINGS, phase)
    path = reports("segment1b_{phase}_candidate_{run_id}.json")
    return path.format(phase=phase.lower(), run_id=judged.run_id)


def refusals(target):
    """Params function: why a target is refused before anything runs."""

    def of_target(wildcards):
        return closing.refusals(SETTINGS, target)

    return of_target


def unless_refused(target, files):
    """Input function: files of a target by name; none where it is refused, so that nothing runs.

    A dry run says why.
    """

    def of_target(wildcards):
        return {} if start.tell_refusals(workflow, SETTINGS, target) else files(target)

    return of_target


def phase_records(target):
    """Records that the target of a phase is held against, by name."""
    phase = "P4" if target == "integrated" else target.upper()
    judged = CANDIDATE if target == "integrated" else promotion.phase_run(SETTINGS, phase)
    tokens = {"phase": phase.lower(), "run_id": judged.run_id}
    check = reports("segment1b_{phase}_repro_check_{run_id}_{witness_id}.json")
    records = {
        "baseline_pointer": BASELINE_POINTER,
        "check": check.format(witness_id=promotion.witness_id(judged), **tokens),
        "scorecards": each_seed(run("scorecard/segment1b_scorecard.json"), judged.run_id),
        "receipts": each_seed(run("run_receipt.json"), judged.run_id),
    }
    if target == "integrated":
        records["freeze_guard"] = FREEZE_GUARD
    if phase == "P4":
        integrated = reports("segment1b_p4_integrated_{run_id}.json")
        return {**records, "integrated": integrated.format(**tokens), "sensitivity": SENSITIVITY}
    return {**records, "candidate": phase_candidate(phase)}


rule pin_baseline:
    input:
        report=BASELINE_REPORT,
        scorecards=each_seed(run("scorecard/segment1b_scorecard.json"), BASELINE_RUN_ID, P0_SEEDS),
        receipts=each_seed(run("run_receipt.json"), BASELINE_RUN_ID, P0_SEEDS),
        state_outputs=outputs_of(BASELINE_RUN_ID, P0_SEEDS),
    output:
        pointer=update(internal(BASELINE_POINTER)),
    log:
        logs("{segment}/pin_baseline"),
    params:
        code=code("governance.pin_baseline"),
        runs_root=runs_root,
        repin=SETTINGS.repin,
    conda:
        ENV
    script:
        "../scripts/governance/pin_baseline.py"


def reruns(wildcards):
    """States of the candidate that a change runs again, from the inputs of their rules."""
    one = SimpleNamespace(
        run_id=CANDIDATE.run_id, seed=str(SEEDS[0]), tiles_id=CANDIDATE.tiles_id, part=PARTS[0]
    )
    files = {
        state: (files_of(state, "input", one), files_of(state, "output", one)) for state in CHAIN
    }
    policies = CANDIDATE.posture.policies.values()
    return rerun_matrix(files, policies, f"segment_1A/{CANDIDATE.upstream_id}/")


def files_of(rule, side, wildcards):
    """Inputs or outputs of a rule for some wildcards, those of runs relative to the runs root."""
    found = []
    for path in getattr(getattr(rules, rule), side):
        # A pattern in storage formats no text of its own.
        paths = path(wildcards) if callable(path) else str(path).format(**vars(wildcards))
        found += [paths] if isinstance(paths, str) else paths
    return [path.split(f"{RUNS}/")[-1] for path in found]


rule iteration_protocol:
    output:
        protocol=internal(PROTOCOL),
    log:
        logs("{segment}/iteration_protocol"),
    params:
        code=code("governance.iteration_protocol"),
        protocol={
            "required_seeds": list(SETTINGS.required_seeds),
            "minimum_grade": SETTINGS.minimum_grade,
            "baseline": SETTINGS.baseline_posture,
        },
        reruns=reruns,
    conda:
        ENV
    script:
        "../scripts/governance/iteration_protocol.py"


rule score_phase:
    input:
        scorecards=each_seed(run("scorecard/segment1b_scorecard.json")),
        reference_scorecards=of_reference("scorecard/segment1b_scorecard.json"),
        receipts=each_seed(run("run_receipt.json")),
        s2_report=shared("s2_tile_weights/s2_run_report.json"),
        s4=each_seed(run("s4_alloc_plan/s4_run_report.json")),
        reference_s4=of_reference("s4_alloc_plan/s4_run_report.json"),
        s6=each_seed(run("s6_site_jitter/s6_run_report.json")),
        baseline_pointer=BASELINE_POINTER,
        gates=GATES,
    output:
        candidate=reports("segment1b_{phase}_candidate_{run_id}.json"),
    wildcard_constraints:
        phase="p[1-3]",
    log:
        logs("1B/{run_id}/score_phase_{phase}"),
    params:
        code=code("governance.score_phase", GATES),
        runs_root=runs_root,
        required_seeds=list(SETTINGS.required_seeds),
        tuned_seed=TUNED_SEED,
    conda:
        ENV
    script:
        "../scripts/governance/score_phase.py"


rule check_reproduction:
    input:
        outputs=published(seeds=SEEDS[:1]),
        witness=published("witness_id", SEEDS[:1]),
    output:
        check=reports("segment1b_{phase}_repro_check_{run_id}_{witness_id}.json"),
    wildcard_constraints:
        phase="p[1-4]",
        witness_id="[a-f0-9]{32}",
    log:
        logs("1B/{run_id}/check_reproduction_{phase}_{witness_id}"),
    params:
        code=code("governance.check_reproduction"),
        runs_root=runs_root,
        seed=SEEDS[0],
    conda:
        ENV
    script:
        "../scripts/governance/check_reproduction.py"


rule authority_envelope:
    input:
        candidates=[phase_candidate(phase) for phase in UNLOCKED],
        baseline_pointer=BASELINE_POINTER,
        policies=source(sorted({p for one in P4_RUNS for p in one.policies.values()})),
        gates=GATES,
        lock_records=LOCK_RECORDS,
    output:
        envelope=internal(reports("segment1b_p4_authority_envelope.json")),
    log:
        logs("{segment}/authority_envelope"),
    params:
        code=code("governance.authority_envelope", GATES),
        unlocked=UNLOCKED,
        runs={one.name: {"run_id": one.run_id, **one.policies} for one in P4_RUNS},
        scorers={f"scripts/{name.replace('.', '/')}.py": code_digest(name) for name in SCORERS},
    conda:
        ENV
    script:
        "../scripts/governance/authority_envelope.py"


rule assess_p4:
    input:
        scorecards=each_seed(run("scorecard/segment1b_scorecard.json")),
        reference_scorecards=of_reference("scorecard/segment1b_scorecard.json", "P4"),
        receipts=each_seed(run("run_receipt.json")),
        envelope=reports("segment1b_p4_authority_envelope.json"),
        baseline_pointer=BASELINE_POINTER,
        gates=GATES,
    output:
        integrated=reports("segment1b_p4_integrated_{run_id}.json"),
    log:
        logs("1B/{run_id}/assess_p4"),
    params:
        code=code("governance.assess_p4", GATES),
        runs_root=runs_root,
    conda:
        ENV
    script:
        "../scripts/governance/assess_p4.py"


rule p1:
    """Hold the run of P1 (S2) against what the phase demands, and against its witness."""
    input:
        unpack(unless_refused("p1", phase_records)),
    log:
        logs("1B/p1"),
    localrule: True
    params:
        code=code("governance.enforce_phase"),
        runs_root=runs_root,
        faults=refusals("p1"),
    conda:
        ENV
    script:
        "../scripts/governance/enforce_phase.py"


use rule p1 as p2 with:
    """Hold the run of P2 (S4) against what the phase demands, and against its witness."""
    input:
        unpack(unless_refused("p2", phase_records)),
    log:
        logs("1B/p2"),
    params:
        faults=refusals("p2"),


use rule p1 as p3 with:
    """Hold the run of P3 (S6) against what the phase demands, and against its witness."""
    input:
        unpack(unless_refused("p3", phase_records)),
    log:
        logs("1B/p3"),
    params:
        faults=refusals("p3"),


use rule p1 as p4 with:
    """Hold all phases together, on the frozen 1A, against every gate."""
    input:
        unpack(unless_refused("p4", phase_records)),
    log:
        logs("1B/p4"),
    params:
        faults=refusals("p4"),


use rule p1 as integrated with:
    """Hold the candidate against every gate, as P4 does, before it is certified."""
    input:
        unpack(unless_refused("integrated", phase_records)),
    log:
        logs("1B/integrated"),
    params:
        faults=refusals("integrated"),
