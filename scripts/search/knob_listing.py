"""What ``segment1b knobs`` lists: what every knob moves, and the budgets that the runs used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import dataset_path
from scripts.search.sensitivity import versions
from scripts.settings import Settings
from scripts.tables import read_json

Json = Mapping[str, Any]


def lines(table: Json) -> list[str]:
    """One line a knob: its value, and for each step what it moves most or where it begins to."""
    stale = [law for law, digest in table["measured_under"].items() if versions()[law] != digest]
    told = [f"{'knob':<46}{'value':>9}  what a step moves (margins of gates)"]
    for entry in table["knobs"]:
        name = f"{entry['state']} {entry['knob']}"
        said = "; ".join(_step_text(step) for step in entry["steps"])
        if begins := entry.get("begins_at"):
            where = [f"{side} at {value:g}" for side, value in begins.items() if value is not None]
            said = f"moves nothing; begins {' and '.join(where)}" if where else "moves nothing"
        told.append(f"{name:<46}{_value_text(entry['value']):>9}  {said}")
    if stale:
        told.append(f"measured under another law of {', '.join(stale)}: --measure makes it anew")
    return told


def _value_text(value: float) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _step_text(step: Json) -> str:
    """One step of a knob: the sites that it moves and the three gates that it changes most."""
    value = _value_text(step["value"])
    if "refused" in step:
        return f"{value} refused ({step['refused'].split()[0]})"
    most = sorted(step["margins"].items(), key=lambda change: -abs(change[1]))[:3]
    changes = ", ".join(f"{gate} {100 * change:+.1f} %" for gate, change in most)
    return f"{value}: {100 * step['moved']:.0f} % of sites{', ' if changes else ''}{changes}"


def budgets(settings: Settings) -> list[str]:
    """What the candidate's runs used of the budgets of steering and guard, seed by seed."""
    root, run = Path(settings.runs_root), settings.run_named(settings.candidate)
    told = []
    for seed in settings.seeds:
        paths = [
            dataset_path(root, name, run_id=run.run_id, seed=seed)
            for name in ("s3_run_report", "s4_run_report")
        ]
        if not all(path.is_file() for path in paths):
            continue
        s3, s4 = map(read_json, paths)
        used = s3["steering"]
        told.append(
            f"seed {seed}: steering moved {used['moved_share']:.4f} of max_moved_share "
            f"{used['max_moved_share']:g}, home-legal mismatch {used['home_legal_mismatch']:.5f} "
            f"of {used['max_home_legal_mismatch']:g}; guard rerouted "
            f"{s4['counts']['sites_rerouted']} sites"
        )
    return told
