"""What a verification looks at, and the two things that it compares: digests and facts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.contracts import dataset, read_object
from scripts.errors import GovernanceError, SegmentError
from scripts.records.identity import OWN_INPUTS
from scripts.records.ledger import Ledger, digest_now
from scripts.root_lock import OWN_REFERENCE
from scripts.tables import to_json_bytes

SEGMENT = "segment_1B"
OF_RUN = f"{SEGMENT}/{{run_id}}/"
OF_TILES = f"{SEGMENT}/tiles/{{tiles_id}}/"
LONGEST_VALUE = 160
# What a check meets in files that are gone, or records that lack what they must hold.
MISREAD = (AttributeError, LookupError, TypeError, ValueError)
UNREADABLE = (SegmentError, OSError, *MISREAD)


@dataclass(frozen=True)
class Record:
    """A JSON record, and where it lies."""

    path: Path
    content: Any

    def __getitem__(self, key: str) -> Any:
        return self.content[key]


@dataclass
class View:
    """A run's folder, and what is at hand beside it.

    ``root``, the runs root, is None for a run folder that was copied alone; ``tree``, ``reference``
    and ``public_key`` are None when they are not at hand. ``policies`` may lie outside the
    tree. ``covered`` are the seeds that a certificate speaks for, none when there is no
    certificate; ``certified`` says that it met its minimum grade with this run.
    """

    folder: Path
    root: Path | None = None
    tree: Path | None = None
    reference: Path | None = None
    public_key: Path | None = None
    policies: tuple[Path, ...] = ()
    covered: tuple[int, ...] = ()
    certified: bool = False
    digests: dict[Path, str] = field(default_factory=dict)
    records: dict[Path, Record] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)

    def seeds(self) -> list[int]:
        """Seeds to look at: those that the certificate covers, else all that have a receipt."""
        if self.covered:
            return sorted(self.covered)
        receipts = self.folder.glob("seed=*/run_receipt.json")
        names = (path.parent.name.removeprefix("seed=") for path in receipts)
        return sorted(int(name) for name in names if name.isdecimal())

    def path(self, name: str, **tokens: object) -> Path:
        """File of a dataset: of this run, unless another ``run_id`` is given, or below the root."""
        template = dataset(name).path
        if template.startswith(OF_RUN) and "run_id" not in tokens:
            return self.folder / template.removeprefix(OF_RUN).format(**tokens)
        return self.below_root(template.format(**tokens))

    def below_root(self, relative: str) -> Path:
        """File below the runs root, which must be at hand."""
        assert self.root is not None
        return self.root / relative

    def policy(self, name: str, digest: str) -> Path:
        """Policy file of a name: the one with that digest, of the tree or the configuration's."""
        assert self.tree is not None
        folder = self.tree / "config"
        found = [p for p in (*self.policies, *sorted(folder.rglob("*.yaml"))) if p.name == name]
        found.append(folder / name)
        return next((path for path in found if self.digest(path) == digest), found[0])

    def policy_of(self, receipt: Record, stem: str) -> Path:
        """Policy file that a receipt lists, by the start of its name; KeyError if there is none."""
        listed = receipt["policies"]
        for name in sorted(listed):
            if name.startswith(f"{stem}."):
                return self.policy(name, listed[name])
        raise KeyError(f"{receipt.path}: policies has no {stem}.*")

    def snapshot(self, receipt: Record) -> Path | None:
        """Folder of the snapshot that a run stands on, on own polygons or the shipped; None where
        it is not at hand.
        """
        if f"{OWN_INPUTS}polygons" in receipt["sealed_inputs"]:
            return None if self.root is None else self.root / OWN_REFERENCE
        return self.reference

    def digest(self, path: Path) -> str:
        """SHA-256 of a file, taken once, or in brackets what is there instead."""
        if path not in self.digests:
            self.digests[path] = digest_now(path)
        return self.digests[path]

    def record(self, name: str, **tokens: object) -> Record:
        """The record of a dataset, held against its schema and its canonical form.

        Raises
        ------
        ContractError
            ``EX02``, ``EX14`` as :func:`read_object`.
        GovernanceError
            ``EG28`` the file has other bytes than its content in canonical form.
        """
        path = self.path(name, **tokens)
        if path not in self.records:
            content = read_object(name, path)
            canonical = hashlib.sha256(to_json_bytes(content)).hexdigest()
            if self.digest(path) != canonical:
                raise GovernanceError(
                    "EG28",
                    path,
                    f"has digest {self.digest(path)}, its content in canonical form {canonical}",
                    "the file as it was written",
                )
            self.records[path] = Record(path, content)
        return self.records[path]

    def record_if_there(self, name: str, **tokens: object) -> Record | None:
        """As :meth:`record`; None, and noted as not checked, when there is no such file."""
        path = self.path(name, **tokens)
        if path.exists() or path.is_symlink():
            return self.record(name, **tokens)
        self.skipped.add(f"{path}: an optional record that is not there")
        return None

    def hold(
        self, digests: Mapping[str, str], source: object, root: Path | None = None
    ) -> Iterator[str]:
        """Files below a folder, the runs root by default, that have not the digests of a record."""
        for file, now, listed in Ledger(root or self.below_root(""), digests).changes(self.digest):
            yield f"{file}: has digest {now}, {source} says {listed}"

    def expect(self, path: Path, digest: str, source: object) -> Iterator[str]:
        """One file that has not the digest of a record."""
        yield from self.hold({path.name: digest}, source, path.parent)


def same(where: object, what: str, stated: object, wanted: object, source: object) -> Iterator[str]:
    """Two statements of one fact that differ."""
    if stated != wanted:
        yield f"{where}: {what} is {_short(stated)}, {source} says {_short(wanted)}"


def agree(record: Record, other: Record, keys: Iterable[str]) -> Iterator[str]:
    """Facts that two records state differently."""
    for key in keys:
        yield from same(record.path, key, record[key], other[key], other.path)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
