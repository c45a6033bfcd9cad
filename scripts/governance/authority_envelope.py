"""Rule ``authority_envelope``: exactly what P4 stands on.

The locks of P1 to P3 (or, for a phase that is not locked, the run that was scored), the pinned
baseline, the policies and the gates in force, and the code of the scorers.
"""

from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.governance.locks import read_locks
from scripts.governance.versions import state_version
from scripts.tables import file_digest

SCORERS = {
    "scripts/scorers/scorecard.py": "scorers.scorecard",
    "scripts/governance/score_phase.py": "governance.score_phase",
    "scripts/governance/score_integrated.py": "governance.score_integrated",
}


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Write the envelope."""
    locks = read_locks(Path(outputs.envelope).parent)
    stood_on = {}
    for path in inputs.candidates:
        record = read_object("segment1b_phase_candidate", path)
        lock = locks.get(record["phase"])
        stood_on[record["phase"]] = {
            "run_id": record["run_id"],
            "checks_all_pass": record["checks_all_pass"],
            "candidate_sha256": file_digest(path),
            "lock": lock.status if lock else "NOT_LOCKED",
            "lock_sha256": lock.digest if lock else None,
            "locked_run_id": lock.record["run"]["run_id"] if lock and not lock.fault else None,
        }
    write_object(
        "segment1b_p4_authority_envelope",
        outputs.envelope,
        {
            "phase": "P4",
            "locks": stood_on,
            "baseline_pointer_sha256": file_digest(inputs.baseline_pointer),
            "policies": {path: file_digest(path) for path in sorted(inputs.policies)},
            "gates": {inputs.gates: file_digest(inputs.gates)},
            "scorers": {path: state_version(module) for path, module in SCORERS.items()},
            "boundary": "P1, P2 and P3 stay as they are unless the integrated run contradicts them",
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
