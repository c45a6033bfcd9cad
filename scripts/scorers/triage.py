"""Which state answers for a gate that fails: where its cause can be mended, and no further down.

It depends on what fails together: a concentration that fails alone is S2's to mend, one that fails
with coverage has its cause in the countries that 1A offers. What to turn there is measured
(:mod:`scripts.scorers.levers`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

_STATE_OF = {
    "structural": "code",
    "concentration": "S2",
    "coverage": "1A",
    "hemisphere": "S2",
    "region": "S2, S4",
    "nn_tail": "S4, S6",
    "collapse": "S4",
    "stability": "S2, S4",
    "validation": "S9",
    "truth_spacing": "S4",
    "truth_variance": "S4",
    "truth_networks": "S4",
    "truth_entry": "S4",
    "truth_positions": "S6",
    "truth_empty_land": "S2",
}


def answers_for(family: str, failing: Collection[str]) -> str:
    """State that answers for a failing gate of ``family``, given every family that fails with it.

    Country counts cannot leave the countries that 1A offers; density and floors follow the counts.
    """
    if family == "concentration" and "coverage" in failing:
        return "1A"
    if family in ("region", "nn_tail") and "concentration" in failing:
        return "S2"
    return _STATE_OF[family]


def with_triage(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one seed, each failing one with the state that answers for it.

    Rows of a grade fail together; those of a phase, which have no grade, all do.
    """
    failing: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if not row["passed"]:
            failing[row.get("grade", "")].add(row["family"])
    for row in rows:
        among = failing[row.get("grade", "")]
        row["triage"] = None if row["passed"] else answers_for(row["family"], among)
    return rows
