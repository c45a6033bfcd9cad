"""Locks: a phase that was accepted, and the files that may not change while the lock stands.

A lock record holds the digest of every policy, schema and module that the accepted result of a
phase depends on, the accepted run with its metrics, and the reproducibility witness. It is sealed
with a digest of its own content and kept in git. A lock is

* ``STANDING`` until a reopen record names its digest,
* ``REOPENED`` from then on, until the phase is accepted and locked again,
* ``UNDERMINED`` when a lock of an earlier phase that it stands on is not standing any more.

While a lock stands, a changed file refuses every promotion; the fault names the file and both
digests. Lock and reopen records are only ever added or superseded: each keeps the one before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.contracts import read_object
from scripts.errors import GovernanceError, RefusedError, SegmentError
from scripts.policies import schema_name
from scripts.records.code_digest import PACKAGE, code_digest, modules_of, source_of, syntax_digest
from scripts.scorers.gates import GATES_FILE
from scripts.states import CHAIN
from scripts.tables import file_digest, to_json_bytes

Json = Mapping[str, Any]
PHASES = ("P1", "P2", "P3", "P4")
# Of locks and reopen records, below the runs root.
FOLDER = "segment_1B/reports"
STANDING, REOPENED, UNDERMINED = "STANDING", "REOPENED", "UNDERMINED"
# Source trees: the working folder, then the repository.
TREES = (Path(), PACKAGE.parent)


@dataclass(frozen=True)
class Surface:
    """What a phase may tune, and so what its lock holds: policies by key, modules, other files."""

    policies: tuple[str, ...]
    modules: tuple[str, ...]
    files: tuple[str, ...] = ()


SURFACES = {
    "P1": Surface(("s2",), ("states.s2_tile_weights", "states.s3_requirements")),
    "P2": Surface(("s4",), ("states.s4_guard", "states.s4_alloc_plan")),
    "P3": Surface(("s5", "s6"), ("states.s5_site_tile_assignment", "states.s6_site_jitter")),
    "P4": Surface(
        ("upstream", "s1_tile_index", "s1_population", "s2", "s4", "s5", "s6", "s9"),
        (*(f"states.{state}" for state in CHAIN), "scorers.scorecard", "scorers.gates"),
        (GATES_FILE,),
    ),
}


@dataclass(frozen=True)
class Lock:
    """A lock record as it lies on the disk: its digest, its state, and why it cannot be read."""

    phase: str
    path: Path
    digest: str
    status: str
    record: Json
    fault: str = ""


def surface_digests(phase: str, policies: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Files that a phase locks and their SHA-256, in the groups policies, schemas, code, other.

    Parameters
    ----------
    phase
        P1 to P4.
    policies
        Policy files of the run by key.
    """
    surface = SURFACES[phase]
    # No policy made an external 1A.
    paths = [policies[key] for key in surface.policies if key in policies]
    schemas = {f"config/schemas/{schema_name(path)}.schema.yaml" for path in paths}
    modules = {m for top in surface.modules for m in modules_of(f"{PACKAGE.name}.{top}")}
    sources = [source_of(module).relative_to(PACKAGE.parent).as_posix() for module in modules]
    return {
        "policies": {path: _digest(path) for path in sorted(paths)},
        "schemas": {path: _digest(path) for path in sorted(schemas)},
        "code": {path: _digest(path) for path in sorted(sources)},
        "other": {path: _digest(path) for path in sorted(surface.files)},
    }


def _digest(path: str, trees: Sequence[Path] = TREES) -> str:
    """Digest of a file of the first source tree that has it; ``absent`` when none has.

    Code counts by its syntax, so that a changed comment breaks no lock.
    """
    for tree in trees:
        if (tree / path).is_file():
            return syntax_digest(tree / path) if path.endswith(".py") else file_digest(tree / path)
    return "absent"


def rule_versions(phase: str) -> dict[str, str]:
    """Version of each rule that a phase locks: its code and the contracts that it names."""
    return {
        module.rsplit(".", 1)[-1]: code_digest(module)
        for module in SURFACES[phase].modules
        if module.startswith("states.")
    }


def seal(record: Json) -> dict[str, Any]:
    """The record with the digest of its own content under ``seal``."""
    content = {key: value for key, value in record.items() if key != "seal"}
    return {**content, "seal": hashlib.sha256(to_json_bytes(content)).hexdigest()}


def read_sealed(dataset_id: str, path: Path) -> Any:
    """Read a sealed record.

    Raises
    ------
    GovernanceError
        ``EG40`` the content is not the one that was sealed.
    """
    record = read_object(dataset_id, path)
    if seal(record)["seal"] != record["seal"]:
        raise GovernanceError("EG40", path, "was edited after it was sealed", "restore it from git")
    return record


def lock_path(reports: Path, phase: str) -> Path:
    """Where the lock record of a phase is."""
    return reports / f"segment1b_{phase.lower()}_lock_record.json"


def reopen_records(reports: Path, phase: str) -> list[Path]:
    """Reopen records of a phase, the first one first."""
    found = reports.glob(f"segment1b_{phase.lower()}_reopen_record_*.json")
    return sorted(found, key=lambda path: (len(path.name), path.name))


