"""Which knobs a cycle of a search turns: those that the measured table says move what is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.scorers.levers import GAIN
from scripts.search.policy import STATES, Group, Ranges

Json = Mapping[str, Any]
# Knobs that are turned together: of more, a handful of attempts says nothing.
TOGETHER = 3


def reach(entry: Json, gates: Sequence[str]) -> float:
    """How far a measured step of a knob moves the margins of some gates together, either way."""
    return max(
        sum(abs(step.get("margins", {}).get(gate, 0.0)) for gate in gates)
        for step in entry["steps"]
    )


def choose(
    table: Json, ranges: Ranges, needs: Sequence[str], before: Sequence[Json], zoom: float
) -> Group | None:
    """Knobs of the state that moves some gates furthest; None where none moves them.

    Parameters
    ----------
    table
        The measured table of knobs.
    ranges
        Range of each knob that a search may turn, by state.
    needs
        Gates whose margins have to grow, as :func:`scripts.search.score.needs_of` gives them.
    before
        What the cycles before turned: ``state``, ``knobs`` and ``zoom`` of each. A knob is turned
        again only within a smaller part of its range.
    zoom
        Part of each range that the cycle searches.
    """
    turned = {(c["state"], knob) for c in before if c["zoom"] <= zoom for knob in c["knobs"]}
    reaches: dict[str, list[tuple[float, str]]] = {state: [] for state in STATES}
    for entry in table["knobs"]:
        state, knob = entry["state"].lower(), entry["knob"]
        far = reach(entry, needs)
        if far >= GAIN and knob in ranges.get(state, {}) and (state, knob) not in turned:
            reaches[state].append((far, knob))
    strongest = {state: sorted(found, reverse=True)[:TOGETHER] for state, found in reaches.items()}
    best = max(STATES, key=lambda state: sum(far for far, _ in strongest[state]))
    if not strongest[best]:
        return None
    return {"state": best, "knobs": {knob: ranges[best][knob] for _, knob in strongest[best]}}
