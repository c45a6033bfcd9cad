"""P4: what class an integrated run is in, and which lane mends it.

=====================  ==========================================================================
class                  when
=====================  ==========================================================================
RED_REOPEN_REQUIRED    a row of grade B fails: the locked posture contradicts the gates
AMBER_NEAR_BPLUS       every row of B holds, one of BPLUS does not: the bounded recovery may run
GREEN_B                every row of B holds, and BPLUS holds too or the recovery has ended
=====================  ==========================================================================

A *lane* is the state to retune. The recommended lane is the one furthest upstream among those that
the failing rows name, because what is wrong there cannot be mended further down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from scripts.scorers.gates import BELOW, grade_of, reaches

GREEN, AMBER, RED = "GREEN_B", "AMBER_NEAR_BPLUS", "RED_REOPEN_REQUIRED"
LANES = ("code", "1A", "S2", "S2, S4", "S4", "S4, S6", "S6", "S9")

Row = dict[str, Any]


def classify(rows: Iterable[Row], recovery_ended: bool = False) -> str:
    """Class of a run from its gate rows over all seeds, those of stability among them.

    Parameters
    ----------
    rows
        Rows of :func:`scripts.scorers.gates.evaluate`.
    recovery_ended
        Whether the bounded recovery has spent its attempts or found no further safe move.
    """
    grade = grade_of(rows)
    if grade == BELOW:
        return RED
    return GREEN if reaches(grade, "BPLUS") or recovery_ended else AMBER


def failing_rows(rows: Iterable[Row], grade: str) -> list[Row]:
    """Rows of a grade that do not pass, in their order."""
    return [row for row in rows if row["grade"] == grade and not row["passed"]]


def lanes(failing: Sequence[Row]) -> list[dict[str, Any]]:
    """Lanes that the triage of failing rows names, furthest upstream first.

    Returns
    -------
    One mapping a lane: ``state``, ``gates`` and ``seeds`` that it would mend, ``failing_rows``.
    """
    by_state: dict[str, dict[str, Any]] = {}
    for row in failing:
        state = row["triage"]
        lane = by_state.setdefault(
            state, {"state": state, "gates": set(), "seeds": set(), "failing_rows": 0}
        )
        lane["gates"].add(row["gate"])
        lane["seeds"].add(str(row["seed"]))
        lane["failing_rows"] += 1
    ordered = sorted(by_state.values(), key=lambda lane: LANES.index(lane["state"]))
    return [
        {**lane, "gates": sorted(lane["gates"]), "seeds": sorted(lane["seeds"])} for lane in ordered
    ]


def verdict(rows: Sequence[Row]) -> dict[str, Any]:
    """Class of a run, and the lanes that mend the rows that decided it.

    ``deciding_grade`` is B for a red run, else BPLUS; ``recommended_lane`` is None when nothing
    of that grade fails.
    """
    kind = classify(rows)
    deciding = "B" if kind == RED else "BPLUS"
    failing = failing_rows(rows, deciding)
    named = lanes(failing)
    return {
        "class": kind,
        "grade": grade_of(rows),
        "deciding_grade": deciding,
        "lanes": named,
        "recommended_lane": named[0]["state"] if named else None,
    }
