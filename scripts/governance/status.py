"""The board of phases, locks, pointers and candidates.

Reads what is on the disk and judges nothing anew. Ages come from the clock and are printed only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.console import counted
from scripts.contracts import dataset_path
from scripts.errors import SegmentError
from scripts.governance import locks, releases, retention
from scripts.scorers.gates import GRADE_NAMES
from scripts.scorers.phase_rows import REPORT
from scripts.tables import read_json

POINTERS = (
    "baseline_authority/baseline",
    "current_candidate/current_candidate",
    "last_good/last_good",
)


def age(path: Path, now: float) -> str:
    """Time since a file changed, in its largest unit."""
    seconds = max(0.0, now - path.stat().st_mtime)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(bytes_: int) -> str:
    """Bytes in MB or GB."""
    return f"{bytes_ / 1e9:.2f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:.1f} MB"


def _read(path: Path) -> Any:
    """JSON of a file, or None when it is absent or broken."""
    try:
        return read_json(path)
    except SegmentError:
        return None


def phase_lines(segment: Path, phase_runs: Mapping[str, str]) -> list[str]:
    """One line a phase: its verdict and its lock."""
    reports, found = segment / "reports", locks.read_locks(segment / "reports")
    pin = _read(segment / "baseline_authority/baseline_pointer.json")
    lines = [f"P0  {pin['claim']['decision'] if pin else 'not run'}"]
    for phase, run_id in phase_runs.items():
        kind = "integrated" if phase == "P4" else "candidate"
        record = _read(reports / f"segment1b_{phase.lower()}_{kind}_{run_id}.json")
        if record is None:
            verdict = "not run"
        elif phase == "P4":
            recovery = _read(reports / f"segment1b_p4_recovery_{run_id}.json")
            verdict = record["classification"]
            verdict += f", recovery {recovery['outcome']}" if recovery else ""
        else:
            failing = sum(not row["passed"] and row["kind"] != REPORT for row in record["rows"])
            verdict = "accepted" if record["checks_all_pass"] else f"{failing} checks fail"
            verdict += f", {record['lane']} lane"
        lock = found.get(phase)
        changed = ""
        if lock and not lock.fault and lock.status == locks.STANDING:
            files = locks.changed_files(lock.record["files"])
            changed = f", {len(files)} locked files changed" if files else ", files unchanged"
        state = "not locked" if lock is None else lock.fault or f"lock {lock.status}{changed}"
        lines.append(f"{phase}  {verdict}; {state}")
    certificate = _read(reports / "segment1b_p5_certification.json")
    if certificate is None:
        lines.append("P5  not run")
    else:
        verdict = certificate["verdict"]
        kind = "release" if verdict["release"] else "no release"
        lines.append(f"P5  grade {verdict['grade']}, {kind}, run {certificate['run']['name']}")
    return lines


def pointer_lines(segment: Path, now: float) -> list[str]:
    """One line a pointer."""
    lines = []
    for name in POINTERS:
        path = segment / f"{name}_pointer.json"
        found = _read(path)
        label = path.stem.removesuffix("_pointer")
        text = f"{found['name']} ({found['run_id']}), {age(path, now)} old" if found else "none"
        lines.append(f"{label:<18} {text}")
    return lines


def release_lines(root: Path) -> list[str]:
    """One line a sealed release, the last one first; a star marks the one in force.

    One that cannot be read is named with what is wrong with it.
    """
    pointer = _read(dataset_path(root, "last_good_pointer")) or {}
    lines = []
    for folder in releases.listed(root):
        star = "*" if folder.name == pointer.get("release") else " "
        try:
            manifest, note = releases.read_release(folder), releases.read_seal(folder)
        except SegmentError as error:
            lines.append(f"{star} {folder.name:<32} {error}")
            continue
        verdict = manifest["verdict"]
        kind = "release" if verdict["release"] else "trial"
        seeds = ", ".join(map(str, manifest["seeds"]))
        lines.append(
            f"{star} {folder.name:<32} {note['date']}  grade {GRADE_NAMES[verdict['grade']]:<8} "
            f"{kind}, seeds {seeds}, version {note['version']}, commit {note['commit'][:12]}"
        )
    return lines or ["none is sealed yet: snakemake certify"]


def candidate_lines(segment: Path, names: Mapping[str, str], now: float) -> list[str]:
    """One line a run folder: name, posture, parent, seeds, S9, grade, age, bytes of its own."""
    certificate = _read(segment / "reports/segment1b_p5_certification.json")
    graded = {certificate["run"]["run_id"]: certificate["verdict"]["grade"]} if certificate else {}
    lines: list[str] = []
    seen: set[tuple[int, int]] = set()
    for run_id, folder in retention.run_folders(segment).items():
        receipts = sorted(folder.glob("seed=*/run_receipt.json"))
        first = _read(receipts[0]) if receipts else None
        forked = _read(folder / "candidate.json")
        named = first or forked
        posture = f"posture {named['posture']}" if named else "no receipt"
        name = names.get(run_id) or (named["name"] if named else "unknown")
        summaries = [_read(p) for p in folder.glob("seed=*/s9_validation/s9_summary.json")]
        passed = sum(bool(s) and s["verdict"] == "PASS" for s in summaries)
        integrated = _read(segment / f"reports/segment1b_p4_integrated_{run_id}.json")
        grade = graded.get(run_id) or (integrated["grade"] if integrated else "-")
        newest = max(receipts, key=lambda path: path.stat().st_mtime, default=folder)
        parent = f", forked from {forked['parent']['name']}" if forked else ""
        lines.append(
            f"{run_id}  {name} ({posture}{parent}), "
            f"{counted(len(receipts), 'seed')}, S9 {passed} of {len(summaries)}, grade {grade}, "
            f"{age(newest, now)} old, {size(retention.size_of(folder, seen))}"
        )
    return lines


def board(
    root: Path, phase_runs: Mapping[str, str], names: Mapping[str, str], now: float
) -> list[str]:
    """The whole board.

    Parameters
    ----------
    root
        Runs root.
    phase_runs, names
        Run id of each phase; name of each run id that the configuration knows.
    now
        Seconds since the epoch.
    """
    segment = root / "segment_1B"
    return [
        "Phases",
        *phase_lines(segment, phase_runs),
        "",
        "Pointers",
        *pointer_lines(segment, now),
        "",
        "Releases",
        *release_lines(root),
        "",
        "Runs",
        *(candidate_lines(segment, names, now) or ["none"]),
    ]
