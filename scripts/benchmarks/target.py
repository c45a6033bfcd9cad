"""Cost of every rule of a fresh run of a target, from the log files of its jobs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from scripts.benchmarks.collect import collect, run_workflow
from scripts.tables import write_json


def time_target(target: str, seeds: str, out: Path) -> tuple[list[str], int]:
    """Run a target twice and write the cost of every rule; the table, and the first exit status."""
    root = Path(tempfile.mkdtemp(prefix="bench-", dir="runs"))
    try:
        first, status = run_workflow(target, root, f"seeds=[{seeds}]")
        again, _ = run_workflow(target, root, f"seeds=[{seeds}]")
        rules = collect(root)
    finally:
        shutil.rmtree(root)
    write_json(out, {"target": target, "wall_s": first, "again_wall_s": again, "rules": rules})
    table = [
        f"{'rule':32} {'jobs':>5} {'cpu s':>8} {'in all':>8} {'peak MB':>8}",
        *(
            f"{rule:32} {row['jobs']:5.0f} {row['cpu_s']:8.2f} {row['cpu_total_s']:8.2f}"
            f" {row['peak_mb']:8.0f}"
            for rule, row in rules.items()
        ),
        f"{'all':32} {'':14} {sum(row['cpu_total_s'] for row in rules.values()):8.2f}",
        f"{target}: {first:.1f} s (exit status {status}), again: {again:.1f} s",
    ]
    return table, status