def read_locks(reports: Path) -> dict[str, Lock]:
    """Locks of all phases that have one, by phase; a record that cannot be read has a fault."""
    locks: dict[str, Lock] = {}
    for phase in PHASES:
        path = lock_path(reports, phase)
        if not path.exists():
            continue
        digest = file_digest(path)
        try:
            record = read_sealed("segment1b_lock_record", path)
            reopened = {
                read_sealed("segment1b_reopen_record", p)["lock_sha256"]
                for p in reopen_records(reports, phase)
            }
        except SegmentError as error:
            locks[phase] = Lock(phase, path, digest, STANDING, {}, str(error))
            continue
        status = REOPENED if digest in reopened else STANDING
        for earlier, stood_on in record["stands_on"].items():
            below = locks.get(earlier)
            if status == STANDING and below and not below.fault:
                moved = below.status != STANDING or below.digest != stood_on
                status = UNDERMINED if moved else status
        locks[phase] = Lock(phase, path, digest, status, record)
    return locks


def lock_set(reports: Path) -> dict[str, dict[str, Any]]:
    """What a certificate says of the locks that it stands on."""
    return {
        phase: {
            "status": lock.status,
            "sha256": lock.digest,
            "sequence": lock.record.get("sequence"),
            "run_id": lock.record.get("run", {}).get("run_id"),
        }
        for phase, lock in read_locks(reports).items()
    }


def standing_records(reports: Path) -> list[Lock]:
    """Locks that stand and can be read."""
    return [k for k in read_locks(reports).values() if k.status == STANDING and not k.fault]


def changed_files(
    locked: Mapping[str, Mapping[str, str]], trees: Sequence[Path] = TREES
) -> list[tuple[str, str, str]]:
    """Files of a source tree that are not what a lock holds: (path, locked digest, digest now)."""
    found = []
    for group in sorted(locked):
        for path, digest in sorted(locked[group].items()):
            now = _digest(path, trees)
            if now != digest:
                found.append((path, digest, now))
    return found


def faults(
    locks: Mapping[str, Lock], policies: Mapping[str, str], upto: str | None = None
) -> list[str]:
    """Why a promotion is refused, and what would be right: one line each, none when all is well.

    Parameters
    ----------
    locks
        As :func:`read_locks` gives them.
    policies
        Policy files of the run to be promoted, by key.
    upto
        The phase that is promoted; None for the certificate, which stands on all of them.
    """
    lines: list[str] = []
    last = len(PHASES) if upto is None else PHASES.index(upto)
    for phase, lock in locks.items():
        at = PHASES.index(phase)
        if lock.fault:
            lines.append(f"lock {phase}: {lock.fault}")
            continue
        if lock.status != STANDING:
            if at < last:
                lines.append(
                    f"lock {phase} is {lock.status.lower()}; accept it: segment1b lock {phase}"
                )
            continue
        changed = changed_files(lock.record["files"])
        lines += [
            f"lock {phase}: {path} has digest {now}, locked is {digest}; "
            f"restore it, or segment1b reopen {phase}"
            for path, digest, now in changed
        ]
        if at <= last:
            lines += _other_policies(lock, policies, {path for path, _, _ in changed})
        lines += [
            f"lock {phase} stands on lock {earlier}, which is gone; restore its record from git"
            for earlier in lock.record["stands_on"]
            if earlier not in locks
        ]
    return lines


def _other_policies(lock: Lock, policies: Mapping[str, str], told: Iterable[str]) -> list[str]:
    """Policies of a run that are other files than the locked ones, and differ from them."""
    locked = lock.record["policies"]
    lines = []
    for key, entry in sorted(locked.items()):
        path = policies.get(key)
        if path is None:
            lines.append(
                f"lock {lock.phase} holds {entry['path']}, this run has no policy {key}; "
                f"use the 1A that was locked, or segment1b reopen {lock.phase}"
            )
            continue
        now = _digest(path)
        if path not in told and now != entry["sha256"]:
            lines.append(
                f"lock {lock.phase}: the run uses {path} with digest {now}, "
                f"locked is {entry['path']} with {entry['sha256']}; "
                f"use that one, or segment1b reopen {lock.phase}"
            )
    return lines


def refuse(lines: Sequence[str]) -> None:
    """Raise ``EG41`` for each fault when there is any."""
    if lines:
        raise RefusedError([GovernanceError("EG41", "promotion", line) for line in lines])


def refuse_moved_baseline(locks: Sequence[Lock], report: Json, digests: Json) -> None:
    """Refuse a baseline that is not the one a standing lock was measured against (``EG42``)."""
    run_id = report["baseline_authority"]["run_id"]
    (path, digest), *_ = digests.items()
    for lock in locks:
        held = lock.record["baseline"]
        if (held["run_id"], held["report_sha256"]) != (run_id, digest):
            raise GovernanceError(
                "EG42",
                path,
                f"is a baseline of digest {digest[:12]}, lock {lock.phase} was measured against "
                f"{held['report_sha256'][:12]}",
                f"restore the baseline's files, or reopen {lock.phase}",
            )
