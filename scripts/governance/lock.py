"""Target ``lock``: accept a phase and lock what it depends on.

A lock is written only for a run whose every check holds and whose witness agrees, on top of the
standing locks of the earlier phases. A lock that stands is never written over: reopen it first.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.console import say
from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.errors import GovernanceError
from scripts.governance import locks
from scripts.governance.enforce_phase import check_witness, enforce_candidate, enforce_integrated
from scripts.governance.pointers import verify_baseline
from scripts.records.ledger import Ledger

Json = Mapping[str, Any]


def stands_on(found: Mapping[str, locks.Lock], phase: str) -> dict[str, str]:
    """Digests of the locks of earlier phases, which must all stand (``EG46``)."""
    earlier = locks.PHASES[: locks.PHASES.index(phase)]
    for name in earlier:
        lock = found.get(name)
        if lock is None or lock.fault or lock.status != locks.STANDING:
            state = "not locked" if lock is None else lock.fault or lock.status.lower()
            raise GovernanceError(
                "EG46", f"lock {phase}", f"{name} is {state}", f"lock {name} first"
            )
    return {name: found[name].digest for name in earlier}


def superseded(found: Mapping[str, locks.Lock], phase: str) -> tuple[int, Any]:
    """Number of the new lock and what it supersedes (``EG47``: a lock stands)."""
    before = found.get(phase)
    if before is None:
        return 1, None
    if before.fault or before.status == locks.STANDING:
        raise GovernanceError(
            "EG47",
            before.path,
            before.fault or f"lock {phase} stands",
            f"snakemake reopen --config phase={phase} approved_by=... evidence=... reason=...",
        )
    return before.record["sequence"] + 1, {
        "sequence": before.record["sequence"],
        "lock_sha256": before.digest,
        "was": before.status,
    }


def lock_record(
    phase: str,
    record: Json,
    check: Json,
    policies: Mapping[str, str],
    baseline: Json,
    found: Mapping[str, locks.Lock],
    evidence: Json,
) -> dict[str, Any]:
    """The sealed lock of an accepted phase.

    Parameters
    ----------
    phase
        P1 to P4.
    record, check
        Its candidate scorecard and its witness.
    policies
        Policy files of the accepted run by key.
    baseline
        ``run_id`` and ``report_sha256`` of the baseline.
    found
        Locks as they are.
    evidence
        Path and digest of the two records.
    """
    sequence, before = superseded(found, phase)
    files = locks.surface_digests(phase, policies)
    named = {key: policies[key] for key in locks.SURFACES[phase].policies}
    return locks.seal(
        {
            "phase": phase,
            "sequence": sequence,
            "supersedes": before,
            "stands_on": stands_on(found, phase),
            "run": {key: record[key] for key in ("run_id", "name", "posture", "parameter_hash")},
            "lane": record.get("lane", "certification"),
            "seeds": record["seeds"],
            "baseline": dict(baseline),
            "policies": {
                key: {"path": path, "sha256": files["policies"][path]}
                for key, path in sorted(named.items())
            },
            "files": files,
            "rule_versions": locks.rule_versions(phase),
            "metrics": record["metrics"],
            "witness": {key: check[key] for key in ("run_id", "witness_id", "seed", "identical")},
            "evidence": dict(evidence),
        }
    )


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Accept and lock."""
    for line in params.faults:
        print(line, file=sys.stderr)
    locks.refuse(params.faults)
    phase = params.phase
    if phase not in locks.PHASES:
        raise GovernanceError("EG48", "phase", f"{phase!r} is no phase to lock", "P1, P2, P3 or P4")
    reports, root = Path(params.reports), Path(params.runs_root)
    found = locks.read_locks(reports)
    superseded(found, phase)
    stands_on(found, phase)
    pin = read_object("baseline_pointer", inputs.baseline_pointer)
    verify_baseline(pin, root, inputs.baseline_pointer)
    if phase == "P4":
        record = read_object("segment1b_p4_integrated", inputs.record)
        lines = enforce_integrated(record, inputs.record)
    else:
        record = read_object("segment1b_phase_candidate", inputs.record)
        lines = enforce_candidate(record, inputs.record)
    check = read_object("segment1b_repro_check", inputs.check)
    lines.append(check_witness(check, inputs.check))
    report = Path(inputs.report).relative_to(root).as_posix()
    lock = lock_record(
        phase,
        record,
        check,
        params.policies,
        {"run_id": pin["run_id"], "report_sha256": pin["digests"][report]},
        found,
        Ledger.of(root, (inputs.record, inputs.check)).digests,
    )
    write_object("segment1b_lock_record", locks.lock_path(reports, phase), lock)
    say([*lines, f"{phase} locked, number {lock['sequence']}"], params.quiet)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
