"""Lock an accepted phase, and with it what its result depends on.

A lock is written only for a run whose every check holds and whose witness agrees, on top of the
standing locks of the earlier phases. A lock that stands is never written over: reopen it first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import dataset_path, read_object, write_object
from scripts.errors import GovernanceError
from scripts.governance import locks
from scripts.governance.enforce_phase import check_witness, enforce_candidate, enforce_integrated
from scripts.governance.pointers import verify_baseline
from scripts.governance.promotion import lock_faults, lock_run, witness_id
from scripts.governance.releases import when_and_from
from scripts.governance.retention import prune
from scripts.policies import parse_yaml
from scripts.records.ledger import Ledger
from scripts.settings import Settings

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
            f"segment1b reopen {phase} --approved-by ... --evidence ... --reason ...",
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
    named = {key: policies[key] for key in locks.SURFACES[phase].policies if key in policies}
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
            "delta": record["delta"],
            "knobs": {key: parse_yaml(path) for key, path in sorted(named.items())},
            "commit": when_and_from()["commit"],
            "witness": {key: check[key] for key in ("run_id", "witness_id", "seed", "identical")},
            "evidence": dict(evidence),
        }
    )


def refuse_lock(settings: Settings, phase: str) -> None:
    """Refuse a lock before anything runs (``EG41`` for each fault)."""
    found = locks.read_locks(Path(settings.runs_root, locks.FOLDER))
    locks.refuse(lock_faults(settings, found, phase))


def lock_phase(settings: Settings, phase: str, keep: bool = False) -> list[str]:
    """Lock a phase whose records its target made and accepted; what to tell.

    Everything is held against the disk again, so that what is locked is what is there now. Runs
    that no record refers to are superseded by then, and are deleted unless ``keep`` lists them.
    """
    root, run = Path(settings.runs_root), lock_run(settings, phase)
    reports = root / locks.FOLDER
    refuse_lock(settings, phase)
    found = locks.read_locks(reports)
    stands_on(found, phase)
    pin = read_object("baseline_pointer", dataset_path(root, "baseline_pointer"))
    verify_baseline(pin, root, "baseline pointer")
    tokens = {"phase": phase.lower(), "run_id": run.run_id, "witness_id": witness_id(run)}
    p4 = phase == "P4"
    kind = "segment1b_p4_integrated" if p4 else "segment1b_phase_candidate"
    path = dataset_path(root, kind, **tokens)
    record = read_object(kind, path)
    lines = enforce_integrated(record, path, found) if p4 else enforce_candidate(record, path)
    witnessed = dataset_path(root, "segment1b_repro_check", **tokens)
    check = read_object("segment1b_repro_check", witnessed)
    lines.append(check_witness(check, witnessed))
    report = dataset_path("", "segment1b_p0_baseline", run_id=pin["run_id"]).as_posix()
    lock = lock_record(
        phase,
        record,
        check,
        run.policies,
        {"run_id": pin["run_id"], "report_sha256": pin["digests"][report]},
        found,
        Ledger.of(root, (path, witnessed)).digests,
    )
    path_of_lock = locks.lock_path(reports, phase)
    write_object("segment1b_lock_record", path_of_lock, lock)
    pruned = prune(root, settings.kept_runs, execute=not keep)
    deleted = [line for line in pruned if line.startswith(("delete ", "would delete "))]
    return [*lines, f"{phase} locked, number {lock['sequence']}: {path_of_lock}", *deleted]
