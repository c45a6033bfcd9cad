"""Rule ``authority_envelope``: exactly what P4 stands on.

The locks of P1 to P3 (or, for a phase that is not locked, the run that was scored), the pinned
baseline, the policies of the integrated runs, the gates in force, and the code of the scorers. A
phase whose lock stands is not scored again: what was accepted is what P4 stands on.
"""

from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.governance.locks import Lock, read_locks
from scripts.tables import file_digest


def locked(lock: Lock) -> dict[str, Any]:
    """What P4 stands on for a phase whose lock stands: the run that was accepted."""
    accepted = [digest for path, digest in lock.record["evidence"].items() if "_candidate_" in path]
    return {
        "run_id": lock.record["run"]["run_id"],
        "checks_all_pass": True,
        "candidate_sha256": accepted[0],
        "lock": lock.status,
        "lock_sha256": lock.digest,
        "seeds": lock.record["seeds"],
    }


def unlocked(path: str, lock: Lock | None) -> dict[str, Any]:
    """The same for a phase without a standing lock: the run that was scored."""
    record = read_object("segment1b_phase_candidate", path)
    return {
        "run_id": record["run_id"],
        "checks_all_pass": record["checks_all_pass"],
        "candidate_sha256": file_digest(path),
        "lock": lock.status if lock else "NOT_LOCKED",
        "lock_sha256": lock.digest if lock else None,
        "seeds": record["seeds"],
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Write the envelope."""
    locks = read_locks(Path(outputs.envelope).parent)
    stood_on = {
        phase: locked(locks[phase]) for phase in sorted({"P1", "P2", "P3"} - set(params.unlocked))
    }
    for phase, path in zip(params.unlocked, inputs.candidates, strict=True):
        stood_on[phase] = unlocked(path, locks.get(phase))
    write_object(
        "segment1b_p4_authority_envelope",
        outputs.envelope,
        {
            "phase": "P4",
            "locks": stood_on,
            "baseline_pointer_sha256": file_digest(inputs.baseline_pointer),
            "runs": params.runs,
            "policies": {path: file_digest(path) for path in sorted(inputs.policies)},
            "gates": {inputs.gates: file_digest(inputs.gates)},
            "scorers": params.scorers,
            "boundary": "P1, P2 and P3 stay as they are unless the integrated run contradicts them",
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
