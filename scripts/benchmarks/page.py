"""Tables and figure of docs/benchmarks.md, from docs/benchmarks.json.

python -m scripts.benchmarks.page
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.scales import SITE_STATES, table
from scripts.benchmarks.sizes import renew_page
from scripts.tables import read_json

DOCS = Path("docs")


def draw(result: Mapping[str, Any], path: str | Path) -> None:
    """Write the figure as SVG."""
    from scripts.report.style import figure, save_svg

    runs = result["runs"]
    sites = np.array([run["sites"] for run in runs])
    plain = [run["pair_by_pair"] for run in runs]
    needed = [p["seconds"] * p["pairs"] / p["pairs_done"] for p in plain]
    floor = [sum(run["floors"]["s9_validation"].values()) for run in runs]
    with figure(figsize=(7.5, 5.0)) as (drawn, axes):
        for state in SITE_STATES:
            seconds = [run["states"][state]["cpu_s"] for run in runs]
            axes.loglog(sites, seconds, marker="o", markersize=3, label=state)
        axes.loglog(sites, needed, "k--", linewidth=1, label="S4 pair by pair")
        axes.loglog(sites, floor, "k:", linewidth=1, label="S9: read, sort, write")
        axes.set(xlabel="sites", ylabel="CPU seconds")
        axes.legend(fontsize=7, ncols=2)
        save_svg(drawn, path)


if __name__ == "__main__":
    measured = read_json(DOCS / "benchmarks.json")
    renew_page(DOCS / "benchmarks.md", table(measured))
    draw(measured, DOCS / "images/benchmarks.svg")
