"""Releases: what a passing ``certify`` seals, under a name of its own.

A release is a folder ``releases/{name}`` of the runs root and a runs root itself: every file that
the certificate rests on lies there under the same path, as a hard link where the file system can.
Jobs publish by renaming, so that a later run of the same name leaves the release as it is.
``release.json`` lists every file with its digest and holds the policies to the byte;
``egress/`` holds the sites with run, seed, grade and licence in the metadata of each file, and the
data dictionary. ``sealed.json`` says when and from which commit, and is no published data.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts import __version__
from scripts.contracts import (
    arrow_schema,
    dataset,
    dataset_blocks,
    dataset_path,
    dataset_stream,
    read_object,
    write_object,
)
from scripts.errors import GovernanceError, SegmentError
from scripts.governance.pointers import last_good_pointer
from scripts.records.code_digest import PACKAGE
from scripts.records.ledger import Ledger
from scripts.tables import everything_below, file_digest, footer, publish

Json = Mapping[str, Any]
FOLDER = "releases"
CRS = "OGC:CRS84"


def release_name(certificate: Json, digest: str) -> str:
    """Name of a release: its run's, and the start of the digest of its certificate."""
    return f"{certificate['run']['name']}-{digest[:8]}"


def folder_of(root: Path, name: str) -> Path:
    """Folder of a release by its name or the start of it (``EG97``: none, or several)."""
    found = named(root, name)
    if len(found) != 1:
        names = ", ".join(sorted(path.name for path in listed(root))) or "none"
        rule = "is the start of several releases" if found else "is no release"
        raise GovernanceError("EG97", name or "release", rule, f"one of: {names}")
    return found[0]


def named(root: Path, name: str) -> list[Path]:
    """Folders of the releases of a name, or of those that it is the start of."""
    found = listed(root) if name else []
    exact = [path for path in found if path.name == name]
    return exact or [path for path in found if path.name.startswith(name)]


def read_release(folder: Path) -> Any:
    """Manifest of a release."""
    return read_object("release", folder / "release.json")


def verify_release(folder: Path) -> Iterator[str]:
    """Lines for what is not as it was sealed: a file gone, changed or added."""
    manifest = read_release(folder)
    for file, now, listed in Ledger(folder, manifest["files"]).changes():
        yield f"{file}: has digest {now}, {folder.name} says {listed}"
    for path, policy in manifest["policies"].items():
        if hashlib.sha256(policy["text"].encode()).hexdigest() != policy["sha256"]:
            yield f"{folder / 'release.json'}: holds another {path} than it says"
    known = {*manifest["files"], "release.json", "sealed.json"}
    for path in everything_below(folder):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or relative in known):
            yield f"{path}: is no file of {folder.name}"
    yield from _other_than_certified(folder, manifest)


def _other_than_certified(folder: Path, manifest: Json) -> Iterator[str]:
    """Lines for what a release says, or publishes, that its certificate does not give."""
    record = dataset_path(folder, "segment1b_p5_certification")
    digest = manifest["certificate_sha256"]
    held = manifest["files"].get(record.relative_to(folder).as_posix())
    name = release_name(manifest, digest)
    if held != digest:
        yield f"{folder / 'release.json'}: is not about the certificate of {folder.name}"
        return
    if name != folder.name:
        yield f"{folder}: has another name than its release, {name}"
        return
    certificate = read_object("segment1b_p5_certification", record)
    if list(manifest["seeds"]) != list(certificate["seeds"]):
        yield f"{folder / 'release.json'}: names other seeds than the certificate"
        return
    for group in ("receipts", "scorecards", "state_outputs", "validation"):
        for path, certified in certificate["digests"][group].items():
            if manifest["files"].get(path, certified) != certified:
                yield f"{folder / path}: is not the file that was certified"
    for seed in certificate["seeds"]:
        path = egress_path(folder, seed)
        about = json.dumps(egress_metadata(certificate, folder.name, seed), sort_keys=True)
        if (footer(path).metadata or {}).get(b"segment_1b") != about.encode():
            yield f"{path}: its metadata are not those of the certificate"
        source = dataset_path(
            folder, "site_locations", run_id=certificate["run"]["run_id"], seed=seed
        )
        if not _same_rows(source, path):
            yield f"{path}: holds other sites than {source.relative_to(folder)}"


