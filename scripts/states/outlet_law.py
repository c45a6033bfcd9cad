"""How outlets come about: the law ``outlets_v3`` that S4 allocates by.

The sites of a country are a cluster process over its people. Five things decide where they stand:

field
    The weight of a tile is that of S2 times ``exp(g)``: a log-Gaussian Cox field (Moller,
    Syversveen and Waagepetersen 1998) of incomes, rents and habits that a census of heads does not
    show. ``g`` sums two stationary normal fields, bilinear between nodes ``spacing_deg`` apart and
    keyed by node, so that borders do not interrupt them.
home
    Every merchant has a home in each of its countries, drawn by weight. One that enters a foreign
    country with at most ``entry.max_outlets`` outlets opens about the largest city with probability
    ``entry.share``: at one person, by weight, of the square that reaches D from the city's tile,
    ``P(D > r) = spread_km / (spread_km + r)``.
reach
    A merchant with n outlets in a country is national with probability
    ``few + (many - few) n / (n + half_way)`` and then draws each from the whole country. Any other
    keeps to its home. Its reach is
    ``R = km_per_outlet * n * sqrt(extent / 600 km) * sqrt(v / (1 - v))``, v uniform (log-logistic,
    standard deviation of log R 0.91), with the extent the square root of the country's settled
    area. The first outlet stands at home. Every other draws a distance D with
    ``P(D > r) = R / (R + r)``, and then one person of the disc of radius D about the home: the
    demand within the range of the good (Christaller 1933).
company
    An outlet without another of its country within ``company.km`` looks again, for at most
    ``rounds`` rounds: a first outlet in the whole country, any other about its home. Where demand
    does not carry two outlets of any kind it seldom carries one (Christaller's threshold). A world
    of more sites asks for more of them: one for each ``of_sites`` sites.
shape
    The outlets of a country are drawn again, up to ``draws`` times, while they lie on a line: until
    the ratio of their principal standard deviations is at most ``anisotropy_max``
    (rerandomisation, Morgan and Rubin 2012). It concerns a few long or scattered countries.

Windows of tiles are weighed by summed-area tables of integers (Crow 1984), in which a tile of a
window is found by two binary searches: a draw costs the same near a village and in a capital. The
window is the square about the disc; a point in a tile other than the home's that falls outside the
disc is drawn again.

Draws are keyed by (seed, namespace, merchant, country, outlet, attempt): another merchant changes
none of them. Only the four basic operations, square roots and tables touch them, so a plan is the
same to the bit on every machine. Distances are on the plane of the home's parallel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.errors import StateError
from scripts.geo.distance import ROUNDED_KM_PER_DEG
from scripts.geo.grid import Grid
from scripts.ordering import run_starts
from scripts.randomness import family_key, keyed_uniforms
from scripts.states import outlet_kernels as kernels
from scripts.states.time_zone_floor import ZoneFloor
from scripts.tabulated import exp, normal_quantile

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
Law = Mapping[str, Any]

EXTENT_REFERENCE_KM = 600.0
_EVERYWHERE_KM = 1e9
# Mean square distance from the centre below which outlets have no extent: that of a metre.
_POINT_KM2 = 1e-6
# Site 0 of a pair keys its home; attempt = redraw << 32 | round << 16 | attempt of the round.
_HOME = 0
_REDRAW = 32
_CHUNK = 1 << 15
# Of the weights of some countries, which summed-area tables add up.
_LARGEST_TOTAL = 2.0**62


@dataclass(frozen=True)
class Key:
    """What the draws of a run are keyed by beside their subject."""

    seed: int
    namespace: str

    def home(self, merchant: U64, country: I64, redraw: int, block: int) -> F64:
        """Four uniforms of the home of pairs."""
        attempt = redraw << _REDRAW
        return keyed_uniforms(self.seed, self.namespace, merchant, country, _HOME, attempt, block)

    @property
    def words(self) -> tuple[np.uint64, np.uint64]:
        """Key words for compiled loops."""
        seed, family = family_key(self.seed, self.namespace)
        return np.uint64(seed), np.uint64(family)


def lattice_normals(node: I64, seed: int, namespace: str) -> F64:
    """Standard normal values of lattice nodes, keyed by their index; four nodes share a block."""
    block, where = np.unique(node >> 2, return_inverse=True)
    u = keyed_uniforms(seed, namespace, block)
    return normal_quantile(u[where, node & 3])


class NormalField:
    """A stationary standard normal field at the centres of the tiles of a grid.

    Bilinear between lattice nodes, over the root of the sum of squared weights, so that the
    variance is one everywhere; it closes around the Earth. Nodes are drawn where tiles need them.

    Parameters
    ----------
    row, col
        Tiles that the field will be asked for, shape (n,).
    spacing_deg
        Distance of lattice nodes.

    Raises
    ------
    StateError
        ``E417`` a distance that is not a whole number of tiles or does not divide 180 degrees.
    """

    def __init__(
        self, row: I64, col: I64, grid: Grid, spacing_deg: float, seed: int, namespace: str
    ):
        step = round(spacing_deg / grid.cell_deg)
        if step < 1 or grid.nrows % step or abs(step * grid.cell_deg - spacing_deg) > 1e-9:
            raise StateError(
                "E417",
                "policy.s4.alloc_plan",
                f"key 'outlets.field': spacing_deg {spacing_deg} on tiles of {grid.cell_deg} deg",
                "a whole number of tiles",
            )
        across = grid.ncols // step
        used = np.zeros((grid.nrows // step, across), dtype=bool)
        of_row, of_col = np.arange(grid.nrows) // step, np.arange(grid.ncols) // step
        kernels.mark(row, col, of_row, of_col, used)
        nodes = np.zeros((len(used) + 1, across), dtype=bool)
        for rows in (slice(0, -1), slice(1, None)):
            nodes[rows] |= used
            nodes[rows] |= np.roll(used, 1, axis=1)
        needed = np.flatnonzero(nodes)
        # The last column repeats the first, so that every cell has its four corners.
        z = np.zeros((len(nodes), across + 1))
        z[needed // across, needed % across] = lattice_normals(needed, seed, namespace)
        z[:, -1] = z[:, 0]
        self._width = across + 1
        self._z = z.ravel()
        near = (np.arange(step) + 0.5) / step
        near = np.stack([1.0 - near, near]) / np.sqrt((1.0 - near) ** 2 + near * near)
        self._row, self._col = of_row * self._width, of_col
        self._near_row = np.ascontiguousarray(near[:, np.arange(grid.nrows) % step])
        self._near_col = np.ascontiguousarray(near[:, np.arange(grid.ncols) % step])

    def at(self, row: I64, col: I64) -> F64:
        """Values at tiles."""
        values = np.empty(len(row))
        kernels.fill_field(
            row,
            col,
            self._z,
            self._width,
            self._row,
            self._col,
            self._near_row,
            self._near_col,
            values,
        )
        return values


def field_weights(row: I64, col: I64, weight: I64, grid: Grid, law: Law, key: Key) -> I64:
    """Weights of tiles under the field, at least one (``E418`` where 64 bits do not hold them)."""
    fields = [
        (
            part["sd"],
            NormalField(
                row, col, grid, part["spacing_deg"], key.seed, f"{key.namespace}.field.{name}"
            ),
        )
        for name, part in law["field"].items()
        if part["sd"] > 0.0
    ]
    out, total = np.empty(len(weight), dtype=np.int64), 0.0
    for start in range(0, len(out), _CHUNK):
        some = slice(start, start + _CHUNK)
        g = np.zeros(len(out[some]))
        for sd, field in fields:
            g += sd * field.at(row[some], col[some])
        under_field = np.maximum(np.rint(weight[some] * exp(g)), 1.0)
        total += under_field.sum()
        if total >= _LARGEST_TOTAL:
            raise StateError(
                "E418",
                "policy.s4.alloc_plan",
                "key 'outlets.field': weights under the field overflow 64 bits",
                "a lower sd, or a lower dp in the policy of S2",
            )
        out[some] = under_field
    return out


@dataclass(frozen=True)
class Boxes:
    """Weights of countries as summed-area tables, one behind the other in one array.

    The box of country i holds ``height[i]`` rows and ``width[i] - 1`` columns of tiles from
    ``(row[i], col[i])`` eastward, across the antimeridian if need be. Entry ``(y, x)``, at
    ``start[i] + y * width[i] + x`` of ``sums``, is the weight of the tiles north of row y and west
    of column x of the box. ``extent_km`` is the square root of the settled area, ``km_lon`` the
    width of a tile on every row of the grid and ``km_lat`` its height.
    """

    grid: Grid
    code: I64
    start: I64
    row: I64
    col: I64
    height: I64
    width: I64
    extent_km: F64
    sums: I64
    km_lon: F64
    km_lat: float

    def __len__(self) -> int:
        return len(self.code)

    @property
    def layout(self) -> tuple[I64, I64, I64, I64, F64, float]:
        """Where boxes lie and how wide their tiles are, for compiled loops."""
        return self.start, self.row, self.height, self.width, self.km_lon, self.km_lat

    def cell(self, box: I64, y: I64, x: I64) -> I64:
        """Index of cells in arrays laid out like ``sums``."""
        return self.start[box] + y * self.width[box] + x

    def find(self, box: I64, tile_id: U64) -> tuple[I64, I64, Mask]:
        """Row and column of tiles in their boxes, and whether they have weight there."""
        row, col = self.grid.row_col(tile_id)
        y, x = row - self.row[box], (col - self.col[box]) % self.grid.ncols
        known = (y >= 0) & (y < self.height[box]) & (x < self.width[box] - 1)
        y, x = np.where(known, y, 0), np.where(known, x, 0)
        at, below = self.cell(box, y, x), self.cell(box, y + 1, x)
        held = self.sums[below + 1] - self.sums[at + 1] - self.sums[below] + self.sums[at]
        return y, x, known & (held > 0)

    def write_tiles(
        self, networks: Networks, network: I64, y: I64, x: I64, first: I64, tile_id: U64
    ) -> None:
        """Tiles of outlets into ``tile_id``, those of a network from its entry of ``first`` on."""
        kernels.write_tiles(
            self.row, self.col, self.grid.ncols, networks.box, network, y, x, first, tile_id
        )

    def tile(self, box: I64 | int, y: I64, x: I64) -> U64:
        """``tile_id`` of cells."""
        col = self.col[box] + x
        col -= self.grid.ncols * (col >= self.grid.ncols)
        return self.grid.tile_id(self.row[box] + y, col)


def make_boxes(code: npt.NDArray[np.integer], row: I64, col: I64, weight: I64, grid: Grid) -> Boxes:
    """Boxes of the tiles of some countries, sorted by country and tile; weights are positive."""
    starts = run_starts(code)
    first, end = starts[:-1].copy(), starts[1:].copy()
    west, columns = np.empty_like(first), np.empty_like(first)
    kernels.span_columns(first, end, col, np.zeros(grid.ncols, dtype=np.int64), west, columns)
    top, width = row[first], columns + 1
    height = row[end - 1] - top + 1
    size = (height + 1) * width
    start = np.cumsum(size) - size
    km_lat = ROUNDED_KM_PER_DEG * grid.cell_deg
    km_lon = km_lat * _parallel_cosines(grid)
    # In thousandths of a km2, so that the sum does not depend on its order.
    row_area = np.rint(km_lat * km_lon * 1e3).astype(np.int64)
    sums, area = np.zeros(int(size.sum()), dtype=np.int64), np.zeros_like(first)
    kernels.fill_boxes(
        first, end, row, col, weight, grid.ncols, west, start, width, row_area, sums, area
    )
    kernels.sum_areas(start, height, width, sums)
    return Boxes(
        grid,
        code[first].astype(np.int64),
        start,
        top,
        west,
        height,
        width,
        np.sqrt(area / 1e3),
        sums,
        km_lon,
        km_lat,
    )


def _parallel_cosines(grid: Grid) -> F64:
    """Cosine of the latitude of every row's centre, to nine decimals."""
    lat = grid.lat_edge_deg(np.arange(grid.nrows) + 0.5)
    return np.array([round(math.cos(math.radians(deg)), 9) for deg in lat.tolist()])


