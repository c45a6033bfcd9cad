"""Runs of a workflow and the costs of their jobs, from the log files of the rules.

Seconds of the state's own function, and CPU seconds and peak resident memory of the whole process,
interpreter start included, are what every job leaves in its log.

    python -m scripts.benchmarks.collect RUNS_ROOT
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

Costs = dict[str, dict[str, float]]
COSTS = ("main_s", "cpu_s", "peak_mb")


def run_workflow(target: str, root: Path, *config: str) -> tuple[float, int]:
    """Wall seconds and exit status of a target on a runs root, under further configuration."""
    command = [sys.executable, "-m", "snakemake", target, "--quiet", "all"]
    command += ["--config", f"runs_root={root}", *config]
    start = time.perf_counter()
    status = subprocess.run(command, check=False).returncode
    return time.perf_counter() - start, status


def cost_of_job(log: Path) -> dict[str, float] | None:
    """``main_s``, ``cpu_s`` and ``peak_mb`` of a job by its log; None when it left none."""
    try:
        own = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
        return {name: float(own[name]) for name in COSTS}
    except (OSError, ValueError, TypeError, LookupError):
        return None


def collect(
    root: Path, inside: str = "", seconds: Callable[[list[float]], np.floating] = np.median
) -> Costs:
    """Costs of every rule below a runs root: seconds and greatest memory of its jobs.

    Parameters
    ----------
    root
        The runs root.
    inside
        Only jobs whose path below ``logs`` holds this text.
    seconds
        What a rule of several jobs took, from what each took.
    """
    jobs: dict[str, list[dict[str, float]]] = defaultdict(list)
    logs = root / "logs"
    for path in sorted(logs.rglob("*.log")):
        cost = cost_of_job(path) if inside in path.relative_to(logs).as_posix() else None
        if cost is not None:
            jobs[path.stem.split(".")[0]].append(cost)
    return {
        rule: {
            "jobs": len(costs),
            "main_s": float(seconds([cost["main_s"] for cost in costs])),
            "cpu_s": float(seconds([cost["cpu_s"] for cost in costs])),
            "cpu_total_s": sum(cost["cpu_s"] for cost in costs),
            "peak_mb": max(cost["peak_mb"] for cost in costs),
        }
        for rule, costs in sorted(jobs.items())
    }


def show(title: str, rules: Mapping[str, Mapping[str, float]]) -> None:
    """Print one table."""
    print(f"\n{title}\n{'rule':28} {'jobs':>5} {'longest s':>10} {'CPU s':>8} {'peak MB':>8}")
    for rule, row in rules.items():
        print(
            f"{rule:28} {row['jobs']:5.0f} {row['main_s']:10.1f} {row['cpu_total_s']:8.1f}"
            f" {row['peak_mb']:8.0f}"
        )


def main() -> None:
    """Print what the jobs of a runs root cost."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("root", type=Path, help="runs root")
    root = parser.parse_args().root
    show(str(root), collect(root, seconds=np.max))


if __name__ == "__main__":
    main()
