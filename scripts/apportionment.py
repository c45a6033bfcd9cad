"""Largest-remainder apportionment (Hamilton's method) of many groups at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


def largest_remainder(
    quota: F64, group: I64, totals: I64, decimals: int = 9
) -> tuple[I64, I64, I64]:
    """Integers next to ``quota`` that sum to each group's total.

    Every row gets the whole part of its quota; what is left of a group's total goes to its largest
    remainders, one each, ties to the earlier row (Balinski and Young, *Fair Representation*, 1982).

    Parameters
    ----------
    quota
        Non-negative, shape (n,), summing to about the total in each group.
    group
        Sorted group index 0..g-1 of each row, shape (n,); at most 2**20 groups.
    totals
        Sum wanted in each group, shape (g,).
    decimals
        Remainders that agree to so many decimals tie, so that rounding noise decides nothing.

    Returns
    -------
    Counts and, from 0, the rank of each row's remainder in its group, both shape (n,); and what
    was left of each group's total after the whole parts, shape (g,). A group sums exactly when
    what was left lies between 0 and its number of rows.
    """
    whole = np.floor(quota).astype(np.int64)
    remainder = np.round(quota - whole, decimals)
    order = np.argsort(group - remainder / 2.0, kind="stable")
    starts = np.searchsorted(group, np.arange(len(totals)))
    rank = np.empty(len(quota), dtype=np.int64)
    rank[order] = np.arange(len(quota)) - starts[group[order]]
    held = np.zeros(len(totals), dtype=np.int64)
    np.add.at(held, group, whole)
    left = totals - held
    return whole + (rank < left[group]), rank, left
