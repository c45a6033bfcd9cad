"""Compiled loops that :mod:`scripts.scorers.truth.spacing` calls."""

from typing import Any

from scripts.compiled import compiled


@compiled("void(i8[:, ::1], i8[::1])")
def join_pairs(pairs: Any, group: Any) -> None:
    """Give the points of each connected component one of them as ``group``; each begins as its own.

    Union-find with path halving (Tarjan and van Leeuwen, JACM 31, 1984).
    """
    for pair in range(len(pairs)):
        a, b = pairs[pair, 0], pairs[pair, 1]
        while group[a] != a:
            group[a] = group[group[a]]
            a = group[a]
        while group[b] != b:
            group[b] = group[group[b]]
            b = group[b]
        # The root of a group is its lowest point.
        group[max(a, b)] = min(a, b)
    for point in range(len(group)):
        group[point] = group[group[point]]