def draw_about(boxes: Boxes, box: I64, y: F64, x: F64, radius_km: F64, u: F64) -> tuple[I64, I64]:
    """One cell of the square about each disc, by weight.

    Parameters
    ----------
    box
        Box of each disc, shape (n,).
    y, x, radius_km
        Centres, in tiles from the box's corner, and radii; each square holds some weight.
    u
        Uniforms in (0, 1), shape (n,).
    """
    to_y, to_x = np.empty(len(box), dtype=np.int64), np.empty(len(box), dtype=np.int64)
    kernels.draw_about(
        *boxes.layout,
        boxes.sums,
        box,
        y,
        x,
        radius_km,
        u,
        to_y,
        to_x,
    )
    return to_y, to_x


@dataclass(frozen=True)
class Networks:
    """Merchants' networks in countries, shape (pairs,): what is to be placed.

    Sorted by ``box``, that of the country; ``merchant`` id, ``n_sites``, and whether the country is
    foreign (``abroad``) to the merchant.
    """

    box: I64
    merchant: U64
    n_sites: I64
    abroad: Mask

    def take(self, rows: I64) -> Networks:
        """Some of them."""
        return Networks(self.box[rows], self.merchant[rows], self.n_sites[rows], self.abroad[rows])

    @cached_property
    def outlets(self) -> tuple[I64, I64]:
        """Row of the network and number from 1 within it of every outlet."""
        network = np.empty(self.n_sites.sum(), dtype=np.int64)
        outlet = np.empty_like(network)
        kernels.number_outlets(self.n_sites, network, outlet)
        return network, outlet


