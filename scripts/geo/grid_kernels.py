"""Points and cells of a grid, row by row: a compiled loop that :mod:`scripts.geo.grid` calls."""

from typing import Any

import numpy as np

from scripts.compiled import compiled


# The columns of a table can only be read.
@compiled(
    "void(i8[::1], Array(f8, 1, 'C', readonly=True), Array(f8, 1, 'C', readonly=True), i8, i1[::1])"
)
def around(tile: Any, lon: Any, lat: Any, nrows: Any, out: Any) -> None:
    """Which of the nine cells about each tile holds a point, into ``out``; -1 where none does."""
    ncols = 2 * nrows
    cells_per_deg = nrows / 180.0
    for i in range(len(tile)):
        out[i] = -1
        # Not so for NaN.
        if abs(lon[i]) <= 360.0 and abs(lat[i]) <= 90.0:
            row = min(np.int64(np.floor((90.0 - lat[i]) * cells_per_deg)), nrows - 1)
            col = np.int64(np.floor((lon[i] + 180.0) * cells_per_deg))
            south = row - tile[i] // ncols
            east = (col - tile[i] % ncols + nrows) % ncols - nrows
            if -1 <= south <= 1 and -1 <= east <= 1:
                out[i] = 3 * (south + 1) + east + 1
