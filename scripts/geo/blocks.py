"""Blocks of a grid or of a list of tiles, so that memory stays near the size of the result."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

# The whole grid of 5 arc-minutes, and all its tiles, are one block.
CELLS_AT_ONCE = 1 << 24
TILES_AT_ONCE = 1 << 22


def line_blocks(lines: int, length: int) -> Iterator[slice]:
    """Slices of as many lines of a grid, each of ``length`` cells, as are worked on at once."""
    step = max(1, CELLS_AT_ONCE // length)
    return (slice(a, min(a + step, lines)) for a in range(0, lines, step))


def country_blocks(starts: npt.NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """Blocks of whole countries: as many tiles as are worked on at once, or one country.

    Parameters
    ----------
    starts
        First row of every country, and the row count at the end.

    Yields
    ------
    Countries and their rows.
    """
    first = 0
    while first < len(starts) - 1:
        last = int(np.searchsorted(starts, starts[first] + TILES_AT_ONCE, "right")) - 1
        last = max(last, first + 1)
        yield slice(first, last), slice(int(starts[first]), int(starts[last]))
        first = last
