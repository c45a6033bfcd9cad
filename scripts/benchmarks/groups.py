"""CPU time and peak memory of 1A and of S4 to S8 for several numbers of groups, at any scale.

Runs the workflow for one seed into a folder of its own: the chain up to S3 once, then S4 to S8 for
each number of groups of countries, whose egress and reports must be the same to the byte.

    python -m scripts.benchmarks.groups --merchants 240000 --groups 1 2 7 32 [--out runs/scale.json]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.collect import collect, show
from scripts.benchmarks.scales import files_of, run_seed
from scripts.contracts import datasets, state_datasets
from scripts.tables import file_digest, row_count, write_json

# What no number of groups may change.
PUBLISHED = [name for name in state_datasets("s[4-8]_.*") if "{part}" not in datasets()[name].path]


def measure(root: Path, merchants: int, numbers: list[int]) -> dict[str, Any]:
    """Everything that the command reports."""
    files = files_of(root)
    wall = run_seed(files["s3_requirements"], root, merchants)
    before = collect(root, seconds=np.max)
    show(f"up to S3, {merchants} merchants: {wall:.0f} s", before)
    report: dict[str, Any] = {"merchants": merchants, "up_to_s3": before, "groups": {}}
    digests: dict[str, str] = {}
    seed_folder = Path(files["run_receipt"]).parent
    for groups in numbers:
        for folder in seed_folder.glob("s[4-8]_*"):
            shutil.rmtree(folder)
        shutil.rmtree(root / "logs")
        wall = run_seed(files["site_locations"], root, merchants, groups)
        rules = collect(root, seconds=np.max)
        sites = row_count(files["site_locations"])
        show(f"S4 to S8, {sites} sites, groups={groups}: {wall:.0f} s", rules)
        made = {name: file_digest(files[name]) for name in PUBLISHED}
        digests = digests or made
        if made != digests:
            raise SystemExit(f"groups={groups} published other bytes")
        report["groups"][str(groups)] = {"wall_s": wall, "rules": rules}
    return report


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merchants", type=int, default=240_000)
    parser.add_argument("--groups", type=int, nargs="+", default=[1, 2, 7, 32])
    parser.add_argument("--out", default="runs/scale.json")
    arguments = parser.parse_args()
    Path("runs").mkdir(exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="scale-", dir="runs"))
    try:
        report = measure(root, arguments.merchants, arguments.groups)
    finally:
        shutil.rmtree(root)
    write_json(arguments.out, report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