@dataclass(frozen=True)
class Homes:
    """Where networks are at home and how far they reach, shape (pairs,).

    ``y`` and ``x`` are points in tiles from the box's corner, ``reach_km`` median distances.
    """

    y: F64
    x: F64
    reach_km: F64


def settle(
    boxes: Boxes, networks: Networks, largest_city: I64, law: Law, key: Key, redraw: int
) -> Homes:
    """Home and reach of every network.

    Parameters
    ----------
    largest_city
        Tile of the largest city of every box, -1 where there is none.
    law
        Block ``outlets`` of the S4 policy.
    """
    box, n = networks.box, networks.n_sites
    where = key.home(networks.merchant, boxes.code[box], redraw, 0)
    how = key.home(networks.merchant, boxes.code[box], redraw, 1)
    corner, everywhere = np.zeros(len(box)), np.full(len(box), _EVERYWHERE_KM)
    y, x = draw_about(boxes, box, corner, corner, everywhere, where[:, 0].copy())
    city = largest_city[box]
    city_y, city_x, known = boxes.find(box, np.maximum(city, 0).astype(np.uint64))
    entry = law["entry"]
    enters = networks.abroad & (n <= entry["max_outlets"]) & (where[:, 1] < entry["share"])
    some = np.flatnonzero(enters & known & (city >= 0))
    far_km = entry["spread_km"] * (how[some, 2] / (1.0 - how[some, 2]))
    from_y, from_x = (side[some].astype(np.float64) + 0.5 for side in (city_y, city_x))
    y[some], x[some] = draw_about(boxes, box[some], from_y, from_x, far_km, how[some, 3])
    spread = law["reach"]["km_per_outlet"] * np.sqrt(boxes.extent_km / EXTENT_REFERENCE_KM)
    reach_km = spread[box] * n * np.sqrt(how[:, 1] / (1.0 - how[:, 1]))
    share = law["national"]
    grown = n / (n + share["half_way"])
    national = how[:, 0] < share["few"] + (share["many"] - share["few"]) * grown
    return Homes(y + where[:, 2], x + where[:, 3], np.where(national, _EVERYWHERE_KM, reach_km))


