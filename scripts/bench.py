"""Time every rule of a fresh run, or every state at several sizes, as whole processes.

Runs the workflow into a folder of its own and reads the benchmark and log files of its jobs.

    python -m scripts.bench [--seeds 42] [--target certify] [--out runs/bench.json]
    python -m scripts.bench --scales 35k,350k,3.5M,10M --out docs/benchmarks.json
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.benchmarks.collect import collect
from scripts.benchmarks.scales import run_scales, table
from scripts.tables import write_json


def run_workflow(target: str, seeds: str, root: Path) -> tuple[float, int]:
    """Wall seconds and exit status of a fresh run of a target."""
    command = [sys.executable, "-m", "snakemake", target, "--quiet", "all"]
    command += ["--config", f"seeds=[{seeds}]", f"runs_root={root}"]
    start = time.perf_counter()
    status = subprocess.run(command, check=False).returncode
    return time.perf_counter() - start, status


def bench_target(target: str, seeds: str, out: str) -> None:
    """Run a target twice, print and write the cost of every rule."""
    root = Path(tempfile.mkdtemp(prefix="bench-", dir="runs"))
    try:
        first, status = run_workflow(target, seeds, root)
        again, _ = run_workflow(target, seeds, root)
        rules = collect(root)
    finally:
        shutil.rmtree(root)
    print(f"{'rule':32} {'jobs':>5} {'wall s':>8} {'cpu s':>8} {'peak MB':>8}")
    for rule, row in rules.items():
        print(
            f"{rule:32} {row['jobs']:5.0f} {row['wall_s']:8.2f} {row['cpu_s']:8.2f}"
            f" {row['peak_mb']:8.0f}"
        )
    print(f"{target}: {first:.1f} s (exit status {status}), again: {again:.1f} s")
    write_json(out, {"target": target, "wall_s": first, "again_wall_s": again, "rules": rules})


def main() -> int:
    """Run, collect, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="42,7,101,202")
    parser.add_argument("--target", default="certify")
    parser.add_argument("--scales", default="", help="sizes in sites, for example 35k,350k,3.5M")
    parser.add_argument("--pair-seconds", type=float, default=60.0, help="for the pair-by-pair law")
    parser.add_argument("--out", default="", help="runs/bench.json, runs/bench-scales.json")
    arguments = parser.parse_args()
    Path("runs").mkdir(exist_ok=True)
    arguments.out = arguments.out or f"runs/bench{'-scales' if arguments.scales else ''}.json"
    if arguments.scales:
        sizes = arguments.scales.split(",")
        print(table(run_scales(sizes, arguments.pair_seconds, arguments.out)))
    else:
        bench_target(arguments.target, arguments.seeds, arguments.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
