"""The small world in several environments: is ``site_locations`` the same everywhere?

    python -m tests.torture.environments FOLDER NAME=PYTHON ...

certifies a fresh small world below FOLDER with every interpreter given and compares the content of
``site_locations`` (``content_digest``: names, types and values, whatever the Parquet writer does)
with the digests that ``tests/workflow/pinned_egress.json`` pins, and the bytes of all published
files with those of the first interpreter.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from scripts.tables import content_digest, read_json
from tests import small_world
from tests.torture import worlds
from tests.torture.record import record

PINNED = small_world.REPOSITORY / "tests/workflow/pinned_egress.json"
VERSIONS = """
import platform
from importlib.metadata import version
names = ("numpy", "pyarrow", "scipy", "shapely", "exactextract", "snakemake")
print("Python", platform.python_version(), *(f"{n} {version(n)}" for n in names), sep=", ")
"""


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


def main() -> int:
    """Certify in every environment and compare."""
    folder, *environments = sys.argv[1:]
    pinned, first, held, details = read_json(PINNED), None, 0, {}
    for given in environments:
        name, _, python = given.partition("=")
        world = worlds.fresh(
            worlds.template(Path(folder) / f"{name}.template"), Path(folder) / name
        )
        result = subprocess.run(
            [python, *worlds.command()[1:]],
            cwd=world,
            env=worlds.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        told = subprocess.run(
            [python, "-c", VERSIONS], capture_output=True, text=True, check=True
        ).stdout.strip()
        entry: dict[str, object] = {"versions": told, "status": result.returncode}
        if result.returncode == 0:
            found, files = egress_digests(world), worlds.published(world)
            first = first or files
            entry["egress_as_pinned"] = found == pinned
            entry["files_that_differ_in_bytes"] = sorted(
                {Path(key).name for key in {*files, *first} if files.get(key) != first.get(key)}
            )
            held += found == pinned
        else:
            entry["said"] = (result.stdout + result.stderr)[-1500:]
        details[name] = entry
        print(name, entry, flush=True)
    record(
        "environments",
        len(environments),
        held,
        "Python 3.11 to 3.13, oldest and newest allowed libraries: content of `site_locations` of "
        "the small world as pinned",
        environments=details,
    )
    return 0 if held == len(environments) else 1


if __name__ == "__main__":
    raise SystemExit(main())