def draw_countries(
    boxes: Boxes,
    networks: Networks,
    largest_city: I64,
    law: Law,
    key: Key,
    redraw: int,
    company: int,
) -> tuple[I64, I64]:
    """Cell (y, x) of every outlet of some whole countries, before their shape is looked at.

    ``company`` is the least number of others within ``company.km``.
    """
    homes = settle(boxes, networks, largest_city, law, key, redraw)
    network, outlet = networks.outlets
    box = networks.box[network]
    y, x = np.empty(len(network), dtype=np.int64), np.empty(len(network), dtype=np.int64)
    held = np.zeros(len(boxes.sums), dtype=np.int32)

    def place(rows: I64, round_: int) -> None:
        kernels.place(
            *boxes.layout,
            boxes.sums,
            boxes.code,
            networks.box,
            networks.merchant,
            homes.y,
            homes.x,
            homes.reach_km,
            network,
            outlet,
            rows,
            law["reach"]["max_attempts"],
            *key.words,
            redraw,
            round_,
            _EVERYWHERE_KM,
            y,
            x,
        )
        kernels.count(boxes.start, boxes.width, box, y, x, rows, held, 1)

    def without_company(rows: I64) -> I64:
        alone = lonely(boxes, box, y, x, rows, held, law["company"]["km"], company)
        return rows[alone]

    everyone = np.arange(len(network))
    place(everyone, 0)
    seeking = without_company(everyone)
    for round_ in range(1, law["company"]["rounds"] + 1):
        if not len(seeking):
            break
        # Whoever stays is not looked at again.
        kernels.count(boxes.start, boxes.width, box, y, x, seeking, held, -1)
        place(seeking, round_)
        seeking = without_company(seeking)
    return y, x


