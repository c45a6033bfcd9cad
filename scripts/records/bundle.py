"""Validation bundles: a folder of evidence, its index, and the flag that says it passed.

The index names every file of the folder except the flag, itself included. The flag is the line
``sha256_hex = <hex64>``: SHA-256 over the raw bytes of the indexed files, one after another in
ASCII order of their paths. Both segments write and verify their bundles here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.errors import ContractError, GovernanceError
from scripts.records.ledger import Ledger, below
from scripts.tables import (
    everything_below,
    is_temporary,
    read_bytes,
    read_json,
    write_json,
    write_text,
)

INDEX = "index.json"
FLAG = "_passed.flag"
# A bundle that failed stands as evidence, and is made again only where its inputs are younger.
MEND_A_FAILURE = "mend what failed; if its inputs were put back with their old times, delete it"
_FLAG_LINE = re.compile(r"sha256_hex = ([0-9a-f]{64})\n?")
_PATH = re.compile(r"[A-Za-z0-9_.\-]+(/[A-Za-z0-9_.\-]+)*")


def write_index(folder: str | Path, paths: Iterable[str]) -> None:
    """Write ``index.json`` of a bundle whose other files are already there.

    Parameters
    ----------
    folder
        Bundle folder.
    paths
        Files of the bundle, relative to the folder, without index and flag.
    """
    folder = Path(folder)
    sealed = Ledger.of(folder, (folder / path for path in paths))
    rows: list[dict[str, Any]] = [
        {
            "artifact_id": path.removesuffix(".json").replace("/", "."),
            "kind": "evidence",
            "path": path,
            "sha256": digest,
        }
        for path, digest in sealed.digests.items()
    ]
    rows.append({"artifact_id": "index", "kind": "index", "path": INDEX})
    write_json(folder / INDEX, sorted(rows, key=lambda row: row["path"]))


def read_index(folder: str | Path) -> list[dict[str, Any]]:
    """Index of a bundle, held against its rules.

    Raises
    ------
    GovernanceError
        ``EG20`` no index, ``EG21`` broken rule: rows, identifiers, paths.
    """
    where = Path(folder) / INDEX
    try:
        rows = read_json(where)
    except ContractError as error:
        raise GovernanceError("EG20", where, error.rule, "a bundle with its index") from None
    if not isinstance(rows, list) or not all(
        isinstance(row, dict)
        and isinstance(row.get("path"), str)
        and isinstance(row.get("artifact_id"), str)
        for row in rows
    ):
        raise GovernanceError(
            "EG21", where, "is not a list of {artifact_id, path}", "[{artifact_id, path}, ...]"
        )
    for key in ("path", "artifact_id"):
        seen: set[str] = set()
        for number, row in enumerate(rows):
            if row[key] in seen:
                raise GovernanceError(
                    "EG21",
                    where,
                    f"row {number}: {key} {row[key]!r} stands twice",
                    "each once in the index",
                )
            seen.add(row[key])
    for number, row in enumerate(rows):
        parts = row["path"].split("/")
        if not _PATH.fullmatch(row["path"]) or ".." in parts or "." in parts:
            raise GovernanceError(
                "EG21",
                where,
                f"row {number}: path {row['path']!r} is not plain and relative",
                "ASCII letters, digits, '_', '-', '.', separated by '/'",
            )
    if INDEX not in {row["path"] for row in rows}:
        raise GovernanceError("EG21", where, "does not name itself", f"a row for {INDEX}")
    return rows


def bundle_digest(folder: str | Path) -> str:
    """SHA-256 over the raw bytes of the indexed files in ASCII path order.

    Raises
    ------
    GovernanceError
        ``EG20``, ``EG21`` index; ``EG22`` the folder holds other files than the index names, or a
        file does not match the digest of its row.
    """
    folder = Path(folder)
    rows = read_index(folder)
    named = {row["path"] for row in rows}
    present = {
        path.relative_to(folder).as_posix()
        for path in everything_below(folder)
        if path.is_file() and not is_temporary(path)
    } - {FLAG}
    for path in sorted(named ^ present):
        rule = f"is in no row of {INDEX}" if path in present else f"is absent but in {INDEX}"
        raise GovernanceError("EG22", folder / path, rule, "index and folder name the same files")
    sealed = Ledger(folder, {row["path"]: row["sha256"] for row in rows if "sha256" in row})
    sealed.verify("EG22", INDEX, "the bundle that was sealed")
    total = hashlib.sha256()
    for path in sorted(named):
        with open(below(folder, path), "rb") as handle:
            while block := handle.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def write_flag(folder: str | Path) -> str:
    """Write the flag of a bundle that passed; returns the bundle's digest."""
    digest = bundle_digest(folder)
    write_text(Path(folder) / FLAG, f"sha256_hex = {digest}\n")
    return digest


def verify_bundle(folder: str | Path) -> str:
    """Digest of a bundle whose index, files and flag agree.

    Raises
    ------
    GovernanceError
        ``EG20`` to ``EG22`` as :func:`bundle_digest`; ``EG23`` no flag, ``EG24`` not the one line
        that a flag is, ``EG25`` the flag is that of another bundle.
    """
    flag = Path(folder) / FLAG
    try:
        text = read_bytes(flag).decode("ascii")
    except OSError as error:
        raise GovernanceError(
            "EG23", flag, f"cannot be read ({error.strerror})", "a bundle that passed"
        ) from None
    except UnicodeDecodeError:
        text = ""
    match = _FLAG_LINE.fullmatch(text)
    if not match:
        raise GovernanceError("EG24", flag, "is not a flag", "one line sha256_hex = <64 hex>")
    digest = bundle_digest(folder)
    if match[1] != digest:
        raise GovernanceError(
            "EG25", flag, f"names {match[1]}", f"{INDEX} and its files have {digest}"
        )
    return digest
