"""1A and S1 to S8 of the small world in several environments: are the sites the same everywhere?

    python -m tests.torture.environments [FOLDER [NAME=PYTHON ...]]

runs :mod:`tests.torture.chain` with every interpreter given, and compares the content of
``site_locations`` (``content_digest``: names, types and values, whatever the Parquet writer does)
with what ``tests/workflow/pinned_egress.json`` pins, and every table with that of the first.

Without interpreters given it makes its own environments, one for each of :data:`MATRIX` whose
Python is on this machine, with ``uv`` where that is installed and ``pip`` elsewhere; the package
index, or a cache of it, must be at hand. What cannot be made is named and not counted.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from packaging.requirements import Requirement

from scripts.tables import read_json
from tests import small_world
from tests.content import content_digest
from tests.torture import worlds
from tests.torture.record import record

REPOSITORY = small_world.REPOSITORY
PINNED = REPOSITORY / "tests/workflow/pinned_egress.json"
# Oldest and newest are those that envs/runtime.in allows, as far as they exist for the Python.
MATRIX = (
    ("3.11", "oldest"),
    ("3.11", "locked"),
    ("3.12", "locked"),
    ("3.13", "locked"),
    ("3.13", "newest"),
)
NEEDED = (
    "exactextract", "jsonschema", "numba", "numpy", "pyarrow", "pyyaml", "scipy", "shapely",
    "tzdata",
)  # fmt: skip
LIMIT_S = 300


def egress_digests(world: Path, run: Path = worlds.RELEASE) -> dict[str, str]:
    """Content digest of ``site_locations`` of every seed of a run of a small world."""
    return {
        str(seed): content_digest(
            pq.read_table(world / run / f"seed={seed}/s8_site_locations/site_locations.parquet")
        )
        for seed in small_world.SEEDS
    }


def interpreter(version: str) -> str | None:
    """An interpreter of a version on this machine that starts, or None."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    candidates = [shutil.which(f"python{version}")]
    candidates += map(str, sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    if uv:
        found = subprocess.run(
            [uv, "python", "find", "--no-project", version], capture_output=True, text=True,
            check=False, cwd="/",
        )  # fmt: skip
        candidates.append(found.stdout.strip() or None)
    probe = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        if candidate is None:
            continue
        said = subprocess.run([candidate, "-c", probe], capture_output=True, text=True, check=False)
        if said.stdout.strip() == version:
            return candidate
    return None


def requirements(kind: str) -> list[str]:
    """What pip is to install: everything as locked, or the oldest or newest that is allowed."""
    if kind == "locked":
        return ["--require-hashes", "-r", "envs/runtime.lock.txt"]
    lines = (REPOSITORY / "envs/runtime.in").read_text(encoding="utf-8").splitlines()
    listed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    wanted = [requirement for requirement in listed if requirement.name.lower() in NEEDED]
    if kind == "newest":
        return [str(requirement) for requirement in wanted]
    floors = {r.name: s.version for r in wanted for s in r.specifier if s.operator == ">="}
    return [f"{name}=={floor}" for name, floor in floors.items()]


def make(version: str, kind: str, folder: Path) -> tuple[str, str]:
    """Make an environment: its interpreter, or nothing and why not."""
    if kind == "locked" and version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable, ""
    base = interpreter(version)
    if base is None:
        return "", f"Python {version} is not on this machine"
    python = folder / "bin/python"
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    steps = (
        [[uv, "venv", "--quiet", "--python", base, str(folder)],
         [uv, "pip", "install", "--quiet", "--python", str(python), *requirements(kind)]]
        if uv
        else [[base, "-m", "venv", str(folder)],
              [str(python), "-m", "pip", "install", "--quiet", *requirements(kind)]]
    )  # fmt: skip
    for step in steps:
        try:
            result = subprocess.run(
                step, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=LIMIT_S
            )
        except subprocess.TimeoutExpired:
            return "", f"not installed within {LIMIT_S} s"
        if result.returncode != 0:
            return "", (result.stderr.strip().splitlines() or ["failed"])[-1]
    return str(python), ""


def made_by(python: str, world: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Versions and digests of one seed with an interpreter; its last words when it fails."""
    result = subprocess.run(
        [python, "-m", "tests.torture.chain", str(world), str(folder), str(seed)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    if result.returncode != 0:
        return {"versions": [], "tables": {}, "fault": result.stderr[-1500:]}
    return json.loads(result.stdout)


def given(arguments: list[str], folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Interpreters by name, from the command line or made here, and why others are missing."""
    if arguments:
        return dict(argument.split("=", 1) for argument in arguments), {}
    found, missing = {}, {}
    for version, kind in MATRIX:
        name = f"py{version.replace('.', '')}-{kind}"
        python, why = make(version, kind, folder / f"env-{name}")
        if python:
            found[name] = python
        else:
            missing[name] = why
    return found, missing


def compare(world: Path, root: Path, pythons: Mapping[str, str]) -> dict[str, Any]:
    """What every environment made, held against the pins and against the first of them."""
    pinned, first, details = read_json(PINNED), {}, {}
    for name, python in pythons.items():
        differing: dict[str, set[str]] = {"content": set(), "bytes": set()}
        alike, versions, faults = True, [], []
        for seed in small_world.SEEDS:
            found = made_by(python, world, root / f"{name}-{seed}", seed)
            tables, versions = found["tables"], found["versions"] or versions
            faults += [found["fault"]] if "fault" in found else []
            reference = first.setdefault(seed, tables)
            alike &= tables.get("site_locations", {}).get("content") == pinned[str(seed)]
            for kind, names in differing.items():
                names |= {
                    key for key in tables if tables[key][kind] != reference.get(key, {}).get(kind)
                }
        details[name] = {
            "versions": versions,
            "egress_as_pinned": alike,
            "faults": faults,
            **{f"tables_that_differ_in_{k}": sorted(v) for k, v in differing.items()},
        }
        print(name, details[name], flush=True)
    return details


def main() -> int:
    """Run in every environment and compare."""
    root = Path(sys.argv[1]).resolve() if sys.argv[1:] else Path(tempfile.mkdtemp(prefix="envs-"))
    pythons, missing = given(sys.argv[2:], root)
    world = small_world.build(root / "world")
    details = compare(world, root, pythons)
    if not sys.argv[1:]:
        shutil.rmtree(root)
    held = sum(entry["egress_as_pinned"] for entry in details.values())
    told = "".join(f"; not tried: {name}: {why}" for name, why in missing.items())
    record(
        "environments",
        len(details),
        held,
        f"{', '.join(details)}: content of `site_locations` of both seeds of the small world as "
        f"pinned; oldest and newest are those that `envs/runtime.in` allows{told}",
        environments=details,
        not_tried=missing,
    )
    return 0 if held == len(details) and not missing else 1


if __name__ == "__main__":
    raise SystemExit(main())
