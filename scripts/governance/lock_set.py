"""The final lock set (P5): everything that a certificate which met its grade stands on.

Beside the certificate, which holds the digests of data, this record lists the policies, schemas and
code in force, the locks of the phases, every scorecard and record that a promotion wrote, and the
run folders: those that retention keeps, with the reason, and those that ``prune`` would delete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.governance import locks, retention
from scripts.records.ledger import Ledger

Json = Mapping[str, Any]
RECORDS = (
    "baseline_authority/baseline_pointer.json",
    "current_candidate/current_candidate_pointer.json",
    "iteration_protocol.json",
    "reports/segment1b_p0_baseline_*.json",
    "reports/segment1b_p[1-3]_candidate_*.json",
    "reports/segment1b_p[1-4]_repro_check_*.json",
    "reports/segment1b_p[1-4]_lock_record.json",
    "reports/segment1b_p[1-4]_reopen_record_*.json",
    "reports/segment1b_p4_authority_envelope.json",
    "reports/segment1b_p4_integrated_*.json",
    "reports/segment1b_p4_recovery_*.json",
    "reports/segment1b_p4_red_reopen_*.json",
    "reports/segment1b_p5_certification.json",
)


def record_files(segment: Path) -> list[Path]:
    """Records of a promotion that are there."""
    return [path for pattern in RECORDS for path in segment.glob(pattern)]


def final_lock_set(
    root: Path, certificate: Json, policies: Mapping[str, str], named: Iterable[str]
) -> dict[str, Any]:
    """The record of a certified run.

    Parameters
    ----------
    root
        Runs root.
    certificate
        The certificate, enforced already.
    policies
        Policy files of the run by key.
    named
        Run ids that retention keeps whatever the records say.

    Returns
    -------
    ``complete`` is true when the locks of all four phases stand; without locks the set still says
    what was certified. The record is sealed, as the locks are.
    """
    segment = root / "segment_1B"
    standing = locks.lock_set(segment / "reports")
    kept = retention.kept_runs(segment, named)
    folders = retention.run_folders(segment)
    content = {
        "phase": "P5",
        "run": dict(certificate["run"]),
        "grade": certificate["verdict"]["grade"],
        "release": certificate["verdict"]["release"],
        "seeds": list(certificate["seeds"]),
        "complete": [standing.get(phase, {}).get("status") for phase in locks.PHASES]
        == [locks.STANDING] * len(locks.PHASES),
        "locks": standing,
        "files": locks.surface_digests("P4", policies),
        "rule_versions": locks.rule_versions("P4"),
        "scorecards": dict(certificate["digests"]["scorecards"]),
        "records": Ledger.of(root, record_files(segment)).digests,
        "retained_runs": {run_id: kept[run_id] for run_id in sorted(folders) if run_id in kept},
        "superseded_runs": sorted(set(folders) - set(kept)),
    }
    return locks.seal(content)
