"""Where about its cell a site stands: the laws ``uniform_v1`` and ``towns_v3`` of S6.

A site has four uniforms per attempt: u_component, u_anchor, u_lon, u_lat. The first attempt's
u_component and u_anchor decide, once, whether a place draws the site and which one; every attempt's
u_lon and u_lat decide a position. A rejected position is drawn again, so the components keep their
shares whatever the coast looks like.

Components of ``towns_v3``

town
    A place of the site's country is chosen among those within ``radius_km`` of the cell, with
    probability proportional to population x (1 - d / radius), d being its distance to the cell
    (zero inside). The position is normal about the place with standard deviation
    ``clip(spread_km * (population / 100,000)**spread_exponent, spread_min_km, spread_max_km)``. It
    belongs to the town and not to the cell: it may fall on any of the eight cells about it, whose
    outer edge truncates it, each axis by inversion. A site whose cell has no place in reach is an
    open one.
open
    Away from places, a share ``open_share`` of the sites: triangular about the cell's centre, a
    cell wide to either side. It is a point of the cell moved by up to half a cell, so where cells
    side by side hold sites no edge between them shows.

A cell of which less than ``direct_below_coverage`` is covered, and any attempt from
``direct_after`` on, is *direct*: uniform in the country's part of the cell by triangulation
(triangle by u_anchor of that attempt, point by u_lon and u_lat). ``uniform_v1`` is uniform in the
cell.

Distances are in kilometres on the plane of the cell's central parallel. Only the four basic
operations, square roots and tables touch a draw, so a position is the same to the bit on every
machine (:mod:`scripts.tabulated`).
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.geo.distance import ROUNDED_KM_PER_DEG
from scripts.geo.grid import Grid
from scripts.geo.polygons import (
    POLYGON_LOCKS,
    Triangles,
    clip_to_cells,
    join_triangles,
    polygon_rows,
    triangulate,
)
from scripts.geo.snapshot import Countries, Places
from scripts.ordering import distinct
from scripts.states import jitter_kernels as kernels
from scripts.states.jitter_kernels import DIRECT, OPEN, TOWN, UNIFORM
from scripts.states.sites import Codes
from scripts.states.tiles import cell_keys, split_cell_keys
from scripts.tabulated import NORMAL_CDF, NORMAL_GUIDE

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]

COMPONENTS = ("uniform", "town", "open", "direct")
_REFERENCE_POPULATION = 100_000.0
_ANCHOR_CHUNK = 1 << 15


@dataclass(frozen=True)
class Cells:
    """Cells in use, ascending by country and tile; arrays of shape (c,), degrees.

    ``coverage`` is the fraction that the country covers; bit ``3 (dy + 1) + dx + 1`` of ``covered``
    says whether the cell dy rows south and dx columns east is wholly covered; ``half_deg`` is half
    the width of a cell.
    """

    grid: Grid
    country: Codes
    tile: I64
    lon: F64
    lat: F64
    coverage: F64
    covered: npt.NDArray[np.int16]
    half_deg: float

    def __len__(self) -> int:
        return len(self.tile)


def make_cells(key: I64, coverage: Callable[[I64], F64], grid: Grid) -> Cells:
    """Geometry of the cells with these keys; ``coverage`` gives covered fractions by rising key."""
    country, tile = split_cell_keys(key)
    row, col = grid.row_col(tile)
    around = []
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            line = np.clip(row + dy, 0, grid.nrows - 1)
            around.append(cell_keys(country, grid.tile_id(line, (col + dx) % grid.ncols)))
    # A tile beyond the grid is none of those around it.
    known = distinct(np.concatenate([key, *around]))
    fraction = coverage(known)
    covered = np.zeros(len(key), dtype=np.int16)
    for bit, keys in enumerate(around):
        covered |= (fraction[np.searchsorted(known, keys)] >= 1.0).astype(np.int16) << bit
    lon, lat = grid.centre_deg(tile)
    own = fraction[np.searchsorted(known, key)]
    return Cells(grid, country, tile, lon, lat, own, covered, 0.5 * grid.cell_deg)


@dataclass(frozen=True)
class Anchors:
    """Places in reach of cells, in compressed rows: cell i owns ``start[i]:start[i + 1]``.

    ``lon`` and ``lat`` are offsets from the cell's centre, ``sd_lon`` and ``sd_lat`` standard
    deviations, all degrees; ``cumulative`` is the running sum of integer weights from 0.
    """

    start: I64
    lon: F64
    lat: F64
    sd_lon: F64
    sd_lat: F64
    cumulative: I64


def km_per_deg_lon(lat_deg: F64) -> F64:
    """Kilometres of a degree of longitude on a parallel, rounded to a micrometre or so."""
    parallel, inverse = np.unique(lat_deg, return_inverse=True)
    cosine = [round(math.cos(math.radians(lat)), 9) for lat in parallel.tolist()]
    return (ROUNDED_KM_PER_DEG * np.array(cosine))[inverse]


def find_anchors(cells: Cells, places: Places, sd_km: F64, radius_km: float) -> Anchors:
    """Places of its own country within ``radius_km`` of each cell.

    Parameters
    ----------
    cells, places
        See the classes.
    sd_km
        Standard deviation of the sites of each place, shape (places,).
    radius_km
        Reach, measured from the nearest point of the cell.
    """
    place_tile = cells.grid.tile_at(places.lon, places.lat).astype(np.int64)
    by_tile = np.argsort(place_tile, kind="stable")
    place_tile = place_tile[by_tile]
    parts = [
        _anchors_of(
            np.arange(start, min(start + _ANCHOR_CHUNK, len(cells))),
            cells,
            places,
            sd_km,
            radius_km,
            place_tile,
            by_tile,
        )
        for start in range(0, max(len(cells), 1), _ANCHOR_CHUNK)
    ]
    owner, lon, lat, sd_lon, sd_lat, weight = map(np.concatenate, zip(*parts, strict=True))
    return Anchors(
        np.searchsorted(owner, np.arange(len(cells) + 1)),
        lon,
        lat,
        sd_lon,
        sd_lat,
        np.concatenate(([0], np.cumsum(weight))),
    )


def _anchors_of(
    rows: I64,
    cells: Cells,
    places: Places,
    sd_km: F64,
    radius_km: float,
    place_tile: I64,
    by_tile: I64,
) -> tuple[Any, ...]:
    """Candidate places of some cells: owner, offsets, standard deviations, weight."""
    grid = cells.grid
    km_lon = km_per_deg_lon(cells.lat[rows])
    row, col = grid.row_col(cells.tile[rows])
    rows_reach = int(radius_km / (ROUNDED_KM_PER_DEG * grid.cell_deg)) + 1
    cols_reach = np.minimum(
        np.floor(radius_km / (np.maximum(km_lon, 1e-6) * grid.cell_deg)) + 1, grid.ncols // 2 - 1
    ).astype(np.int64)
    # Runs of tiles of one row: [first, last] and, across the antimeridian, a second run.
    line = row[:, None] + np.arange(-rows_reach, rows_reach + 1)
    on_grid = (line >= 0) & (line < grid.nrows)
    base = line * grid.ncols
    west, east = (col - cols_reach)[:, None], (col + cols_reach)[:, None]
    first = np.stack(
        [base + np.maximum(west, 0), np.where(west < 0, base + west + grid.ncols, base)], axis=-1
    )
    last = np.stack(
        [
            base + np.minimum(east, grid.ncols - 1),
            np.where(west < 0, base + grid.ncols, base + np.maximum(east - grid.ncols + 1, 0)) - 1,
        ],
        axis=-1,
    )
    begin = np.searchsorted(place_tile, first.ravel(), side="left")
    end = np.searchsorted(place_tile, last.ravel(), side="right")
    length = np.where(np.repeat(on_grid.ravel(), 2), np.maximum(end - begin, 0), 0)
    per_cell = length.reshape(len(rows), 2 * line.shape[1]).sum(axis=1)
    offset = np.repeat(begin - (np.cumsum(length) - length), length)
    place = by_tile[np.arange(len(offset)) + offset]
    local = np.repeat(np.arange(len(rows)), per_cell)

    own = places.country[place] == cells.country[rows[local]]
    place, local = place[own], local[own]
    owner = rows[local]
    lon = places.lon[place] - cells.lon[owner]
    lon = lon - 360.0 * ((lon > 180.0).astype(np.float64) - (lon < -180.0))
    lat = places.lat[place] - cells.lat[owner]
    across = np.maximum(np.abs(lon) - cells.half_deg, 0.0) * km_lon[local]
    along = np.maximum(np.abs(lat) - cells.half_deg, 0.0) * ROUNDED_KM_PER_DEG
    distance = np.sqrt(across * across + along * along)
    near = distance < radius_km
    place, local, owner, lon, lat, distance = (
        x[near] for x in (place, local, owner, lon, lat, distance)
    )
    # Where cells are narrow a place in reach may lie beyond the eight about its cell.
    beyond = np.maximum(np.abs(lon) - 3.0 * cells.half_deg, 0.0)
    sd_lon = np.sqrt((sd_km[place] / km_lon[local]) ** 2 + beyond * beyond)
    pull = places.population[place] * (1.0 - distance / radius_km)
    weight = np.maximum(np.rint(pull), 1.0).astype(np.int64)
    return owner, lon, lat, sd_lon, sd_km[place] / ROUNDED_KM_PER_DEG, weight


def spread_km(population: F64, towns: Mapping[str, Any]) -> F64:
    """Standard deviation of the sites of a place; rounded to a millimetre."""
    grown = towns["spread_km"] * (population / _REFERENCE_POPULATION) ** towns["spread_exponent"]
    sd_km: F64 = np.round(np.clip(grown, towns["spread_min_km"], towns["spread_max_km"]), 6)
    return sd_km


class JitterLaw:
    """The law of a policy for a set of cells.

    Parameters
    ----------
    policy
        The S6 policy.
    cells
        Cells in use.
    places
        Populated places; ``uniform_v1`` does not look at them.
    polygons
        Country polygons, for direct cells.
    """

    def __init__(
        self, policy: Mapping[str, Any], cells: Cells, places: Places, polygons: Countries
    ):
        self.cells = cells
        self.direct_after = int(policy["direct_after"])
        self.direct_cell = cells.coverage < policy["direct_below_coverage"]
        self._polygons = polygons
        self._mesh_row = np.full(len(cells), -1, dtype=np.int64)
        self._mesh: Triangles | None = None
        self._pieces: defaultdict[int, dict[Any, Any]] = defaultdict(dict)
        self._mesh_lock = threading.Lock()
        self.towns = policy["towns"] if policy["mode"] == "towns_v3" else None
        self.anchors: Anchors | None = None
        if self.towns is not None:
            sd_km = spread_km(places.population, self.towns)
            self.anchors = find_anchors(cells, places, sd_km, self.towns["radius_km"])

    def component(self, u_component: F64) -> Int8:
        """Component of each site from its first attempt's draw."""
        if self.towns is None:
            return np.full(len(u_component), UNIFORM, dtype=np.int8)
        return np.where(u_component < self.towns["open_share"], OPEN, TOWN).astype(np.int8)

    def is_direct(self, cell: npt.NDArray[np.integer], attempt: Any) -> Mask:
        """Whether an attempt samples the clipped polygon."""
        direct: Mask = self.direct_cell[cell] | (np.asarray(attempt) >= self.direct_after)
        return direct

    def positions(
        self,
        cell: npt.NDArray[np.integer],
        component: Int8,
        u_anchor_first: F64,
        attempt: Any,
        u: F64,
    ) -> tuple[F64, F64, Int8]:
        """Positions of attempts.

        Parameters
        ----------
        cell
            Cell of each attempt's site, shape (n,).
        component, u_anchor_first
            Component and u_anchor of the site's first attempt, contiguous.
        attempt
            Ordinal of the attempt from zero; shape (n,) or one number.
        u
            u_component, u_anchor, u_lon, u_lat of this attempt; shape (n, 4).

        Returns
        -------
        Offsets from the cell centre in degrees (NaN where a direct cell's polygon has no area),
        and what placed the site, an index of ``COMPONENTS``.
        """
        half = self.cells.half_deg
        direct = self.is_direct(cell, attempt)
        placed = np.full(len(cell), UNIFORM, dtype=np.int8)
        if self.anchors is None:
            delta_lon, delta_lat = half * (2.0 * u[:, 2] - 1.0), half * (2.0 * u[:, 3] - 1.0)
        else:
            delta_lon, delta_lat = np.empty(len(cell)), np.empty(len(cell))
            kernels.place(
                cell.astype(np.int32, copy=False),
                component,
                u_anchor_first,
                direct,
                u,
                half,
                self.anchors.start,
                self.anchors.lon,
                self.anchors.lat,
                self.anchors.sd_lon,
                self.anchors.sd_lat,
                self.anchors.cumulative,
                NORMAL_CDF,
                NORMAL_GUIDE,
                delta_lon,
                delta_lat,
                placed,
            )
        rows = np.flatnonzero(direct)
        if len(rows):
            mesh, polygon = self._direct_mesh(cell[rows])
            lon, lat = mesh.sample(polygon, u[rows, 1], u[rows, 2], u[rows, 3])
            delta_lon[rows] = lon - self.cells.lon[cell[rows]]
            delta_lat[rows] = lat - self.cells.lat[cell[rows]]
            placed[rows] = DIRECT
        return delta_lon, delta_lat, placed

    def prepare(self, cell: npt.NDArray[np.integer]) -> None:
        """Cut direct cells out of their polygons together, where they are known beforehand."""
        if len(cell):
            self._direct_mesh(cell)

    def _direct_mesh(self, cell: npt.NDArray[np.integer]) -> tuple[Triangles, I64]:
        """Triangulated polygons of cells, made once per cell."""
        with self._mesh_lock:
            if self._mesh is None:
                ready = np.flatnonzero(self.direct_cell)
                self._mesh = triangulate(self._clipped(ready))
                self._mesh_row[ready] = np.arange(len(ready))
            missing = np.unique(cell[self._mesh_row[cell] < 0])
            if len(missing):
                self._mesh_row[missing] = len(self._mesh.start) - 1 + np.arange(len(missing))
                self._mesh = join_triangles(self._mesh, triangulate(self._clipped(missing)))
            return self._mesh, self._mesh_row[cell]

    def _clipped(self, cell: I64) -> npt.NDArray[np.object_]:
        """Polygons of cells within their country; ``cell`` ascending."""
        c = self.cells
        row = polygon_rows(self._polygons, c.country[cell])
        out = np.empty(len(cell), dtype=object)
        for r in np.unique(row):
            of = row == r
            polygon, pieces = self._polygons.geometry[r], self._pieces[int(r)]
            with POLYGON_LOCKS[self._polygons.code[r]]:
                out[of] = clip_to_cells(polygon, c.tile[cell[of]], c.grid, pieces)
        return out
