"""Open water of lakes that the country polygons still hold as land."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from scipy import ndimage

from scripts.geo.grid import Grid
from scripts.geo.snapshot import IGBP_WATER

_EIGHT = np.ones((3, 3), dtype=bool)


def open_water(land_cover: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Cells of inland water that have water on all eight sides.

    Inland is what is not connected to the largest water body, the ocean. A shore cell, of which a
    part is land, is never open water, so no town on a shore loses its ground.

    Parameters
    ----------
    land_cover
        IGBP classes, rows from north to south over the whole globe, shape (r, 2 r).

    Returns
    -------
    Same shape.
    """
    water = land_cover == IGBP_WATER
    body, _ = ndimage.label(water, structure=_EIGHT)
    size = np.bincount(body.ravel())
    size[0] = 0
    inland = water & (body != size.argmax())
    eroded: npt.NDArray[np.bool_] = ndimage.binary_erosion(inland, structure=_EIGHT)
    return eroded


def open_water_polygons(land_cover: npt.NDArray[np.uint8]) -> npt.NDArray[np.object_]:
    """Open water as rectangles, one a run of cells along a parallel, degrees."""
    grid = Grid(10_800.0 / land_cover.shape[0])
    edge = np.diff(np.pad(open_water(land_cover), ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, first = np.nonzero(edge == 1)
    _, last = np.nonzero(edge == -1)
    boxes: npt.NDArray[np.object_] = shapely.box(
        grid.lon_edge_deg(first),
        grid.lat_edge_deg(row + 1),
        grid.lon_edge_deg(last),
        grid.lat_edge_deg(row),
    )
    return boxes
