"""Costs of jobs, from the benchmark files of Snakemake and the log files of the rules.

Wall seconds are those of the whole process, interpreter start included (Snakemake's benchmark
file); seconds of the state's own function, CPU seconds and peak resident memory are those that the
process itself left in its log.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

Costs = dict[str, dict[str, float]]


def cost_of_job(benchmark: Path, log: Path) -> dict[str, float]:
    """Costs of one job: ``wall_s``, and what its log tells: ``main_s``, ``cpu_s``, ``peak_mb``."""
    with open(benchmark, encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    found = {"wall_s": float(rows[-1]["s"])}
    try:
        own = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
        found |= {name: float(own[name]) for name in ("main_s", "cpu_s", "peak_mb")}
    except (OSError, ValueError, TypeError, LookupError):
        pass
    return found


def collect(
    root: Path, inside: str = "", seconds: Callable[[list[float]], np.floating] = np.median
) -> Costs:
    """Costs of every rule below a runs root: seconds and greatest memory of its jobs.

    Parameters
    ----------
    root
        The runs root.
    inside
        Only jobs whose path below ``benchmarks`` holds this text.
    seconds
        What a rule of several jobs took, from what each took.
    """
    jobs: dict[str, list[dict[str, float]]] = defaultdict(list)
    for path in sorted((root / "benchmarks").rglob("*.tsv")):
        relative = path.relative_to(root / "benchmarks")
        if inside in relative.as_posix():
            log = (root / "logs" / relative).with_suffix(".log")
            jobs[path.stem.split(".")[0]].append(cost_of_job(path, log))
    return {
        rule: {
            "jobs": len(costs),
            **{
                name: float(combine([cost[name] for cost in costs if name in cost] or [np.nan]))
                for name, combine in (
                    ("wall_s", seconds),
                    ("main_s", seconds),
                    ("cpu_s", seconds),
                    ("peak_mb", np.max),
                )
            },
        }
        for rule, costs in sorted(jobs.items())
    }
