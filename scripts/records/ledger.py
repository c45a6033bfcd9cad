"""A ledger: the SHA-256 of files by their path below a folder.

Run receipts, pointers, checksums, forks, certificates and attestations all hold one. It is taken
by :meth:`Ledger.of` and held against the disk by :meth:`Ledger.verify`. The paths of a record
never leave the folder that the record is about: no ``..``, no absolute path, no link to elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scripts.errors import GovernanceError
from scripts.tables import file_digest

Digest = Callable[[Path], str]

LONGEST_PATH = 1024
_PATH = re.compile(r"[^/\\\x00-\x1f]+(/[^/\\\x00-\x1f]+)*")


class Change(NamedTuple):
    """A file that is not the one that a ledger lists: what it has now, and what is listed."""

    file: Path
    now: str
    listed: str


def below(root: Path, relative: str) -> Path:
    """File of a record's path below a folder.

    Raises
    ------
    GovernanceError
        ``EG27`` the path is not plain and relative, or a link leads out of the folder.
    """
    plain = len(relative) <= LONGEST_PATH and _PATH.fullmatch(relative) is not None
    if not plain or {".", ".."} & set(relative.split("/")):
        raise GovernanceError(
            "EG27",
            root,
            f"path {relative[:80]!r} of a record is not plain and relative",
            "a path such as segment_1B/x.json",
        )
    file = root / relative
    real = os.path.realpath(root)
    if os.path.commonpath([real, os.path.realpath(file)]) != real:
        raise GovernanceError("EG27", file, f"leads out of {root}", "a file, not a link")
    return file


def digest_now(file: Path) -> str:
    """SHA-256 of a plain file, or in brackets what is there instead."""
    try:
        if file.is_symlink():
            return "(a symbolic link)"
        return file_digest(file) if file.is_file() else "(no file)"
    except OSError as error:
        return f"({error.strerror})"


def by_name(paths: Iterable[str | Path]) -> dict[str, str]:
    """SHA-256 of files by their names alone, as policies are listed."""
    return {Path(path).name: file_digest(path) for path in paths}


@dataclass(frozen=True)
class Ledger:
    """Digests of files below a folder.

    Parameters
    ----------
    root
        The folder.
    digests
        SHA-256, hexadecimal, by path below the folder with ``/``.
    """

    root: Path
    digests: Mapping[str, str]

    @classmethod
    def of(
        cls, root: str | Path, paths: Iterable[str | Path], digest: Digest = file_digest
    ) -> Ledger:
        """Ledger of files as they are now; ``OSError`` for one that cannot be read.

        Raises
        ------
        GovernanceError
            ``EG27`` a file is not below the folder.
        """
        digests = {}
        for path in sorted(map(Path, paths)):
            if not path.is_relative_to(root):
                raise GovernanceError("EG27", path, f"is not below {root}", "a file of the run")
            digests[path.relative_to(root).as_posix()] = digest(path)
        return cls(Path(root), digests)

    def changes(self, digest: Digest = digest_now) -> Iterator[Change]:
        """Files that are gone or changed, in order of their paths."""
        for relative, listed in sorted(self.digests.items()):
            file = below(self.root, relative)
            now = digest(file)
            if now != listed:
                yield Change(file, now, listed)

    def verify(self, code: str, source: object, remedy: str) -> None:
        """Refuse the first file that is gone or changed, naming both digests.

        Parameters
        ----------
        code
            Code of the refusal.
        source
            The record that holds this ledger.
        remedy
            What would mend it.
        """
        for file, now, listed in self.changes():
            raise GovernanceError(code, file, f"has digest {now}, {source} says {listed}", remedy)

    def differing(self, other: Ledger) -> list[str]:
        """Paths that one of two ledgers lacks or lists with another digest."""
        mine, theirs = self.digests, other.digests
        return sorted(p for p in {*mine, *theirs} if mine.get(p) != theirs.get(p))
