"""Time every rule of a fresh run, as whole processes on this machine.

Runs the workflow into a folder of its own and reads the benchmark files that Snakemake writes for
each job: wall seconds, CPU seconds and peak resident memory, interpreter start included.

    python -m scripts.bench [--seeds 42] [--target certify] [--out bench.json]
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
from pathlib import Path

import numpy as np

from scripts.tables import write_json

COLUMNS = {"s": "wall_s", "cpu_time": "cpu_s", "max_rss": "peak_mb"}


def collect(folder: Path) -> dict[str, dict[str, float]]:
    """Median wall and CPU seconds and greatest memory of every rule's jobs."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.rglob("*.tsv")):
        with open(path, encoding="utf-8") as handle:
            for row in csv.DictReader(handle, delimiter="\t"):
                for source, name in COLUMNS.items():
                    if row[source] not in ("-", "NA", ""):
                        found[path.stem][name].append(float(row[source]))
    return {
        rule: {
            "jobs": len(values["wall_s"]),
            "wall_s": float(np.median(values["wall_s"])),
            "cpu_s": float(np.median(values["cpu_s"] or [float("nan")])),
            "peak_mb": max(values["peak_mb"], default=float("nan")),
        }
        for rule, values in sorted(found.items())
    }


def run_workflow(target: str, seeds: str, root: Path) -> tuple[float, int]:
    """Wall seconds and exit status of a fresh run of a target."""
    command = [sys.executable, "-m", "snakemake", target, "--quiet", "all"]
    command += ["--config", f"seeds=[{seeds}]", f"runs_root={root}"]
    start = time.perf_counter()
    status = subprocess.run(command, check=False).returncode
    return time.perf_counter() - start, status


def main() -> int:
    """Run, collect, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="42,7,101,202")
    parser.add_argument("--target", default="certify")
    parser.add_argument("--out", default="runs/bench.json")
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="bench-", dir="runs"))
    try:
        first, status = run_workflow(arguments.target, arguments.seeds, root)
        again, _ = run_workflow(arguments.target, arguments.seeds, root)
        rules = collect(root / "benchmarks")
    finally:
        shutil.rmtree(root)
    print(f"{'rule':32} {'jobs':>5} {'wall s':>8} {'cpu s':>8} {'peak MB':>8}")
    for rule, row in rules.items():
        print(
            f"{rule:32} {row['jobs']:5d} {row['wall_s']:8.2f} {row['cpu_s']:8.2f}"
            f" {row['peak_mb']:8.0f}"
        )
    print(f"{arguments.target}: {first:.1f} s (exit status {status}), again: {again:.1f} s")
    write_json(
        arguments.out,
        {"target": arguments.target, "wall_s": first, "again_wall_s": again, "rules": rules},
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
