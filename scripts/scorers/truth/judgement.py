"""The eleven tests: what is accepted of each, and the verdict on a value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.tables import published

Bounds = tuple[float | None, float | None]
Detail = Mapping[str, Any]


@dataclass(frozen=True)
class Test:
    """A test.

    Attributes
    ----------
    name, title
        Its statistic, and what that tells.
    accepted
        Least and greatest value that passes; None where there is no such end.
    family
        Tests that fail for the same reasons.
    """

    name: str
    title: str
    accepted: Bounds
    family: str


TESTS: Mapping[str, Test] = {
    "T1": Test("lone_share", "sites alone within 10 km", (0.05, 0.75), "truth_spacing"),
    "T2": Test(
        "paired_per_lone", "sites in groups of two, per lone site", (None, 1.1), "truth_spacing"
    ),
    "T3": Test("twin_share", "sites in isolated mutual pairs", (None, 0.24), "truth_spacing"),
    "T4": Test(
        "variance_ratio", "variance of counts over that of chance", (1.05, 25.0), "truth_variance"
    ),
    "T5a": Test(
        "small_local_share", "2-4 outlets: all within 50 km", (0.50, 0.90), "truth_networks"
    ),
    "T5b": Test(
        "medium_spread", "5-19 outlets: spread over that of people", (None, 0.45), "truth_networks"
    ),
    "T6": Test(
        "sibling_share", "outlets with a sibling within 5 km", (0.17, 0.60), "truth_networks"
    ),
    "T7": Test(
        "same_tile_excess",
        "close pairs in one tile, over shifted grids",
        (-0.06, 0.06),
        "truth_positions",
    ),
    "T8": Test(
        "place_share", "sites within 1 km of a named place", (0.25, 0.52), "truth_positions"
    ),
    "T9": Test(
        "entry_city_share", "entries within 50 km of the largest city", (0.55, 0.95), "truth_entry"
    ),
    "T10": Test("empty_land_share", "sites where nobody lives", (None, 0.0035), "truth_empty_land"),
}


@dataclass(frozen=True)
class Row:
    """One test of one map.

    Attributes
    ----------
    test, name
        ``T1`` ... ``T10``, and the name of its statistic.
    value
        None where it is undefined, or infinite.
    accepted
        Least and greatest value that passes; None where there is no such end.
    passed
        False for an undefined value as well.
    measured
        Whether the map has what the test looks at.
    margin
        Distance to the nearer end as a share of that end, positive on the passing side; None
        without a value.
    reason
        Why it failed, or could not be measured.
    count
        Sites, pairs, networks or outlets that the value rests on.
    details
        The same by country or size.
    """

    test: str
    name: str
    value: float | None
    accepted: Bounds
    passed: bool
    measured: bool
    margin: float | None
    reason: str
    count: int
    details: Sequence[Detail] = field(default=(), repr=False)

    def record(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return {**vars(self), "accepted": list(self.accepted), "details": list(self.details)}


def bounds_text(accepted: Bounds) -> str:
    """An interval as it is printed."""
    low, high = accepted
    if low is None:
        return f"<= {high:g}"
    return f">= {low:g}" if high is None else f"{low:g} to {high:g}"


def nearer_end(value: float | None, accepted: Bounds) -> tuple[float, bool]:
    """The end of an interval that a value is nearer to, and whether it is the lower one.

    Nearness is measured in the size of each end. Without a value it is the upper end, or the only
    one.
    """
    low, high = accepted
    if low is None or high is None:
        end = low if high is None else high
        assert end is not None
        return end, high is None
    below = value is not None and (value - low) / abs(low) < (high - value) / abs(high)
    return (low, True) if below else (high, False)


def margin_of(value: float, accepted: Bounds) -> float:
    """Distance to the nearer end of an interval, as a share of that end's size."""
    end, below = nearer_end(value, accepted)
    return (value - end if below else end - value) / abs(end)


def judge(
    test: str, value: float, count: int, unmeasured: str = "", details: Sequence[Detail] = ()
) -> Row:
    """The row of a value.

    Parameters
    ----------
    test
        A key of :data:`TESTS`.
    value
        NaN where it is undefined.
    count
        What it rests on.
    unmeasured
        Why the map has too little to measure it; such a value is not looked at.
    details
        The same by country or size.
    """
    name, accepted = TESTS[test].name, TESTS[test].accepted
    details = published(details)
    if unmeasured or math.isnan(value):
        reason = unmeasured or "undefined"
        return Row(test, name, None, accepted, False, not unmeasured, None, reason, count, details)
    low, high = accepted
    margin = margin_of(value, accepted)
    reason = ""
    if high is not None and value > high:
        reason = f"{value:.4g} is above {high:g}"
    elif low is not None and value < low:
        reason = f"{value:.4g} is below {low:g}"
    return Row(
        test,
        name,
        published(value),
        accepted,
        not reason,
        True,
        published(margin),
        reason,
        count,
        details,
    )
