"""Targets ``p1`` to ``p4`` and ``integrated``: hold a phase's records against what it demands.

Locks and seeds were looked at before anything ran; what is not in order stands in the parameters
and refuses here. Then the baseline is hashed again, the witness must agree, and every row hold. The
run that passes is the one under evaluation: ``current_candidate`` points to it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import dataset_path, read_object, write_object
from scripts.entry import run
from scripts.errors import GovernanceError
from scripts.governance import locks
from scripts.governance.candidate import point
from scripts.governance.pointers import verify_baseline
from scripts.governance.verdict import failing_checks, failing_gates
from scripts.scorers import phase_rows
from scripts.scorers.classification import RED, failing_rows
from scripts.scorers.levers import read_table
from scripts.tables import published

Json = Mapping[str, Any]


def check_witness(check: dict[str, Any], where: object) -> str:
    """Line of a witness that agrees (``EG44`` when it does not)."""
    if not check["identical"]:
        raise GovernanceError(
            "EG44",
            where,
            f"{len(check['differing'])} files differ from the second run, first "
            f"{(check['differing'] or ['none'])[0]}",
            "two fresh runs of one seed that make the same bytes",
        )
    return (
        f"witness {check['witness_id']} seed {check['seed']}: {len(check['digests'])} files alike"
    )


def enforce_candidate(record: dict[str, Any], where: object) -> list[str]:
    """Lines of an accepted P1, P2 or P3 (``EG43`` when a row fails)."""
    lines = phase_rows.table(record["rows"])
    if not record["checks_all_pass"]:
        raise GovernanceError(
            "EG43", where, f"{record['phase']} is not accepted: {lines[-1]}", "see its rows"
        )
    return [
        *lines,
        f"{record['phase']} accepted in the {record['lane']} lane; nothing is certified",
    ]


PHASE_OF_LANE = {"S2": "P1", "S2, S4": "P1", "S4": "P2", "S4, S6": "P2", "S6": "P3"}


def remedy_of(lane: str | None, evidence: object, found: Mapping[str, locks.Lock]) -> str:
    """What opens a lane: its phase where a lock holds it, else its policy or 1A's posture."""
    if lane == "1A":
        return (
            "a posture with another upstream_policy, which the freeze guard judges; then integrated"
        )
    phase = PHASE_OF_LANE.get(lane or "")
    if phase is None:
        return "mend the code before any tuning"
    lock = found.get(phase)
    if lock is None or lock.status != locks.STANDING:
        return f"no lock holds {lane}: turn its policy; segment1b knobs says what moves the gates"
    return f"segment1b reopen {phase} --approved-by ... --reason ... --evidence {evidence}"


def enforce_integrated(
    record: dict[str, Any], where: object, found: Mapping[str, locks.Lock]
) -> list[str]:
    """Lines of a P4 that is not RED (``EG45`` when it is)."""
    if record["classification"] == RED:
        raise GovernanceError(
            "EG45",
            where,
            f"P4 is {RED}, recommended lane {record['recommended_lane']}",
            remedy_of(record["recommended_lane"], where, found),
        )
    return [f"P4 is {record['classification']}, grade {record['grade']}; nothing is certified"]


def reopening_case(record: Json, table: Json | None) -> dict[str, Any]:
    """What a reopening is argued with: the failing rows of P4, the lane that mends them, and what
    to turn for each gate by the table of knobs.
    """
    same = (
        *("phase", "run_id", "posture", "seeds", "metrics", "classification", "grade"),
        *("reopen_required", "deciding_grade", "lanes", "recommended_lane", "countries_offered"),
    )
    return {
        **{key: record[key] for key in same},
        "failing_gates": failing_rows(record["rows"], record["deciding_grade"]),
        "advice": [
            *failing_gates(record["rows"], record["deciding_grade"], table),
            *failing_checks(record["no_regression"], "P4", table),
        ],
        "regressions": [row for row in record["no_regression"] if not row["passed"]],
    }


def write_case(root: Path, record: dict[str, Any], table: Any) -> Path:
    """Publish the case for reopening of a RED run; that of an earlier try goes where it is not."""
    path = dataset_path(root, "segment1b_p4_red_reopen", run_id=record["run_id"])
    if record["classification"] == RED:
        write_object("segment1b_p4_red_reopen", path, published(reopening_case(record, table)))
    else:
        path.unlink(missing_ok=True)
    return path


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Enforce."""
    locks.refuse(params.faults)
    pin = read_object("baseline_pointer", inputs.baseline_pointer)
    root = Path(params.runs_root)
    verify_baseline(pin, root, inputs.baseline_pointer)
    if hasattr(inputs, "integrated"):
        record = read_object("segment1b_p4_integrated", inputs.integrated)
        case = write_case(root, record, read_table(inputs.sensitivity))
        enforce_integrated(record, case, locks.read_locks(root / locks.FOLDER))
    else:
        record = read_object("segment1b_phase_candidate", inputs.candidate)
        enforce_candidate(record, inputs.candidate)
    check_witness(read_object("segment1b_repro_check", inputs.check), inputs.check)
    point(root, inputs.scorecards, inputs.receipts)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