def _same_rows(one: Path, other: Path) -> bool:
    """Whether two files of sites hold the same rows."""
    columns = arrow_schema("site_locations").names
    blocks = (dataset_blocks("site_locations", path, columns) for path in (one, other))
    return all(
        left is not None and right is not None and left.equals(right)
        for left, right in itertools.zip_longest(*blocks)
    )


def egress_path(folder: Path, seed: int) -> Path:
    """File of a release, wherever that lies, that publishes the sites of a seed."""
    path = dataset_path("", "release_sites", release=folder.name, seed=seed)
    return folder / path.relative_to(Path(FOLDER, folder.name))


def refuse_changed(folder: Path) -> None:
    """Refuse a release that is not as it was sealed (``EG98``)."""
    for line in verify_release(folder):
        raise GovernanceError("EG98", folder, line, "restore the file from a copy")


def share(source: Path, target: Path) -> str:
    """Hard link of a file, or a copy with its times where links cannot reach; says which."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        return "copy"
    return "hard_link"


def seal(
    root: Path, certificate: Json, digest: str, files: Iterable[Path], policies: Iterable[str]
) -> Path:
    """Seal a release; the folder that has it already, where it was sealed before.

    Parameters
    ----------
    root
        Runs root.
    certificate, digest
        The certificate that passed, and its SHA-256.
    files
        Files below the runs root that it rests on.
    policies
        Policy files, the gates among them.

    Raises
    ------
    GovernanceError
        ``EG98`` a release of this name is there and was changed.
    """
    name = release_name(certificate, digest)
    folder = root / FOLDER / name
    if folder.is_dir():
        refuse_changed(folder)
        return folder
    partial = root / FOLDER / f".{name}.partial"
    discard(partial)
    for file in sorted(set(files)):
        share(file, partial / file.relative_to(root))
    write_egress(partial, certificate, name)
    sealed = sorted(path for path in partial.rglob("*") if path.is_file())
    verdict = certificate["verdict"]
    manifest = {
        "release": name,
        "run": dict(certificate["run"]),
        "baseline_run_id": certificate["baseline_run_id"],
        "seeds": list(certificate["seeds"]),
        "verdict": dict(verdict),
        "parameter_hash": certificate["parameter_hash"],
        "certificate_sha256": digest,
        "policies": {
            path: {"sha256": file_digest(path), "text": Path(path).read_text(encoding="utf-8")}
            for path in sorted(set(policies))
        },
        "files": Ledger.of(partial, sealed).digests,
    }
    write_object("release", partial / "release.json", manifest)
    write_object("release_seal", partial / "sealed.json", when_and_from())
    partial.rename(folder)
    for inside in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        inside.chmod(0o555)
    return folder


def discard(folder: Path) -> None:
    """Delete a folder, read-only ones inside it among them."""
    if folder.is_dir():
        for inside in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            inside.chmod(0o755)
        shutil.rmtree(folder)


def when_and_from() -> dict[str, Any]:
    """Day, commit and version of a sealing; ``unknown`` for the commit where there is none."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        said = subprocess.run(git, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
        commit = said.stdout.strip() or "unknown"
    except OSError:
        commit = "unknown"
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit,
        "version": __version__,
    }


