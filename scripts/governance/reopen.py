"""Open a locked phase again: who, why, and the evidence that contradicts it.

The record names the lock by its digest and holds the whole of it; the lock file stays until the
phase is accepted again. Evidence is a record of the phase or of a later one, in which a gate failed
that the phase's state answers for, or the record of a recovery that found a better policy for it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import check_object, dataset_path, write_object
from scripts.errors import ContractError, GovernanceError
from scripts.governance import locks
from scripts.scorers.phase_rows import REPORT
from scripts.tables import file_digest, read_json

EVIDENCE = (
    "segment1b_phase_candidate",
    "segment1b_p4_integrated",
    "segment1b_p4_red_reopen",
    "segment1b_p4_recovery",
    "segment1b_p5_certification",
)

# States whose gates a phase answers for.
STATES_OF = {"P1": {"S2"}, "P2": {"S4"}, "P3": {"S6"}, "P4": {"1A", "S2", "S4", "S6"}}


def contradicting_rows(kind: str, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Failing rows of grade B, or of a phase's demands, in a piece of evidence."""
    if kind == "segment1b_p4_red_reopen":
        rows = [*document["failing_gates"], *document["regressions"]]
    else:
        rows = [*document["rows"], *document.get("no_regression", [])]
    return [
        row
        for row in rows
        if not row["passed"] and row.get("grade", "B") == "B" and row.get("kind") != REPORT
    ]


def contradictions(kind: str, document: Mapping[str, Any], phase: str) -> list[str]:
    """What in a piece of evidence is the phase's to mend: gate or check, and seed."""
    states = STATES_OF[phase]
    if kind == "segment1b_p4_recovery":
        turned = {state.upper() for state in (document["winner"] or {}).get("turned", [])}
        return list(document["start"]["missed"]) if turned & states else []
    return [
        f"{row.get('gate', row.get('check'))} seed {row['seed']}"
        for row in contradicting_rows(kind, document)
        if row["triage"] and states & set(row["triage"].split(", "))
    ]


def evidence(path: str, root: Path, phase: str) -> dict[str, Any]:
    """Evidence of a reopen: path, digest, what kind of record it is and what fails in it.

    Raises
    ------
    GovernanceError
        ``EG60`` no such file below the runs root; ``EG61`` it is no record of this phase or a later
        one; ``EG62`` nothing that the phase could mend fails in it.
    """
    file = Path(path)
    if not path or not file.is_file() or not file.resolve().is_relative_to(root.resolve()):
        raise GovernanceError(
            "EG60", path or "evidence", f"is no file below {root}", "the path of a failed record"
        )
    document = read_json(file)
    later = locks.PHASES[locks.PHASES.index(phase) :]
    for kind in EVIDENCE:
        try:
            check_object(kind, document, file)
        except ContractError:
            continue
        if document["phase"] not in (*later, "P5"):
            break
        found = contradictions(kind, document, phase)
        if not found:
            raise GovernanceError(
                "EG62", path, f"no gate fails in it that {phase} could mend", "a failed gate of its"
            )
        return {
            "path": file.resolve().relative_to(root.resolve()).as_posix(),
            "sha256": file_digest(file),
            "kind": kind,
            "failing": found,
        }
    raise GovernanceError(
        "EG61", path, f"is no record of {phase} or a later phase", f"one of {', '.join(EVIDENCE)}"
    )


def reopen_record(
    phase: str, lock: locks.Lock | None, approved_by: str, reason: str, proof: Mapping[str, Any]
) -> dict[str, Any]:
    """The sealed reopen record of a standing lock.

    Raises
    ------
    GovernanceError
        ``EG63`` no lock stands; ``EG64`` nobody approved, or no reason is given.
    """
    if lock is None or lock.status == locks.REOPENED or lock.fault:
        state = "not locked" if lock is None else lock.fault or "reopened already"
        raise GovernanceError("EG63", f"phase {phase}", f"is {state}", "a phase that is locked")
    for key, value in (("approved-by", approved_by), ("reason", reason)):
        if not value.strip():
            raise GovernanceError("EG64", f"reopen {phase}", f"{key} is empty", f"--{key} ...")
    return locks.seal(
        {
            "phase": phase,
            "sequence": lock.record["sequence"],
            "approved_by": approved_by,
            "reason": reason,
            "evidence": dict(proof),
            "lock_sha256": lock.digest,
            "lock": dict(lock.record),
        }
    )


def reopen_phase(root: Path, phase: str, approved_by: str, reason: str, proof: str) -> list[str]:
    """Write the reopen record of a phase; what to tell.

    Parameters
    ----------
    root
        Runs root.
    phase
        P1 to P4.
    approved_by, reason
        Who opens it again, and why.
    proof
        Path of the evidence.
    """
    lock = locks.read_locks(root / locks.FOLDER).get(phase)
    found = evidence(proof, root, phase)
    record = reopen_record(phase, lock, approved_by, reason, found)
    path = dataset_path(
        root, "segment1b_reopen_record", phase=phase.lower(), sequence=record["sequence"]
    )
    write_object("segment1b_reopen_record", path, record)
    return [f"{phase} reopened by {approved_by}; lock it again once it is accepted"]
