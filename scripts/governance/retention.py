"""Retention: which run folders stay, and the careful deletion of the others.

Kept are the runs that the three pointers name, those of the certificate, those that the caller
names, and every run that a kept record refers to: lock and reopen records, the authority envelope,
the fork and receipt files of kept runs, and so on until nothing new is found. Records
themselves are never deleted. Segment 1A is left alone.

A folder is deleted only when it lies directly below ``segment_1B`` of the runs root under a run
id, neither it nor anything in it is a symbolic link, and it is not read-only.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from scripts.errors import GovernanceError, SegmentError
from scripts.tables import read_json, write_text

RUN_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
CHECK = "reports/segment1b_p0_prune_check.txt"
RECORDS = (
    "baseline_authority/baseline_pointer.json",
    "current_candidate/current_candidate_pointer.json",
    "last_good/last_good_pointer.json",
    "reports/segment1b_p5_certification.json",
    "reports/segment1b_p4_authority_envelope.json",
    "reports/segment1b_p[1-4]_lock_record.json",
    "reports/segment1b_p[1-4]_reopen_record_*.json",
)
BY_NAME = "by_name"
RUN_RECORDS = ("candidate.json", "seed=*/run_receipt.json")


def run_folders(segment: Path) -> dict[str, Path]:
    """Folders directly below ``segment_1B`` that bear a run id, symbolic links among them."""
    if not segment.is_dir():
        return {}
    return {p.name: p for p in sorted(segment.iterdir()) if RUN_ID.fullmatch(p.name)}


def name_runs(segment: Path, names: Mapping[str, str]) -> None:
    """Links by name to the folders of runs that are there; links to what is gone go.

    ``names`` holds the name of each run id.
    """
    links = segment / BY_NAME
    for link in links.glob("*"):
        if link.is_symlink() and not link.exists():
            link.unlink()
    for run_id, name in names.items():
        link = links / name.replace(" ", "-")
        if (segment / run_id).is_dir() and not link.is_symlink():
            links.mkdir(exist_ok=True)
            link.symlink_to(Path("..") / run_id)


def mentioned(path: Path) -> set[str]:
    """Run ids that stand in a file."""
    return set(RUN_ID.findall(path.read_text(encoding="utf-8")))


def kept_runs(segment: Path, named: Iterable[str]) -> dict[str, str]:
    """Run ids that stay and why, closed over what kept records refer to."""
    reasons = dict.fromkeys(named, "named by the configuration")
    for record in (path for pattern in RECORDS for path in sorted(segment.glob(pattern))):
        for run_id in sorted(mentioned(record)):
            reasons.setdefault(run_id, f"{record.name} refers to it")
    open_runs = list(reasons)
    while open_runs:
        run_id = open_runs.pop()
        for pattern in RUN_RECORDS:
            for record in sorted((segment / run_id).glob(pattern)):
                for found in sorted(mentioned(record) - set(reasons)):
                    reasons[found] = f"{record.name} of {run_id} refers to it"
                    open_runs.append(found)
    return reasons


def check_removable(path: Path, root: Path) -> None:
    """Refuse to delete what is no superseded run folder.

    Raises
    ------
    GovernanceError
        ``EG51`` a path that is not a run folder of the runs root; ``EG52`` a symbolic link, on the
        way or inside; ``EG53`` read-only.
    """
    segment = root / "segment_1B"
    plain = Path(os.path.normpath(path))
    if plain.parent != Path(os.path.normpath(segment)) or not RUN_ID.fullmatch(plain.name):
        raise GovernanceError("EG51", path, f"is no run folder of {segment}", "a run of this root")
    for link in (segment, plain, *plain.rglob("*")):
        if link.is_symlink():
            raise GovernanceError("EG52", link, "is a symbolic link", "remove the link by hand")
    for folder in (plain, *(p for p in plain.rglob("*") if p.is_dir())):
        if not folder.stat().st_mode & 0o200:
            raise GovernanceError("EG53", folder, "is read-only", "an authority stays")


def size_of(folder: Path, seen: set[tuple[int, int]] | None = None) -> int:
    """Bytes of the files below a folder; a file that is hard-linked several times counts once."""
    seen = set() if seen is None else seen
    total = 0
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            # Renamed or deleted by a workflow that is at work.
            continue
        key = (status.st_dev, status.st_ino)
        if stat.S_ISREG(status.st_mode) and key not in seen:
            seen.add(key)
            total += status.st_size
    return total


def _name_of(folder: Path) -> str:
    """Name of a run in parentheses, by its own records; nothing where these do not say it."""
    for record in (path for pattern in RUN_RECORDS for path in sorted(folder.glob(pattern))):
        with contextlib.suppress(SegmentError, KeyError, TypeError):
            return f" ({read_json(record)['name']})"
    return ""


def prune(root: Path, named: Iterable[str], execute: bool) -> list[str]:
    """Delete superseded run folders, or only list them; writes and returns the check file's lines.

    Parameters
    ----------
    root
        Runs root.
    named
        Run ids that stay whatever the records say.
    execute
        False lists, true deletes.
    """
    segment = root / "segment_1B"
    folders = run_folders(segment)
    kept = kept_runs(segment, named)
    removable, lines = [], []
    for run_id, folder in folders.items():
        if run_id in kept:
            lines.append(f"keep {run_id}: {kept[run_id]}")
            continue
        try:
            check_removable(folder, root)
        except GovernanceError as error:
            lines.append(f"refuse {run_id}: {error.code} {error.rule}")
            continue
        removable.append(folder)
        lines.append(f"{'delete' if execute else 'would delete'} {run_id}{_name_of(folder)}")
    if execute:
        for folder in removable:
            shutil.rmtree(folder)
            shutil.rmtree(root / "logs/1B" / folder.name, ignore_errors=True)
    verb = "deleted" if execute else "to delete"
    lines.append(f"{len(folders) - len(removable)} kept, {len(removable)} {verb}")
    write_text(segment / CHECK, "\n".join(lines) + "\n")
    return lines
