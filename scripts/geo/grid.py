"""The regular longitude/latitude grid that tiles the Earth.

Rows run from north to south, columns from west to east, and
``tile_id = row * ncols + col``. Cell areas are those of the WGS84 ellipsoid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from scripts.geo.grid_kernels import around

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]

WGS84_A_M = 6_378_137.0
WGS84_F = 1.0 / 298.257223563
WGS84_E2 = WGS84_F * (2.0 - WGS84_F)


class Bounds(NamedTuple):
    """Edges of cells, degrees; float64 arrays of one shape."""

    west_deg: F64
    south_deg: F64
    east_deg: F64
    north_deg: F64


def zone_area_m2(lat_deg: npt.ArrayLike) -> F64:
    """Area of the ellipsoid from the equator to each latitude, per radian of longitude.

    The integral that defines the authalic latitude (Snyder, "Map projections: a working manual",
    USGS PP 1395, 1987, eq. 3-12), times the squared semi-minor axis over two; negative in the
    south.
    """
    e = math.sqrt(WGS84_E2)
    s = np.sin(np.radians(lat_deg))
    q = s / (1.0 - WGS84_E2 * s * s) + np.arctanh(e * s) / e
    return 0.5 * WGS84_A_M**2 * (1.0 - WGS84_E2) * q


def polygon_area_m2(geometries: npt.NDArray[np.object_]) -> F64:
    """Ellipsoidal area of (multi)polygons whose edges are straight in longitude and latitude.

    Green's theorem with :func:`zone_area_m2` as the potential, each edge by Simpson's rule (the
    edges of a map are short enough for it to be exact to a part in 10**9). Holes are subtracted.

    Parameters
    ----------
    geometries
        Shape (n,), shapely polygons or multipolygons, degrees.

    Returns
    -------
    Shape (n,), square metres.
    """
    parts, part_of = shapely.get_parts(geometries, return_index=True)
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    xy, vertex_of = shapely.get_coordinates(rings, return_index=True)
    if not len(rings):
        return np.zeros(len(geometries))
    inside = vertex_of[1:] == vertex_of[:-1]
    lat = xy[:, 1]
    zone = zone_area_m2(lat)
    mean = (zone[1:] + zone[:-1] + 4.0 * zone_area_m2((lat[1:] + lat[:-1]) / 2.0)) / 6.0
    edge = np.where(inside, mean * np.radians(np.diff(xy[:, 0])), 0.0)
    area = np.abs(np.bincount(vertex_of[1:], weights=edge, minlength=len(rings)))
    is_hole = np.r_[False, ring_of[1:] == ring_of[:-1]]
    signed = np.where(is_hole, -area, area)
    total = np.bincount(part_of[ring_of], weights=signed, minlength=len(geometries))
    return total.astype(np.float64)


@dataclass(frozen=True)
class Grid:
    """Cells of ``resolution_arcmin`` minutes of arc, whose size divides 180 degrees.

    Raises
    ------
    ValueError
        When the resolution is not positive or does not divide 180 degrees.
    """

    resolution_arcmin: float

    def __post_init__(self) -> None:
        rows = 10_800.0 / self.resolution_arcmin if self.resolution_arcmin > 0 else 0.0
        if rows < 1.0 or rows != round(rows):
            raise ValueError(f"{self.resolution_arcmin} arc-minutes do not divide 180 degrees")

    @property
    def nrows(self) -> int:
        """Rows from pole to pole."""
        return round(10_800.0 / self.resolution_arcmin)

    @property
    def ncols(self) -> int:
        """Columns around the Earth."""
        return 2 * self.nrows

    @property
    def ntiles(self) -> int:
        """Cells of the whole grid; every ``tile_id`` is below it."""
        return self.nrows * self.ncols

    @property
    def cell_deg(self) -> float:
        """Height and width of a cell, degrees."""
        return 180.0 / self.nrows

    @cached_property
    def row_area_m2(self) -> F64:
        """Ellipsoidal area of one cell of each row, square metres; float64 (nrows,).

        Rounded to a thousandth, so that the last bit of a platform's sine reaches no file.
        """
        edges = zone_area_m2(self.lat_edge_deg(np.arange(self.nrows + 1)))
        return np.round(-np.diff(edges) * math.radians(self.cell_deg), 3)

    def tile_id(self, row: npt.ArrayLike, col: npt.ArrayLike) -> npt.NDArray[np.uint64]:
        """``row * ncols + col`` as uint64."""
        tile = np.asarray(row, dtype=np.int64) * self.ncols + np.asarray(col, dtype=np.int64)
        return tile.astype(np.uint64)

    def row_col(self, tile_id: npt.ArrayLike) -> tuple[I64, I64]:
        """Row and column of tiles, int64."""
        row, col = np.divmod(np.asarray(tile_id).astype(np.int64), self.ncols)
        return row, col

    def row_col_at(self, lon_deg: npt.ArrayLike, lat_deg: npt.ArrayLike) -> tuple[I64, I64]:
        """Row and column that hold each point; longitudes wrap, the poles fall in the end rows.

        A point on an edge belongs to the cell east and south of it.
        """
        cells_per_deg = self.nrows / 180.0
        col = np.floor((np.asarray(lon_deg, dtype=np.float64) + 180.0) * cells_per_deg)
        row = np.floor((90.0 - np.asarray(lat_deg, dtype=np.float64)) * cells_per_deg)
        return (
            np.clip(row, 0, self.nrows - 1).astype(np.int64),
            col.astype(np.int64) % self.ncols,
        )

    def tile_at(self, lon_deg: npt.ArrayLike, lat_deg: npt.ArrayLike) -> npt.NDArray[np.uint64]:
        """``tile_id`` of the cell that holds each point."""
        return self.tile_id(*self.row_col_at(lon_deg, lat_deg))

    def around(self, tile_id: npt.NDArray[np.integer], lon_deg: F64, lat_deg: F64) -> Int8:
        """Which of the nine cells about each tile holds a point; all of shape (n,).

        ``3 * (rows south + 1) + columns east + 1``, 4 for the tile itself, the short way round; -1
        for a point on none of them, off the Earth, or NaN.
        """
        out = np.empty(len(tile_id), dtype=np.int8)
        around(np.asarray(tile_id).astype(np.int64), lon_deg, lat_deg, self.nrows, out)
        return out

    def bounds(self, tile_id: npt.ArrayLike) -> Bounds:
        """Edges of tiles; neighbours share an edge to the bit."""
        row, col = self.row_col(tile_id)
        return Bounds(
            west_deg=self.lon_edge_deg(col),
            south_deg=self.lat_edge_deg(row + 1),
            east_deg=self.lon_edge_deg(col + 1),
            north_deg=self.lat_edge_deg(row),
        )

    def lon_edge_deg(self, col: npt.ArrayLike) -> F64:
        """Western edge of columns ``0..ncols``, degrees."""
        return np.asarray(col) * 180.0 / self.nrows - 180.0

    def lat_edge_deg(self, row: npt.ArrayLike) -> F64:
        """Northern edge of rows ``0..nrows``, degrees."""
        return 90.0 - np.asarray(row) * 180.0 / self.nrows

    def centre_deg(self, tile_id: npt.ArrayLike) -> tuple[F64, F64]:
        """Longitude and latitude of cell centres, degrees; off the Earth for a tile beyond it."""
        row, col = self.row_col(tile_id)
        return self.lon_edge_deg(col + 0.5), self.lat_edge_deg(row + 0.5)

    def cell_of(self, tile_id: npt.ArrayLike, coarse: Grid) -> I64:
        """Cell of another, coarser grid that holds each tile's centre."""
        row, col = self.row_col(tile_id)
        rows, cols = coarse.row_col_at(
            self.lon_edge_deg(np.arange(self.ncols) + 0.5),
            self.lat_edge_deg(np.arange(self.nrows) + 0.5),
        )
        cell: I64 = np.take(rows * coarse.ncols, row, mode="clip") + cols[col]
        return cell

    def cell_area_m2(self, tile_id: npt.ArrayLike) -> F64:
        """Ellipsoidal area of cells, square metres."""
        return self.row_area_m2[self.row_col(tile_id)[0]]
