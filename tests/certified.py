"""Worlds after one undisturbed ``certify``, made once for a state of the tree and shared.

They lie in ``build/worlds``, under a digest of everything that they are made from, so that the
workers of a test run and later runs take the one that is there. Whoever asks first makes it while
the others wait. One that a test has changed is made again.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.governance.anchors import ANCHORS, KNOWN_TABLES
from scripts.tables import file_digest, read_json, write_json
from tests import small_world

FOLDER = small_world.REPOSITORY / "build/worlds"
RUNS = Path("runs/fix-data-engine")
# Folder of a world in which its jobs noted what they opened, see `tests/reads`.
READS = "reads"
# Worlds of other states of the tree go after a day; another test run may be at them.
KEPT_S = 86_400.0
_MADE_FROM = (
    *small_world.PARTS,
    "resources/reference",
    "tests/small_world.py",
    "tests/certified.py",
    "tests/reads",
)


@dataclass(frozen=True)
class Timeline:
    """When an undisturbed ``certify`` began (clock), how long it took, and its start-up, in s."""

    began: float
    whole_s: float
    startup_s: float


def files_below(*roots: Path) -> Iterator[Path]:
    """Files of some folders, and files, without what was compiled; sorted in each."""
    for root in roots:
        found = sorted(root.rglob("*")) if root.is_dir() else [root]
        yield from (p for p in found if p.is_file() and "__pycache__" not in p.parts)


@functools.cache
def _key() -> str:
    """Digest of the tree, of this Python and of its libraries."""
    digest = hashlib.sha256(sys.version.encode())
    for library in sorted(f"{d.name} {d.version}" for d in importlib.metadata.distributions()):
        digest.update(library.encode())
    for path in files_below(*(small_world.REPOSITORY / part for part in _MADE_FROM)):
        digest.update(str(path.relative_to(small_world.REPOSITORY)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _state(world: Path) -> str:
    """Digest of the names, sizes and times of a world's files."""
    digest = hashlib.sha256()
    for path in files_below(world / RUNS, world / "config", world / "scripts"):
        status = path.stat()
        said = (path.relative_to(world).as_posix(), status.st_size, status.st_mtime_ns)
        digest.update(repr(said).encode())
    return digest.hexdigest()


# Tables of a world's tiles are known by digest, as those of the shipped snapshot are.
_KNOW_TABLES = "from scripts.governance import write_anchors; write_anchors.write_known_tables()"


def anchor_known_tables(world: Path) -> None:
    """Let the world's anchors name its list of known tables as it is."""
    listed = {Path(KNOWN_TABLES).name: file_digest(world / KNOWN_TABLES)}
    small_world._edit(world / ANCHORS, known_tables=listed)


def _notes(world: Path) -> Path:
    return world.with_name(f"{world.name}.json")


def _make(world: Path, seeds: Sequence[int]) -> None:
    """Certify a world, the shipped one without seeds; note when and how long beside it."""
    if seeds:
        small_world.build(world, seeds)
        subprocess.run(
            [sys.executable, "-c", _KNOW_TABLES],
            cwd=world,
            env=small_world.without_package(os.environ),
            check=True,
        )
        anchor_known_tables(world)
    else:
        small_world.copy_parts(world)
        shutil.copytree(
            small_world.REPOSITORY / "resources/reference", world / "resources/reference"
        )
    (world / READS).mkdir()
    began = time.time()
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "certify", "--quiet", "rules", "--cores", "2"],
        cwd=world,
        env={
            **small_world.without_package(os.environ),
            "PYTHONPATH": str(small_world.REPOSITORY / "tests/reads"),
            "NOTE_READS": str(world / READS),
        },
        text=True,
        capture_output=True,
        check=False,
    )
    whole = time.time() - began
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    first = min(p.stat().st_mtime for p in (world / RUNS).rglob("*.json"))
    timeline = {"began": began, "whole_s": whole, "startup_s": first - began}
    write_json(_notes(world), {"state": _state(world), "timeline": timeline})


@functools.cache
def certified(seeds: Sequence[int] = small_world.SEEDS) -> Path:
    """A certified small world, or without seeds the release itself; change copies alone."""
    world = FOLDER / _key() / ("-".join(map(str, seeds)) or "release")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _notes(world).is_file() or read_json(_notes(world))["state"] != _state(world):
            for other in FOLDER.iterdir():
                if other.is_dir() and time.time() - other.stat().st_mtime > KEPT_S:
                    shutil.rmtree(other)
            _notes(world).unlink(missing_ok=True)
            shutil.rmtree(world, ignore_errors=True)
            _make(world, seeds)
    return world


def uncertified(folder: Path, seeds: Sequence[int] = small_world.SEEDS) -> Path:
    """A world that has not run, and that knows the tables which the certified one knows."""
    small_world.build(folder, seeds)
    for named in (ANCHORS, KNOWN_TABLES):
        shutil.copy(certified(seeds) / named, folder / named)
    return folder


def timeline(world: Path) -> Timeline:
    """Timeline of a certified world."""
    return Timeline(**read_json(_notes(world))["timeline"])
