"""How good an attempt is: its objective, the constraints that it breaks, and which is the best.

Everything is read off *rows* as :mod:`scripts.scorers.gates` judges them: an observed value, its
threshold, and the margin between them, positive on the passing side. A row's grade says where it
comes from: ``B`` and ``BPLUS`` are gates, ``A`` the tests of truth, ``report`` the floors of
fidelity, ``p3`` holds a metric against the same seed of P3. S9 needs a published run, so its rows
are no part of a search.

=================  ==============================================================================
objective          what is maximised
=================  ==============================================================================
``least_margin``   the least margin over the chosen rows, as a share of its threshold
``shortfall``      minus what the chosen rows lack of their thresholds, summed; 0 is none
=================  ==============================================================================

Attempts are ranked by Deb's rules (Deb 2000, "An efficient constraint handling method for genetic
algorithms"): one that holds every constraint before any that does not, then the higher objective;
among those that do not, the smaller violation. The best so far gives way only to a gain of
``minimum_gain``, or to the goal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from scripts.scorers.gates import GATES, Row, evaluate, grade_of, judge
from scripts.scorers.margins import (
    chosen,
    lack,
    least_margin,
    name_of,
    relative_margin,
    shortfall,
)
from scripts.search.policy import Objective, Search

Json = Mapping[str, Any]
FEASIBLE, INFEASIBLE, REFUSED, NOT_RUN = "feasible", "infeasible", "refused", "not_run"
NO_SCORE = 1e6
# Gates that a cycle is for where none is missed.
THINNEST = 3


class Score(TypedDict):
    """What became of an attempt.

    ``vetoes`` are the constraints that it breaks, or why it has no score; ``violation`` what they
    lack, summed; ``missed`` the gates of BPLUS that fail; ``excused`` what the start missed;
    ``needs`` the gates whose margins have to grow, as :func:`needs_of` gives them.
    """

    status: str
    vetoes: list[str]
    objective: float | None
    violation: float
    grade: str | None
    missed: list[str]
    excused: list[str]
    needs: list[str]


def margin_rows(cards: Sequence[Json], p3: Sequence[Json], settings: Json) -> list[Row]:
    """Every row that an attempt can be held to, over all its seeds.

    Parameters
    ----------
    cards
        Scorecards of the attempt by seed.
    p3
        Scorecards of P3 for the same seeds, or none.
    settings
        ``config/gates.yaml``.
    """
    verdict = evaluate(cards, settings)
    rows = [row for row in verdict["rows"] if not row["gate"].startswith("s9_")]
    if len(cards) == 1:
        rows = [row for row in rows if row["gate"] != "stability"]
    pairs = zip(cards, p3, strict=True) if p3 else ()
    return [
        *rows,
        *verdict["fidelity"],
        *(
            judge(
                f"{gate.metric}_not_worse_than_p3",
                "p3",
                gate.family,
                gate.metric,
                card["seed"],
                card["metrics"][gate.metric],
                before["metrics"][gate.metric],
                gate.direction,
            )
            for card, before in pairs
            for gate in GATES
        ),
    ]


def objective_of(rows: Sequence[Row], objective: Objective) -> float | None:
    """Value of an objective; None where it is undefined."""
    among = chosen(rows, objective["grade"], objective.get("rows"))
    if objective["kind"] == "least_margin":
        return least_margin(among)
    return 0.0 - shortfall(among)


def needs_of(lacking: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """Gates whose margins have to grow.

    Those of the rows ``lacking`` a constraint; else, of the objective's rows, the gates that are
    missed, and where none is the thinnest ones.
    """
    if lacking:
        return sorted({_gate(row) for row in lacking})
    least: dict[str, float] = {}
    for row in rows:
        margin = relative_margin(row)
        known = -1.0 if margin is None else margin
        least[_gate(row)] = min(known, least.get(_gate(row), known))
    ordered = sorted(least, key=lambda gate: least[gate])
    return [gate for gate in ordered if least[gate] < 0.0] or ordered[:THINNEST]


def _gate(row: Row) -> str:
    gate: str = row["gate"]
    return gate.removesuffix("_interval")


def score(
    cards: Sequence[Json],
    p3: Sequence[Json],
    settings: Json,
    search: Search,
    excused: Sequence[str] | None = None,
) -> Score:
    """Score of an attempt that ran.

    Parameters
    ----------
    cards, p3, settings
        As for :func:`margin_rows`.
    search
        Its objective and its constraints count.
    excused
        Names of the rows that the start missed where it may; None for a start itself.
    """
    rows = margin_rows(cards, p3, settings)
    asked = [
        (row, constraint)
        for constraint in search["constraints"]
        for row in chosen(rows, constraint["grade"], constraint.get("rows"))
    ]
    if excused is None:
        may_miss = (row for row, constraint in asked if constraint.get("held_at_start"))
        excused = [name_of(row) for row in may_miss if lack(row) > 0.0]
    lacking: dict[str, float] = {}
    lacking_rows: list[Row] = []
    for row, constraint in asked:
        name, missing = name_of(row), lack(row, constraint.get("margin", 0.0))
        if missing > lacking.get(name, 0.0) and not (
            constraint.get("held_at_start") and name in excused
        ):
            lacking[name] = missing
            lacking_rows.append(row)
    objective = search["objective"]
    return {
        "status": INFEASIBLE if lacking else FEASIBLE,
        "vetoes": list(lacking),
        "objective": objective_of(rows, objective),
        "violation": sum(lacking.values()),
        "grade": grade_of(rows),
        "missed": [name_of(row) for row in chosen(rows, "BPLUS") if not row["passed"]],
        "excused": list(excused),
        "needs": needs_of(lacking_rows, chosen(rows, objective["grade"], objective.get("rows"))),
    }


def no_score(status: str, reason: str, excused: Sequence[str] = ()) -> Score:
    """Score of an attempt whose policies a state refuses, or that was not run."""
    return {
        "status": status,
        "vetoes": [" ".join(reason.split())],
        "objective": None,
        "violation": NO_SCORE,
        "grade": None,
        "missed": [],
        "excused": list(excused),
        "needs": [],
    }


def _counts(attempt: Json) -> bool:
    return attempt["status"] == FEASIBLE and attempt["objective"] is not None


def order_key(attempt: Json) -> tuple[bool, float, float, int, int]:
    """Key that sorts attempts from best to worst; the earlier of two equals first."""
    counts = _counts(attempt)
    return (
        not counts,
        -attempt["objective"] if counts else 0.0,
        attempt["violation"],
        attempt["cycle"],
        attempt["attempt"],
    )


def reached(attempt: Json, goal: float | None) -> bool:
    """Whether an attempt is as good as a search wants."""
    return goal is not None and _counts(attempt) and attempt["objective"] >= goal


def improves(attempt: Json, best: Json, minimum_gain: float, goal: float | None = None) -> bool:
    """Whether an attempt takes the place of the best before it."""
    if _counts(attempt) and _counts(best):
        gain = attempt["objective"] - best["objective"]
        return bool(gain > 0.0 and (gain >= minimum_gain or reached(attempt, goal)))
    return order_key(attempt) < order_key(best)
