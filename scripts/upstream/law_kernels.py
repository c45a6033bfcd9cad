"""Compiled loops that :mod:`scripts.upstream.laws` calls."""

from typing import Any

from scripts.compiled import compiled


@compiled("void(i8[::1], f8[::1], i8[::1], i8[::1], b1[::1])")
def mark_largest(starts: Any, key: Any, tie: Any, k: Any, chosen: Any) -> None:
    """Mark the rows of each segment that fewer than ``k`` rows of it come before."""
    for segment in range(len(starts) - 1):
        rows = range(starts[segment], starts[segment + 1])
        for row in rows:
            before = 0
            for other in rows:
                equal = key[other] == key[row]
                before += key[other] > key[row] or (equal and tie[other] < tie[row])
            chosen[row] = before < k[row]
