"""Margins of the rows that the scorers judge: what a run has to spare, and what it lacks.

A row's ``margin`` is its distance to the threshold, positive on the passing side, None where the
value is undefined (:func:`scripts.scorers.gates.judge`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from scripts.scorers.gates import Row


def chosen(rows: Iterable[Row], grade: str, names: Collection[str] | None = None) -> list[Row]:
    """Rows of a grade, those of some gates or families alone where they are named."""
    return [
        row
        for row in rows
        if row["grade"] == grade and (names is None or {row["gate"], row["family"]} & {*names})
    ]


def name_of(row: Row) -> str:
    """Gate, what it measures where the gate has several, and seed of a row."""
    part = row["metric"].partition(".")[2]
    return f"{row['gate']}{f' {part}' if part else ''} seed {row['seed']}"


def relative_margin(row: Row) -> float | None:
    """Margin of a row as a share of its threshold; None where it is undefined."""
    if row["margin"] is None:
        return None
    return float(row["margin"]) / (abs(row["threshold"]) or 1.0)


def lack(row: Row, wanted: float = 0.0) -> float:
    """What a row lacks of a relative margin; 1 where it is undefined."""
    margin = relative_margin(row)
    return 1.0 if margin is None else max(wanted - margin, 0.0)


def least_margin(rows: Sequence[Row]) -> float | None:
    """Least relative margin of some rows; None where one of them is undefined."""
    margins = [relative_margin(row) for row in rows]
    defined = [margin for margin in margins if margin is not None]
    return min(defined) if defined and len(defined) == len(margins) else None


def shortfall(rows: Sequence[Row]) -> float:
    """What some rows lack of their thresholds, summed; 0 when all hold."""
    return sum(map(lack, rows))


def smallest_margins(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The row with the least margin of every gate, grade and metric, in order of first mention.

    An undefined value is less than any other.
    """
    least: dict[tuple[str, str, str], tuple[float, Row]] = {}
    for row in rows:
        key = row["grade"], row["gate"], row["metric"]
        margin = -math.inf if row["margin"] is None else row["margin"]
        if key not in least or margin < least[key][0]:
            least[key] = margin, row
    names = ("grade", "gate", "metric", "seed", "observed", "threshold", "margin")
    return [{name: row[name] for name in names} for _, row in least.values()]