def lonely(
    boxes: Boxes,
    box: I64,
    y: I64,
    x: I64,
    rows: I64,
    held: npt.NDArray[np.int32],
    radius_km: float,
    company: int,
) -> Mask:
    """Which outlets have fewer than ``company`` others of their country within a distance.

    Distances are those of tile centres on the plane of the outlet's parallel.

    Parameters
    ----------
    box, y, x
        All outlets, shape (n,).
    rows
        Those that are asked for, shape (m,).
    held
        Outlets of every cell, laid out like ``boxes.sums``.

    Returns
    -------
    Shape (m,).
    """
    offsets = range(int(radius_km / boxes.km_lat) + 1)
    half_km = [math.sqrt(radius_km**2 - (offset * boxes.km_lat) ** 2) for offset in offsets]
    alone = np.empty(len(rows), dtype=bool)
    kernels.lonely(
        *boxes.layout,
        box,
        y,
        x,
        rows,
        held,
        np.zeros(len(held), dtype=np.int8),
        company,
        np.array(half_km),
        alone,
    )
    return alone


def least_company(law: Law, sites: int) -> int:
    """Others that an outlet looks for in a world of so many sites."""
    return max(1, round(sites / law["company"]["of_sites"]))


def anisotropy(boxes: Boxes, box: I64, y: I64, x: I64) -> F64:
    """Ratio of the principal standard deviations of the outlets of every box.

    On the sinusoidal plane about the mean column; 1 without extent, infinite on a line.
    """
    n = np.maximum(np.bincount(box, minlength=len(boxes)), 1)
    column = np.bincount(box, x, len(boxes)) / n
    middle, moments = np.zeros((2, len(boxes))), np.zeros((3, len(boxes)))
    kernels.second_moments(
        box, y, x, boxes.row, n, boxes.km_lon, boxes.km_lat, column, middle, moments
    )
    xx, yy, xy = moments / n
    half, off = (xx + yy) / 2.0, (xx - yy) / 2.0
    spread = np.sqrt(off * off + xy * xy)
    minor = half - spread
    line = minor <= 1e-9 * half
    ratio = np.sqrt((half + spread) / np.where(line, 1.0, minor))
    return np.where(half <= _POINT_KM2, 1.0, np.where(line, np.inf, ratio))


def meet_zone_floor(
    boxes: Boxes, networks: Networks, network: I64, y: I64, x: I64, floor: ZoneFloor
) -> None:
    """Move single outlets in place, so that countries reach a second time zone.

    Of the outlets on the tile that gives one, that of the largest network moves.
    """
    first = np.searchsorted(networks.box[network], np.arange(len(boxes) + 1))
    for country, zones in floor.tiles.items():
        box = int(np.searchsorted(boxes.code, country))
        if box == len(boxes) or boxes.code[box] != country:
            continue
        rows = slice(first[box], first[box + 1])
        if rows.start == rows.stop:
            continue
        there_y, there_x, usable = boxes.find(np.full(len(zones.tile_id), box), zones.tile_id)
        held = boxes.tile(box, y[rows], x[rows])
        for source, target in floor.moves(country, held, usable):
            givers = np.flatnonzero(held == source)
            giver = givers[np.argmax(networks.n_sites[network[rows][givers]])]
            place = int(np.argmax(zones.tile_id == target))
            y[rows][giver], x[rows][giver] = there_y[place], there_x[place]
            held[giver] = target


def allocate_outlets(
    boxes: Boxes,
    networks: Networks,
    largest_city: I64,
    floor: ZoneFloor,
    law: Law,
    key: Key,
    company: int,
) -> tuple[I64, I64, I64]:
    """Network and cell (y, x) of every outlet; see :func:`settle` for the parameters.

    ``floor`` is the floor for time zones, ``company`` that of :func:`least_company`.
    """
    shape = law["shape"]
    network, _ = networks.outlets
    y, x = draw_countries(boxes, networks, largest_city, law, key, 0, company)
    meet_zone_floor(boxes, networks, network, y, x, floor)
    box = networks.box[network]
    first = np.searchsorted(box, np.arange(len(boxes) + 1))
    judged = np.diff(first) >= shape["min_sites"]
    least = np.where(judged, anisotropy(boxes, box, y, x), 1.0)
    for redraw in range(1, shape["draws"]):
        long = least > shape["anisotropy_max"]
        again = np.flatnonzero(long[networks.box])
        if not len(again):
            break
        some = networks.take(again)
        own, _ = some.outlets
        new_y, new_x = draw_countries(boxes, some, largest_city, law, key, redraw, company)
        meet_zone_floor(boxes, some, own, new_y, new_x, floor)
        own_box = some.box[own]
        found = anisotropy(boxes, own_box, new_y, new_x)
        better = np.flatnonzero(long & (found < least))
        for b in better:
            there = slice(first[b], first[b + 1])
            drawn = slice(*np.searchsorted(own_box, (b, b + 1)))
            y[there], x[there] = new_y[drawn], new_x[drawn]
        least[better] = found[better]
    return network, y, x
