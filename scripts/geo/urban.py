"""Land in or beside a city, by the land cover of the snapshot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from scripts.contracts import read_dataset
from scripts.geo.grid import Grid
from scripts.geo.metrics import FloatArray
from scripts.geo.snapshot import IGBP_URBAN

LAND_COVER_GRID = Grid(3.0)


def near_urban_mask(land_cover: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Cells that are urban or touch an urban cell, across the antimeridian too.

    Parameters
    ----------
    land_cover
        IGBP classes on :data:`LAND_COVER_GRID`, shape (3600, 7200), rows from north to south.
    """
    urban = land_cover == IGBP_URBAN
    wide = urban | np.roll(urban, 1, axis=1) | np.roll(urban, -1, axis=1)
    near: npt.NDArray[np.bool_] = wide.copy()
    near[1:] |= wide[:-1]
    near[:-1] |= wide[1:]
    return near


def read_near_urban(path: str | Path) -> npt.NDArray[np.bool_]:
    """:func:`near_urban_mask` as ``near_urban_cells`` lists it."""
    mask = np.zeros(LAND_COVER_GRID.ntiles, dtype=bool)
    mask[read_dataset("near_urban_cells", path).column("cell_id").to_numpy()] = True
    return mask.reshape(LAND_COVER_GRID.nrows, LAND_COVER_GRID.ncols)


def look_up(
    mask: npt.NDArray[np.bool_], lon_deg: FloatArray, lat_deg: FloatArray
) -> npt.NDArray[np.bool_]:
    """Value of a mask on :data:`LAND_COVER_GRID` at points."""
    row, col = LAND_COVER_GRID.row_col_at(lon_deg, lat_deg)
    return mask[row, col]


def near_urban_fraction(
    mask: npt.NDArray[np.bool_], grid: Grid, tile_id: npt.NDArray[np.uint64], samples: int = 3
) -> FloatArray:
    """Share of each tile that lies in the mask, by ``samples`` squared regular points; (n,)."""
    centre_lon, centre_lat = grid.centre_deg(tile_id)
    offsets = (np.arange(samples) + 0.5) / samples - 0.5
    total = np.zeros(len(tile_id))
    for d_lat in offsets * grid.cell_deg:
        for d_lon in offsets * grid.cell_deg:
            total += look_up(mask, centre_lon + d_lon, centre_lat + d_lat)
    return total / samples**2
