"""What the workflow is made of: a bill of materials (CycloneDX 1.5) and a licence report.

    python -m scripts.docs.supply_chain FOLDER

writes ``sbom.cdx.json`` and ``licences.md``. Libraries and their hashes come from the lock file of
the run time, licences from the metadata of what is installed, reference data from the snapshot's
manifest. No clock or host is in them: one lock file in one environment gives the same bytes.
"""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from scripts.markdown_table import markdown_table
from scripts.tables import file_digest, read_json, write_json, write_text

ROOT = Path(__file__).resolve().parents[2]
LOCK_FILE = ROOT / "envs/runtime.lock.txt"
MANIFEST = ROOT / "resources/reference/manifest.json"
NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_PINNED = re.compile(r"^([A-Za-z0-9_.\-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
UNKNOWN = "not stated by the package"
NOT_INSTALLED = "not needed on this platform"
# Packages whose metadata hold a licence's text, or none, in place of its name.
_BY_TEXT = {
    "Apache License": "Apache-2.0",
    "License agreement for matplotlib": "Matplotlib licence (PSF-2.0 based)",
    "MIT License": "MIT",
    "Permission is hereby granted": "MIT",
    "Redistribution and use in source": "BSD-3-Clause",
}


@dataclass(frozen=True)
class Library:
    """One pinned library: its hashes as locked, and its licence as its metadata say."""

    name: str
    version: str
    hashes: tuple[str, ...]
    licence: str


def licence_of(name: str) -> str:
    """Licence of an installed package: SPDX expression, classifiers, or the name in its text."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return NOT_INSTALLED
    metadata = package.metadata
    if metadata["License-Expression"]:
        return str(metadata["License-Expression"])
    classifiers = [
        text.rsplit("::", 1)[-1].strip()
        for text in metadata.get_all("Classifier") or ()
        if text.startswith("License ::")
    ]
    text = (metadata["License"] or "").strip()
    if text and "\n" not in text and len(text) <= 60:
        return text
    files = [path for path in package.files or () if path.name.startswith(("LICENSE", "LICENCE"))]
    bodies = [Path(str(f.locate())).read_text(encoding="utf-8", errors="replace") for f in files]
    for body in (text, *bodies):
        for words, licence in _BY_TEXT.items():
            if words in body[:600]:
                return licence
    return " and ".join(sorted(classifiers)) or UNKNOWN


def locked(text: str) -> list[Library]:
    """Libraries of a lock file, in its order."""
    pins: list[tuple[str, str, list[str]]] = []
    for line in text.splitlines():
        pinned = _PINNED.match(line)
        if pinned:
            pins.append((pinned[1], pinned[2], []))
        hashed = _HASH.search(line)
        if hashed and pins:
            pins[-1][2].append(hashed[1])
    return [Library(n, v, tuple(sorted(h)), licence_of(n)) for n, v, h in pins]


def data_components(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Files of the reference snapshot as components, with their sources' licences."""
    return [
        {
            "type": "data",
            "bom-ref": f"data:{name}",
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": entry["sha256"]}],
            "licenses": [{"license": {"name": entry["licence"]}}],
        }
        for name, entry in sorted(manifest["files"].items())
    ]


def bill(libraries: Sequence[Library], manifest: Mapping[str, Any], lock: str) -> dict[str, Any]:
    """CycloneDX 1.5 document; its serial number is a digest of the lock file."""
    components: list[dict[str, Any]] = []
    for library in libraries:
        purl = f"pkg:pypi/{library.name.lower()}@{library.version}"
        entry: dict[str, Any] = {
            "type": "library",
            "bom-ref": purl,
            "name": library.name,
            "version": library.version,
            "purl": purl,
            "externalReferences": [
                {
                    "type": "distribution",
                    "url": purl,
                    "hashes": [{"alg": "SHA-256", "content": digest}],
                }
                for digest in library.hashes
            ],
        }
        if library.licence not in (UNKNOWN, NOT_INSTALLED):
            entry["licenses"] = [{"license": {"name": library.licence}}]
        components.append(entry)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, lock)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "segment1b",
                "name": "segment1b",
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": [*components, *data_components(manifest)],
    }


def report(libraries: Sequence[Library], manifest: Mapping[str, Any]) -> str:
    """Licence report as Markdown."""
    rows = [(library.name, library.version, library.licence) for library in libraries]
    sources = {
        (
            source["content"],
            source.get("package", "-"),
            source.get("version", "-"),
            source["licence"],
        )
        for entry in manifest["files"].values()
        for source in entry["sources"]
    }
    parts = [
        "# Licences",
        "## Libraries",
        markdown_table(["library", "version", "licence"], rows),
        "## Reference data",
        markdown_table(["content", "package", "version", "licence"], sorted(sources)),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Write both files."""
    folder = Path(sys.argv[1])
    libraries = locked(LOCK_FILE.read_text(encoding="utf-8"))
    manifest = read_json(MANIFEST)
    write_json(folder / "sbom.cdx.json", bill(libraries, manifest, file_digest(LOCK_FILE)))
    write_text(folder / "licences.md", report(libraries, manifest))
    unknown = [library.name for library in libraries if library.licence == UNKNOWN]
    print(f"{len(libraries)} libraries, {len(manifest['files'])} data files, "
          f"{len(unknown)} licences not stated {' '.join(unknown)}".rstrip())  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
