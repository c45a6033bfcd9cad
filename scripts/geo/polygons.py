"""Points and country polygons: exact membership of many points, and sampling inside clipped cells.

Polygons are planar in longitude and latitude, degrees, and do not cross the antimeridian; a
country that does is a multipolygon cut there.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from scripts.countries import CODES
from scripts.geo.grid import Grid
from scripts.geo.snapshot import Countries
from scripts.ordering import rank_right

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Geometries = npt.NDArray[np.object_]

# By country code: a prepared polygon builds its index while it answers, and two callers break it.
POLYGON_LOCKS = tuple(threading.Lock() for _ in range(CODES))
# Where that many points of a country are asked for, blocks answer for those inside them.
_MANY_POINTS = 1 << 14
_BLOCKS_PER_DEG = 6
# By which a block is made larger, since its edges and the cells of points are rounded.
_MARGIN_DEG = 1e-9
_MARGIN_CELLS = 0.5
_FEW_VERTICES = 256
_LARGEST_WEIGHT = 2.0**36


def polygon_rows(polygons: Countries, country: npt.NDArray[np.integer]) -> I64:
    """Row of each country code; KeyError with the first code that has no polygon."""
    table = np.full(CODES, -1, dtype=np.int64)
    table[polygons.code] = np.arange(len(polygons.code))
    row: I64 = table[country]
    if (row < 0).any():
        raise KeyError(int(np.asarray(country)[row < 0][0]))
    return row


def contains_points(
    polygons: Countries, country: npt.NDArray[np.integer], lon: F64, lat: F64, workers: int = 1
) -> npt.NDArray[np.bool_]:
    """Whether each point lies in the interior of its country's polygon; safe to call in threads.

    Parameters
    ----------
    polygons
        Land of every country.
    country
        Codes, shape (n,), any order.
    lon, lat
        Degrees, on the Earth, shape (n,).
    workers
        Threads; the answer does not depend on it.

    Returns
    -------
    bool, shape (n,), by GEOS's robust orientation predicate on the whole, prepared polygon; of many
    points, on blocks that hold them first.

    Raises
    ------
    KeyError
        With the code of a country that has no polygon.
    """
    row = polygon_rows(polygons, country).astype(np.int16)
    order = np.argsort(row, kind="stable")
    edges = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=len(polygons.code)))))
    inside = np.empty(len(row), dtype=bool)

    def test(r: np.integer) -> None:
        points = order[edges[r] : edges[r + 1]]
        with POLYGON_LOCKS[polygons.code[r]]:
            shapely.prepare(polygons.geometry[r])
            inside[points] = _contains(polygons.geometry[r], lon[points], lat[points])

    busiest_first = np.argsort(-np.diff(edges), kind="stable")[: np.count_nonzero(np.diff(edges))]
    if workers > 1:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(test, busiest_first))
    else:
        for r in busiest_first:
            test(r)
    return inside


def _contains(geometry: shapely.Geometry, lon: F64, lat: F64) -> npt.NDArray[np.bool_]:
    """Whether points lie in the interior of a prepared polygon.

    Of many points those in blocks that lie wholly inside are not looked at one by one.
    """
    if len(lon) < _MANY_POINTS:
        answers: npt.NDArray[np.bool_] = shapely.contains_xy(geometry, lon, lat)
        return answers
    col = np.floor((lon + 180.0) * _BLOCKS_PER_DEG).astype(np.int64)
    row = np.floor((lat + 90.0) * _BLOCKS_PER_DEG).astype(np.int64)
    first_col, first_row, columns = col.min(), row.min(), int(np.ptp(col)) + 1
    block = (row - first_row) * columns + (col - first_col)
    whole = np.zeros(int(block.max()) + 1, dtype=bool)
    whole[block] = True
    used = np.flatnonzero(whole)
    west = (used % columns + first_col) / _BLOCKS_PER_DEG - 180.0
    south = (used // columns + first_row) / _BLOCKS_PER_DEG - 90.0
    side = 1.0 / _BLOCKS_PER_DEG + _MARGIN_DEG
    boxes = shapely.box(west - _MARGIN_DEG, south - _MARGIN_DEG, west + side, south + side)
    whole[used] = shapely.contains_properly(geometry, boxes)
    inside = whole[block]
    rest = np.flatnonzero(~inside)
    inside[rest] = shapely.contains_xy(geometry, lon[rest], lat[rest])
    return inside


def clip_to_cells(
    geometry: shapely.Geometry,
    tile_id: npt.ArrayLike,
    grid: Grid,
    pieces: dict[tuple[int, int, int], shapely.Geometry],
) -> Geometries:
    """The part of a polygon in each of many cells of a grid.

    On the way down a fixed quadtree over the grid the polygon is cut to padded blocks, so that the
    exact intersection of a cell sees few vertices. The way to a cell, and with it the last bit of
    its vertices, does not depend on which other cells are asked for.

    Parameters
    ----------
    geometry
        Valid (multi)polygon.
    tile_id
        Cells, shape (n,).
    grid
        Their grid.
    pieces
        What earlier calls for this polygon and grid cut it to, by level, row and column of a
        block; it grows, so that callers take turns.

    Returns
    -------
    Geometries of shape (n,), empty where a cell does not meet the polygon.
    """
    row, col = grid.row_col(tile_id)
    near = np.empty(len(row), dtype=object)
    pad = _MARGIN_CELLS * grid.cell_deg
    stack = [(geometry, (grid.ncols - 1).bit_length(), np.arange(len(row)))]
    while stack:
        piece, level, cells = stack.pop()
        if level == 0 or shapely.get_num_coordinates(piece) <= _FEW_VERTICES:
            # The fast clip may leave rings that touch themselves, on which nothing exact works.
            near[cells] = piece if shapely.is_valid(piece) else geometry
            continue
        level -= 1
        block = (row[cells] >> level << 32) | (col[cells] >> level)
        order = np.argsort(block, kind="stable")
        cells, block = cells[order], block[order]
        for members in np.split(cells, np.flatnonzero(np.diff(block)) + 1):
            at = level, int(row[members[0]] >> level), int(col[members[0]] >> level)
            if at not in pieces:
                top, left = at[1] << level, at[2] << level
                pieces[at] = shapely.clip_by_rect(
                    piece,
                    float(grid.lon_edge_deg(left)) - pad,
                    float(grid.lat_edge_deg(top + (1 << level))) - pad,
                    float(grid.lon_edge_deg(left + (1 << level))) + pad,
                    float(grid.lat_edge_deg(top)) + pad,
                )
            stack.append((pieces[at], level, members))
    west, south, east, north = grid.bounds(tile_id)
    cut: npt.NDArray[np.object_] = shapely.intersection(near, shapely.box(west, south, east, north))
    return cut


@dataclass(frozen=True)
class Triangles:
    """Triangulated polygons in compressed rows.

    Polygon i owns triangles ``start[i]:start[i + 1]``. ``corner`` has shape (t, 3, 2), degrees;
    ``cumulative`` is the running sum from 0 of areas as integers, 2**36 for the largest triangle
    of each polygon, shape (t + 1,): what a polygon gives does not depend on its neighbours here.
    """

    start: I64
    corner: F64
    cumulative: I64

    def sample(self, polygon: I64, u_triangle: F64, u_1: F64, u_2: F64) -> tuple[F64, F64]:
        """Uniform points of the given polygons from three uniforms each.

        A polygon without triangles gives NaN.
        """
        first, last = self.start[polygon], self.start[polygon + 1]
        full = last > first
        lon = np.full(len(polygon), np.nan)
        lat = np.full(len(polygon), np.nan)
        if not full.any():
            return lon, lat
        first, last = first[full], last[full]
        before = self.cumulative[first]
        total = self.cumulative[last] - before
        target = before + np.minimum((u_triangle[full] * total).astype(np.int64), total - 1)
        chosen = rank_right(self.cumulative, target) - 1
        a, b, c = np.moveaxis(self.corner[chosen], 1, 0)
        s, t = u_1[full], u_2[full]
        fold = s + t > 1.0
        s, t = np.where(fold, 1.0 - s, s), np.where(fold, 1.0 - t, t)
        lon[full] = a[:, 0] + s * (b[:, 0] - a[:, 0]) + t * (c[:, 0] - a[:, 0])
        lat[full] = a[:, 1] + s * (b[:, 1] - a[:, 1]) + t * (c[:, 1] - a[:, 1])
        return lon, lat


def join_triangles(a: Triangles, b: Triangles) -> Triangles:
    """The polygons of ``a`` followed by those of ``b``."""
    return Triangles(
        np.concatenate([a.start, b.start[1:] + a.start[-1]]),
        np.concatenate([a.corner, b.corner]),
        np.concatenate([a.cumulative, b.cumulative[1:] + a.cumulative[-1]]),
    )


def triangulate(polygons: Geometries) -> Triangles:
    """Constrained Delaunay triangles of polygons, holes and parts respected.

    Triangles are put into an order of their own coordinates, so that the result does not depend on
    the order in which the library emits them. Lines and points among the parts are dropped.
    """
    parts, owner = shapely.get_parts(polygons, return_index=True)
    nested = shapely.get_type_id(parts) == shapely.GeometryType.MULTIPOLYGON
    if nested.any():
        inner, outer = shapely.get_parts(parts[nested], return_index=True)
        parts = np.concatenate([parts[~nested], inner])
        owner = np.concatenate([owner[~nested], owner[nested][outer]])
    areal = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    meshes = shapely.constrained_delaunay_triangles(parts[areal])
    triangles, mesh = shapely.get_parts(meshes, return_index=True)
    owner = owner[areal][mesh]
    corner = shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3]
    by_corner = np.lexsort(
        (corner[:, :, 1].ravel(), corner[:, :, 0].ravel(), np.repeat(np.arange(len(corner)), 3))
    )
    corner = corner.reshape(-1, 2)[by_corner].reshape(-1, 3, 2)
    order = np.lexsort((*corner.reshape(-1, 6).T[::-1], owner))
    corner, owner = corner[order], owner[order]
    edge_1, edge_2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = 0.5 * np.abs(edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0])
    largest = np.zeros(len(polygons))
    np.maximum.at(largest, owner, area)
    share = area / np.where(largest > 0.0, largest, 1.0)[owner]
    weight = np.ceil(share * _LARGEST_WEIGHT).astype(np.int64)
    kept = weight > 0
    corner, owner, weight = corner[kept], owner[kept], weight[kept]
    start = np.searchsorted(owner, np.arange(len(polygons) + 1))
    return Triangles(start, corner, np.concatenate(([0], np.cumsum(weight))))
