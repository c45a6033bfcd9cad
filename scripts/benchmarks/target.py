"""Cost of every rule of a fresh run of a target, from the log files of its jobs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.benchmarks.collect import collect
from scripts.tables import write_json


def run_workflow(target: str, seeds: str, root: Path) -> tuple[float, int]:
    """Wall seconds and exit status of a fresh run of a target."""
    command = [sys.executable, "-m", "snakemake", target, "--quiet", "all"]
    command += ["--config", f"seeds=[{seeds}]", f"runs_root={root}"]
    start = time.perf_counter()
    status = subprocess.run(command, check=False).returncode
    return time.perf_counter() - start, status


def time_target(target: str, seeds: str, out: Path) -> list[str]:
    """Run a target twice and write the cost of every rule; the table."""
    root = Path(tempfile.mkdtemp(prefix="bench-", dir="runs"))
    try:
        first, status = run_workflow(target, seeds, root)
        again, _ = run_workflow(target, seeds, root)
        rules = collect(root)
    finally:
        shutil.rmtree(root)
    write_json(out, {"target": target, "wall_s": first, "again_wall_s": again, "rules": rules})
    return [
        f"{'rule':32} {'jobs':>5} {'cpu s':>8} {'in all':>8} {'peak MB':>8}",
        *(
            f"{rule:32} {row['jobs']:5.0f} {row['cpu_s']:8.2f} {row['cpu_total_s']:8.2f}"
            f" {row['peak_mb']:8.0f}"
            for rule, row in rules.items()
        ),
        f"{'all':32} {'':14} {sum(row['cpu_total_s'] for row in rules.values()):8.2f}",
        f"{target}: {first:.1f} s (exit status {status}), again: {again:.1f} s",
    ]
