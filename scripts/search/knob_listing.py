"""What ``segment1b knobs`` lists: what every knob moves, and what the runs used of their limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import dataset_path
from scripts.policies import load_policy
from scripts.scorers.levers import value_text
from scripts.search.sensitivity import versions
from scripts.settings import Settings
from scripts.tables import read_json

Json = Mapping[str, Any]
# Closer to its value a knob binds: it moves sites as soon as it is turned.
BINDS = 0.03
# A change of a margin that is worth a word.
SEEN = 0.001


def lines(table: Json) -> list[str]:
    """One line a knob: its value, where it begins to move sites, and what a step moves most."""
    stale = [law for law, digest in table["measured_under"].items() if versions()[law] != digest]
    told = [f"{'knob':<46}{'value':>9}  what a step moves (sites, margins of gates)"]
    for entry in table["knobs"]:
        name = f"{entry['state']} {entry['knob']}"
        said = [room for room in (room_text(entry),) if room]
        said += [_step_text(step) for step in entry["steps"]]
        told.append(f"{name:<46}{value_text(entry['value']):>9}  {'; '.join(said)}")
    if stale:
        told.append(f"measured under another law of {', '.join(stale)}: --measure renews it")
    return told


def room_text(entry: Json) -> str:
    """How far a knob is from moving a site: nothing where it binds, or where it always acts."""
    begins, value = entry.get("begins_at"), entry["value"]
    if begins is None:
        return ""
    sides = {side: at for side, at in begins.items() if at is not None}
    if not sides:
        return "no value of its range moves a site"
    whole = abs(value) or 1.0
    near = {side for side, at in sides.items() if abs(at - value) <= BINDS * whole}
    if near:
        return "" if len(near) == len(begins) else f"binds {near.pop()}wards only"
    where = [
        f"{value_text(round(at, 4))} ({100 * (at - value) / whole:+.0f} %)"
        for side, at in sides.items()
    ]
    return f"idle, moves sites from {' and '.join(where)}"


def _step_text(step: Json) -> str:
    """One step of a knob: the sites that it moves and the three gates that it changes most."""
    value = value_text(step["value"])
    if "refused" in step:
        return f"{value} refused ({step['refused'].split()[0]})"
    if elsewhere := step.get("elsewhere"):
        seeds = ", ".join(f"{100 * share:.2g} % of seed {s}" for s, share in elsewhere.items())
        return f"{value}: no site of this seed, {seeds}"
    if step["moved"] == 0.0:
        return f"{value}: no site"
    most = sorted(step["margins"].items(), key=lambda change: -abs(change[1]))[:3]
    changes = [f"{gate} {100 * c:+.1f} %" for gate, c in most if abs(c) >= SEEN]
    return ", ".join([f"{value}: {100 * step['moved']:.2g} % of sites", *changes])


def used(settings: Settings) -> list[str]:
    """What the candidate's runs used of floors, targets, caps and budgets."""
    root, run = Path(settings.runs_root), settings.run_named(settings.candidate)

    def report(name: str, **seed: int) -> Any:
        path = dataset_path(root, name, run_id=run.run_id, **seed)
        return read_json(path) if path.is_file() else None

    s2, told = report("s2_run_report"), []
    if s2 and "effective_hard_cap" in s2:
        told = mass_lines(s2, load_policy(run.posture.policies["s2"])["country_mass"])
    for seed in settings.seeds:
        s3, s4 = report("s3_run_report", seed=seed), report("s4_run_report", seed=seed)
        if s3 and s4:
            told.append(seed_line(seed, s3["steering"], s4["counts"]))
    return told


def mass_lines(report: Json, policy: Json) -> list[str]:
    """Shares of regions and of the largest countries beside floors, targets and the hard cap."""
    regions, floors = report["region_share_vector"], policy["region_floor_share"]
    held = ", ".join(f"{name} {regions[name]:.4f} (>= {floors[name]:g})" for name in sorted(floors))
    tops, targets = report["country_share_topk"], policy["topk_cap_targets"]
    most = ", ".join(f"{top} {tops[top]:.4f} (<= {targets[top]:g})" for top in targets)
    cap, hard = report["effective_hard_cap"], policy["country_cap_share_hard"]
    lowered = f"lowered to {cap:.4f} by the targets" if cap < hard else "not lowered by a target"
    return [
        f"shares of regions and their floors: {held}",
        f"shares of the largest countries and their targets: {most}; hard cap {hard:g}, {lowered}",
    ]


def seed_line(seed: int, steering: Json, counts: Json) -> str:
    """What one seed used of the budgets of steering and guard."""
    return (
        f"seed {seed}: steering moved {steering['moved_share']:.4f} of max_moved_share "
        f"{steering['max_moved_share']:g}, home-legal mismatch "
        f"{steering['home_legal_mismatch']:.5f} of {steering['max_home_legal_mismatch']:g}; "
        f"guard rerouted {counts['sites_rerouted']} of {counts['sites_total']} sites"
    )