def egress_metadata(certificate: Json, name: str, seed: int) -> dict[str, Any]:
    """What a published file of sites says of itself."""
    entry = dataset("site_locations")
    return {
        "run": certificate["run"]["name"],
        "run_id": certificate["run"]["run_id"],
        "seed": seed,
        "release": name,
        "parameter_hash": certificate["parameter_hash"],
        "manifest_fingerprint": certificate["manifest_fingerprint"][str(seed)],
        "grade": certificate["verdict"]["grade"],
        "certified_release": certificate["verdict"]["release"],
        "crs": CRS,
        "licence": entry.licence,
        "columns": {column["name"]: column["description"] for column in entry.columns},
    }


def write_egress(folder: Path, certificate: Json, name: str) -> None:
    """Publish the sites of every seed with their metadata, and the data dictionary beside them."""
    run_id = certificate["run"]["run_id"]
    columns = arrow_schema("site_locations").names
    for seed in certificate["seeds"]:
        path = dataset_path(folder, "site_locations", run_id=run_id, seed=seed)
        said = {"geo": footer(path).metadata[b"geo"].decode()}
        about = egress_metadata(certificate, name, seed)
        said["segment_1b"] = json.dumps(about, sort_keys=True)
        with dataset_stream("site_locations", egress_path(folder, seed), said) as stream:
            for block in dataset_blocks("site_locations", path, columns):
                stream.write(block)
    entry = dataset("site_locations")
    dictionary = {
        "description": entry.description,
        "crs": CRS,
        "licence": entry.licence,
        "keys": list(entry.keys),
        "columns": [dict(column) for column in entry.columns],
    }
    write_object("data_dictionary", folder / "egress/data_dictionary.json", dictionary)


def listed(root: Path) -> list[Path]:
    """Folder of every release, the last sealed first."""
    found = sorted((root / FOLDER).glob("*/release.json"))
    return [path.parent for path in sorted(found, key=lambda path: -path.stat().st_mtime_ns)]


def readable(root: Path) -> Iterator[tuple[Path, Json]]:
    """Folder and manifest of every release whose manifest can be read, the last sealed first."""
    for folder in listed(root):
        with contextlib.suppress(SegmentError):
            yield folder, read_release(folder)


def read_seal(folder: Path) -> Any:
    """When a release was sealed, and from which commit and version."""
    return read_object("release_seal", folder / "sealed.json")


def rollback(root: Path, name: str) -> list[str]:
    """Put a sealed release in force; what to tell.

    Raises
    ------
    GovernanceError
        ``EG97``, ``EG98`` as :func:`folder_of` and :func:`refuse_changed`.
    """
    folder = folder_of(root, name)
    refuse_changed(folder)
    manifest = read_release(folder)
    path = dataset_path(root, "last_good_pointer")
    write_object("last_good_pointer", path, last_good_pointer(manifest, root, folder, path))
    lines = [f"{folder.name} is in force"]
    differ = changed_policies(manifest)
    return lines + [f"{policy} differs from the sealed one" for policy in differ]


def changed_policies(manifest: Json) -> list[str]:
    """Policies of a release that are absent here, or other files."""
    return [
        policy
        for policy, sealed in manifest["policies"].items()
        if not Path(policy).is_file() or file_digest(policy) != sealed["sha256"]
    ]


def restore_policies(root: Path, name: str) -> list[str]:
    """Write the policies of a sealed release over those of the working folder that differ."""
    folder = folder_of(root, name)
    manifest = read_release(folder)
    differ = changed_policies(manifest)
    for path in differ:
        here = Path(path)
        if here.is_absolute() or ".." in here.parts or here.suffix != ".yaml" or here.is_symlink():
            line = f"{folder / 'release.json'}: holds {path}, which is no policy of this folder"
            raise GovernanceError("EG98", folder, line, "restore the file from a copy")
    for path in differ:
        with publish(path) as temporary:
            temporary.write_bytes(manifest["policies"][path]["text"].encode())
    same = len(manifest["policies"]) - len(differ)
    return [*(f"{path} written" for path in differ), f"{same} policies already match"]
