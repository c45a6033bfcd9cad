"""The law of towns site by site: the compiled loop that :mod:`scripts.states.jitter_law` calls."""

from typing import Any

import numpy as np

from scripts.compiled import compiled
from scripts.tabulated_kernels import triangular, truncated_normal

UNIFORM, TOWN, OPEN, DIRECT = range(4)


@compiled("i8(i8[::1], i8, i8, f8)")
def choose(cumulative: Any, first: Any, last: Any, u: Any) -> Any:
    """One of the rows ``first`` to ``last`` by weight, whose running sum begins with a zero."""
    before = cumulative[first]
    total = cumulative[last] - before
    target = before + min(np.int64(u * total), total - 1)
    row, beyond = first, last
    while beyond - row > 1:
        middle = (row + beyond) >> 1
        if cumulative[middle] <= target:
            row = middle
        else:
            beyond = middle
    return row


@compiled(
    "void(i4[::1], i1[::1], f8[::1], b1[::1], f8[:, ::1], f8, i8[::1], f8[::1], f8[::1], f8[::1],"
    " f8[::1], i8[::1], f8[::1], i2[::1], f8[::1], f8[::1], i1[::1])"
)
def place(
    cell: Any,
    component: Any,
    u_anchor_first: Any,
    direct: Any,
    u: Any,
    half_deg: Any,
    start: Any,
    lon: Any,
    lat: Any,
    sd_lon: Any,
    sd_lat: Any,
    cumulative: Any,
    cdf: Any,
    guide: Any,
    delta_lon: Any,
    delta_lat: Any,
    placed: Any,
) -> None:
    """Offsets of attempts, and what placed each, into the last three arrays; not of direct ones.

    From ``start`` to ``cumulative`` the fields of :class:`scripts.states.jitter_law.Anchors`.
    """
    reach = 3.0 * half_deg
    for i in range(len(cell)):
        if direct[i]:
            continue
        first, last = start[cell[i]], start[cell[i] + 1]
        if component[i] == TOWN and last > first:
            anchor = choose(cumulative, first, last, u_anchor_first[i])
            placed[i] = TOWN
            delta_lon[i] = truncated_normal(u[i, 2], lon[anchor], sd_lon[anchor], reach, cdf, guide)
            delta_lat[i] = truncated_normal(u[i, 3], lat[anchor], sd_lat[anchor], reach, cdf, guide)
        else:
            placed[i] = OPEN
            delta_lon[i] = 2.0 * half_deg * triangular(u[i, 2])
            delta_lat[i] = 2.0 * half_deg * triangular(u[i, 3])
