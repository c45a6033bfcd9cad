"""Sorting of large integer arrays, faster than the general functions and with the same results."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def distinct(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Distinct values, rising; ``numpy.unique`` hashes, which is slow for millions of them."""
    ranked = np.sort(values)
    first = np.ones(len(ranked), dtype=bool)
    first[1:] = ranked[1:] != ranked[:-1]
    return ranked[first]


def is_among(table: npt.NDArray[Any], values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which values a rising table holds; ``numpy.isin`` hashes both, which is slow for millions."""
    if not len(table):
        return np.zeros(len(values), dtype=bool)
    at = np.searchsorted(table, values)
    held: npt.NDArray[np.bool_] = table[np.minimum(at, len(table) - 1)] == values
    return held


def in_order(*keys: npt.NDArray[Any]) -> npt.NDArray[np.int64] | slice:
    """Index of the rows in the order of the keys, the first one first; ties stay as they are.

    Rows that stand in that order are not sorted again: the index is a slice of all of them.
    """
    tied = np.ones(max(len(keys[0]) - 1, 0), dtype=bool)
    for key in keys:
        if (tied & (key[1:] < key[:-1])).any():
            return np.lexsort(keys[::-1])
        tied &= key[1:] == key[:-1]
    return slice(None)


def rank_right(table: npt.NDArray[Any], values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """``numpy.searchsorted(table, values, side="right")`` for many values in no order.

    Looked up in rising order they find the table in the cache: nine times faster for a table of
    millions.
    """
    order = np.argsort(values)
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.searchsorted(table, values[order], side="right")
    return rank


def run_starts(*keys: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """First row of every run of rows with equal keys, and the row count at the end."""
    if not len(keys[0]):
        return np.zeros(1, dtype=np.int64)
    # Bounds of runs: before the first row, where a key changes, behind the last.
    bound = np.zeros(len(keys[0]) + 1, dtype=bool)
    bound[[0, -1]] = True
    for key in keys:
        bound[1:-1] |= key[1:] != key[:-1]
    return np.flatnonzero(bound)
