"""1A and S1 to S8 of the small world in several environments: are the sites the same everywhere?

    python -m tests.torture.environments FOLDER NAME=PYTHON ...

runs :mod:`tests.torture.chain` with every interpreter given, and compares the content of
``site_locations`` (``content_digest``: names, types and values, whatever the Parquet writer does)
with what ``tests/workflow/pinned_egress.json`` pins, and every table with that of the first.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from scripts.tables import content_digest, read_json
from tests import small_world
from tests.torture import worlds
from tests.torture.record import record

PINNED = small_world.REPOSITORY / "tests/workflow/pinned_egress.json"


def egress_digests(world: Path) -> dict[str, str]:
    """Content digest of ``site_locations`` of every seed of a certified small world."""
    return {
        str(seed): content_digest(
            pq.read_table(
                world / worlds.RELEASE / f"seed={seed}/s8_site_locations/site_locations.parquet"
            )
        )
        for seed in small_world.SEEDS
    }


def made_by(python: str, world: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Versions and digests of one seed with an interpreter."""
    result = subprocess.run(
        [python, "-m", "tests.torture.chain", str(world), str(folder), str(seed)],
        cwd=small_world.REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(result.stdout)


def main() -> int:
    """Run in every environment and compare."""
    root, environments = Path(sys.argv[1]).resolve(), sys.argv[2:]
    world = worlds.template(root / "world")
    pinned = read_json(PINNED)
    first: dict[int, Any] = {}
    details, held = {}, 0
    for given in environments:
        name, _, python = given.partition("=")
        differing: dict[str, set[str]] = {"content": set(), "bytes": set()}
        alike = True
        for seed in small_world.SEEDS:
            found = made_by(python, world, root / f"{name}-{seed}", seed)
            tables = found["tables"]
            reference = first.setdefault(seed, tables)
            alike &= tables["site_locations"]["content"] == pinned[str(seed)]
            for kind, names in differing.items():
                names |= {key for key in tables if tables[key][kind] != reference[key][kind]}
        held += alike
        details[name] = {
            "versions": found["versions"],
            "egress_as_pinned": alike,
            **{f"tables_that_differ_in_{k}": sorted(v) for k, v in differing.items()},
        }
        print(name, details[name], flush=True)
    record(
        "environments",
        len(environments),
        held,
        "Python 3.11 to 3.13 with the oldest, the locked and the newest allowed libraries: content "
        "of `site_locations` of both seeds of the small world as pinned",
        environments=details,
    )
    return 0 if held == len(environments) else 1


if __name__ == "__main__":
    raise SystemExit(main())
