"""Wall time and peak memory of 1A and of S4 to S8 for several numbers of shards, at any scale.

Runs the workflow for one seed into a folder of its own: the chain up to S3 once, then S4 to S8 for
each number of shards, whose published files must be the same to the byte.

    python -m scripts.scale_bench --merchants 240000 --shards 1 2 7 [--out runs/scale.json]
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import datasets
from scripts.governance.identity import run_id
from scripts.governance.versions import registry
from scripts.tables import file_digest, row_count, write_json

SEED = 42
STATES = (
    "s4_alloc_plan",
    "s5_site_tile_assignment",
    "s6_site_jitter",
    "s7_site_synthesis",
    "s8_site_locations",
)


def collect(folder: Path) -> dict[str, dict[str, float]]:
    """Jobs, longest wall time and greatest memory of every rule below a folder of benchmarks."""
    rows: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for path in sorted(folder.rglob("*.tsv")):
        with open(path, encoding="utf-8") as handle:
            rows[path.name.split(".")[0]] += csv.DictReader(handle, delimiter="\t")
    return {
        rule: {
            "jobs": len(found),
            "wall_s": max(float(row["s"]) for row in found),
            "peak_mb": max(
                (float(row["max_rss"]) for row in found if row["max_rss"] != "NA"),
                default=float("nan"),
            ),
        }
        for rule, found in sorted(rows.items())
    }


def snakemake(target: str, root: Path, merchants: int, shards: int) -> float:
    """Wall seconds of a run of one target; exits with its status when it fails."""
    command = [sys.executable, "-m", "snakemake", target, "--quiet", "all", "--config"]
    command += [f"runs_root={root}", f"seeds=[{SEED}]", f"shards={shards}"]
    command += [f"upstream={{kind: builtin, external_root: '', merchants_total: {merchants}}}"]
    demands = f"required_seeds: [{SEED}], minimum_grade: B, release: false"
    command += [f"certification={{{demands}}}"]
    start = time.perf_counter()
    status = subprocess.run(command, check=False).returncode
    if status:
        raise SystemExit(status)
    return time.perf_counter() - start


def show(title: str, rules: Mapping[str, Mapping[str, float]]) -> None:
    """Print one table."""
    print(f"\n{title}\n{'rule':28} {'jobs':>5} {'longest s':>10} {'peak MB':>8}")
    for rule, row in rules.items():
        print(f"{rule:28} {row['jobs']:5.0f} {row['wall_s']:10.1f} {row['peak_mb']:8.0f}")


def measure(root: Path, merchants: int, shards: list[int]) -> dict[str, Any]:
    """Everything that the command reports."""
    identity = run_id("1B", "reopened")

    def path_of(dataset_id: str) -> Path:
        return root / datasets()[dataset_id].path.format(run_id=identity, seed=SEED)

    benchmarks = root / "benchmarks"
    wall = snakemake(str(path_of("s3_requirements")), root, merchants, 1)
    before = collect(benchmarks)
    show(f"up to S3, {merchants} merchants: {wall:.0f} s", before)
    report: dict[str, Any] = {"merchants": merchants, "up_to_s3": before, "shards": {}}
    digests: dict[str, str] = {}
    for number in shards:
        for state in STATES:
            shutil.rmtree(path_of(registry()[state]["produces"][0]).parent, ignore_errors=True)
        shutil.rmtree(benchmarks)
        wall = snakemake(str(path_of("site_locations")), root, merchants, number)
        rules = collect(benchmarks)
        show(
            f"S4 to S8, {row_count(path_of('site_locations'))} sites, shards={number}: "
            f"{wall:.0f} s",
            rules,
        )
        made = {
            name: file_digest(path_of(name))
            for state in STATES
            for name in registry()[state]["produces"]
        }
        digests = digests or made
        if made != digests:
            raise SystemExit(f"shards={number} published other bytes")
        report["shards"][str(number)] = {"wall_s": wall, "rules": rules}
    return report


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merchants", type=int, default=240_000)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 7])
    parser.add_argument("--out", default="runs/scale.json")
    arguments = parser.parse_args()
    Path("runs").mkdir(exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="scale-", dir="runs"))
    try:
        report = measure(root, arguments.merchants, arguments.shards)
    finally:
        shutil.rmtree(root)
    write_json(arguments.out, report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
