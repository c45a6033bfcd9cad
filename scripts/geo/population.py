"""The modelled population surface: how many people live in each tile of each country.

No packaged global population raster is open and small enough to ship, so the surface is a model,
and is called one. For a country with total ``P`` (United Nations), places ``i`` with people ``g_i``
and ``G = sum(g_i)``:

places
    ``p_i = g_i * min(1, (1 - rural_share_floor) * P / G)``. Each place is spread over the tiles of
    its own country by a Gaussian of ``sigma_i = sigma_1m * (p_i / 1e6) ** exponent`` kilometres,
    cut at ``truncate`` sigmas and integrated over every tile, times the tile's affinity
    ``coverage * (open_land + (1 - open_land) * urban)``, and normalised to ``p_i``.
rural rest
    ``R = P - sum(p_i)`` goes to tiles in proportion to
    ``area * habitability * (floor + S) ** exponent``, where ``S`` is the density of people in
    places, smoothed over land by a Gaussian of ``range_km``.

``urban`` and ``habitability`` are shares and weights of IGBP land-cover classes over the land of
a tile. A city's area grows with its population to the power ``2 * exponent``; theory and data give
about 5/6 (Bettencourt, "The origins of scaling in cities", Science 340, 2013).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, special

from scripts.apportionment import largest_remainder
from scripts.geo.blocks import TILES_AT_ONCE, country_blocks, line_blocks
from scripts.geo.distance import KM_PER_DEG
from scripts.geo.grid import Grid
from scripts.geo.population_kernels import mean_over_cells
from scripts.geo.snapshot import IGBP_CLASSES, IGBP_URBAN, IGBP_WATER, Places
from scripts.ordering import run_starts

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

# Populations are published in thousandths, so that a platform's last bit reaches no file.
PERSON_PARTS = 1000.0
_PAIRS_AT_ONCE = 1 << 21
_LEAST_COSINE = 0.05


@dataclass(frozen=True)
class Tiles:
    """Rows of the tile index, sorted by country and tile.

    Attributes
    ----------
    country
        Shape (n,), country codes, rising.
    tile_id
        Shape (n,), rising within a country.
    coverage
        Shape (n,), covered fraction of the cell.
    area_m2
        Shape (n,), covered area.
    """

    country: npt.NDArray[np.int16]
    tile_id: npt.NDArray[np.uint64]
    coverage: F64
    area_m2: F64


@dataclass(frozen=True)
class Surface:
    """Persons per tile, and by country (rising codes) what the surface was made of."""

    population: F64
    country: npt.NDArray[np.int16]
    total: F64
    in_places: F64
    places_off_land: int


def _overlap(n_out: int, n_in: int) -> tuple[I64, F32]:
    """First of ``n_in`` equal intervals that each of ``n_out`` meets; shares of it and the next.

    Shapes (n_out,) and (n_out, most that one meets); shares of one sum to 1.
    """
    scale = n_in / n_out
    first = np.floor(np.arange(n_out) * scale).astype(np.int64)
    cell = first[:, None] + np.arange(int(np.ceil(scale)) + 1)
    low = np.maximum(cell, (np.arange(n_out) * scale)[:, None])
    high = np.minimum(cell + 1, (np.arange(1, n_out + 1) * scale)[:, None])
    share = np.maximum(high - low, 0.0) / scale
    share[(share <= 1e-12) | (cell >= n_in)] = 0.0
    return first, share.astype(np.float32)


def land_cover_of_cells(
    land_cover: npt.NDArray[np.uint8], grid: Grid, weight: F64, default: float
) -> F32:
    """Mean weight of the land-cover classes over the land of every grid cell.

    Parameters
    ----------
    land_cover
        IGBP classes of the whole Earth, any regular size.
    grid
        Cells to average over.
    weight
        Shape (17,), weight of each class; water does not count.
    default
        Value of cells that the land cover says are all water.

    Returns
    -------
    Shape (nrows, ncols), float32.
    """
    first_row, row_share = _overlap(grid.nrows, land_cover.shape[0])
    first_col, col_share = _overlap(grid.ncols, land_cover.shape[1])
    is_land = np.ones(len(IGBP_CLASSES))
    is_land[IGBP_WATER] = 0.0
    of_class = np.array([is_land, weight * is_land], dtype=np.float32)
    means = np.full((grid.nrows, grid.ncols), default, dtype=np.float32)
    for rows in line_blocks(grid.nrows, grid.ncols):
        land, mean = mean_over_cells(
            land_cover, of_class, first_row[rows], row_share[rows], first_col, col_share
        )
        np.divide(mean, land, out=means[rows], where=land > 1e-4)
    return means


def _ranges(counts: I64) -> I64:
    """``0..counts[0]-1, 0..counts[1]-1, ...`` in one array."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)


def _gaussian_share(low: F64, high: F64) -> F64:
    """Mass of the standard normal between two limits."""
    root2 = np.sqrt(2.0)
    mass: F64 = 0.5 * (special.erf(high / root2) - special.erf(low / root2))
    return mass


def kernel_pairs(
    places: Places, sigma_km: F64, truncate: float, grid: Grid
) -> Iterator[tuple[I64, I64, F64]]:
    """Cells within ``truncate`` sigmas of each place and the kernel's mass in them, in chunks.

    The kernel is integrated in a local plane, so its mass does not depend on the resolution.

    Yields
    ------
    Place number, cell (int64 tile_id) and mass, of whole places.
    """
    cosine = np.maximum(np.cos(np.radians(places.lat)), _LEAST_COSINE)
    reach_lat = truncate * sigma_km / KM_PER_DEG
    reach_lon = np.minimum(reach_lat / cosine, 179.0)
    per_deg = grid.nrows / 180.0
    top = np.maximum(np.floor((90.0 - places.lat - reach_lat) * per_deg), 0).astype(np.int64)
    end = np.ceil((90.0 - places.lat + reach_lat) * per_deg).astype(np.int64)
    n_row = np.minimum(end, grid.nrows) - top
    left = np.floor((places.lon - reach_lon + 180.0) * per_deg).astype(np.int64)
    right = np.ceil((places.lon + reach_lon + 180.0) * per_deg).astype(np.int64)
    n_col = right - left
    pairs = n_row * n_col
    chunk = np.cumsum(pairs) // _PAIRS_AT_ONCE
    for start, stop in pairwise(run_starts(chunk).tolist()):
        here = slice(start, stop)
        place = np.repeat(np.arange(start, stop), pairs[here])
        down, across = np.divmod(_ranges(pairs[here]), n_col[place])
        row, col = top[place] + down, left[place] + across
        y = (90.0 - (row + np.array([[0], [1]])) / per_deg - places.lat[place]) * KM_PER_DEG
        x = ((col + np.array([[0], [1]])) / per_deg - 180.0 - places.lon[place]) * KM_PER_DEG
        x *= cosine[place]
        limit = truncate * sigma_km[place]
        x = np.clip(x, -limit, limit) / sigma_km[place]
        y = np.clip(y, -limit, limit) / sigma_km[place]
        mass = _gaussian_share(x[0], x[1]) * _gaussian_share(y[1], y[0])
        yield place, row * grid.ncols + col % grid.ncols, mass


def spread_places(
    tiles: Tiles, places: Places, affinity: F64, policy: Mapping[str, Any], grid: Grid
) -> tuple[F64, int]:
    """Persons of the places, tile by tile, and the number of places that reach no tile.

    Parameters
    ----------
    affinity
        Shape (n,), how readily a tile takes people of a place near it.
    policy
        ``place_kernel`` of the policy.
    """
    sigma_km = np.clip(
        policy["sigma_km_at_1m"] * (places.population / 1e6) ** policy["size_exponent"],
        policy["sigma_min_km"],
        policy["sigma_max_km"],
    )
    key = tiles.country.astype(np.int64) * grid.ntiles + tiles.tile_id.astype(np.int64)
    people = np.zeros(len(key))
    lost = 0
    for place, cell, mass in kernel_pairs(places, sigma_km, policy["truncate_sigma"], grid):
        wanted = places.country[place].astype(np.int64) * grid.ntiles + cell
        row = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        weight = np.where(key[row] == wanted, mass * affinity[row], 0.0)
        first, lowest = place[0], row.min()
        total = np.bincount(place - first, weight)
        lost += int((total <= 0).sum())
        factor = np.divide(
            places.population[first : first + len(total)],
            total,
            out=np.zeros_like(total),
            where=total > 0,
        )
        given = np.bincount(row - lowest, weight * factor[place - first])
        people[lowest : lowest + len(given)] += given
    return people, lost


def smooth(field: F32, sigma_km: float, grid: Grid) -> F32:
    """Gaussian smoothing on the sphere of a field of amounts per cell.

    The filter is the product of one along meridians and one along parallels, the latter wider in
    degrees towards the poles; longitudes wrap, latitudes do not.

    Parameters
    ----------
    field
        Shape (nrows, ncols).

    Returns
    -------
    Shape (nrows, ncols), float32, never negative.
    """
    sigma_rows = sigma_km / KM_PER_DEG / grid.cell_deg
    padded = fft.next_fast_len(grid.nrows + int(np.ceil(4.0 * sigma_rows)), real=True)
    along = np.exp(-2.0 * (np.pi * sigma_rows * fft.rfftfreq(padded)) ** 2).astype(np.float32)
    out = np.empty((grid.nrows, grid.ncols), dtype=np.float32)
    for cols in line_blocks(grid.ncols, grid.nrows):
        spectrum = fft.rfft(field[:, cols], padded, axis=0) * along[:, None]
        out[:, cols] = fft.irfft(spectrum, padded, axis=0)[: grid.nrows]
    latitude = grid.lat_edge_deg(np.arange(grid.nrows) + 0.5)
    cosine = np.maximum(np.cos(np.radians(latitude)), _LEAST_COSINE)
    sigma_cols = sigma_rows / cosine
    frequency = fft.rfftfreq(grid.ncols)
    for rows in line_blocks(grid.nrows, grid.ncols):
        spectrum = fft.rfft(out[rows], axis=1)
        squared = (np.pi * sigma_cols[rows, None] * frequency) ** 2
        spectrum *= np.exp(-2.0 * squared).astype(np.float32)
        out[rows] = np.maximum(fft.irfft(spectrum, grid.ncols, axis=1), 0.0)
    return out


def rural_weight(
    tiles: Tiles,
    in_places: F64,
    habitability: F32 | F64,
    policy: Mapping[str, Any],
    grid: Grid,
) -> F64:
    """Weight of every tile for the rural rest, ``area * habitability * (floor + S) ** exponent``.

    Parameters
    ----------
    in_places
        Shape (n,), persons of places.
    habitability
        Shape (n,).
    policy
        ``rural`` of the policy.
    """
    cell = tiles.tile_id.astype(np.int64)
    shape = (grid.nrows, grid.ncols)

    def around(amount: F64) -> F32:
        field = np.bincount(cell, amount, grid.ntiles).astype(np.float32).reshape(shape)
        return smooth(field, policy["range_km"], grid).ravel()[cell]

    people, area_km2 = around(in_places), around(tiles.area_m2 / 1e6)
    weight = np.empty(len(cell))
    for start in range(0, len(cell), TILES_AT_ONCE):
        rows = slice(start, start + TILES_AT_ONCE)
        near = people[rows].astype(np.float64)
        near /= np.maximum(area_km2[rows].astype(np.float64), 1e-3)
        density = policy["density_floor_per_km2"] + near
        weight[rows] = tiles.area_m2[rows] * habitability[rows]
        weight[rows] *= density ** policy["density_exponent"]
    return weight


def rescale_places(
    places: Places, country: npt.NDArray[np.int16], total: F64, rural_share_floor: float
) -> Places:
    """Places of the listed countries that have people, scaled down where they hold too many.

    Parameters
    ----------
    country
        Shape (k,), rising codes.
    total
        Shape (k,), persons of each country.
    rural_share_floor
        Least share of a country's people outside places.
    """
    number = np.minimum(np.searchsorted(country, places.country), len(country) - 1)
    listed = country[number] == places.country
    in_places = np.bincount(number, places.population * listed, len(country))
    most = (1.0 - rural_share_floor) * total
    scale = np.divide(most, in_places, out=np.ones_like(most), where=in_places > 0)
    people = places.population * np.minimum(scale, 1.0)[number]
    keep = listed & (people > 0)
    return Places(places.country[keep], places.lon[keep], places.lat[keep], people[keep])


def population_surface(
    tiles: Tiles,
    totals: Mapping[int, float],
    places: Places,
    land_cover: npt.NDArray[np.uint8],
    grid: Grid,
    policy: Mapping[str, Any],
) -> Surface:
    """Persons of every tile; each country's tiles sum to its total.

    Parameters
    ----------
    tiles
        The tile index.
    totals
        Persons by country code.
    places
        Places on the land of their own countries.
    land_cover
        IGBP classes.
    policy
        The population policy.
    """
    starts = run_starts(tiles.country)[:-1]
    present = tiles.country[starts]
    total = np.array([totals[int(code)] for code in present], dtype=np.float64)

    kept = rescale_places(places, present, total, policy["rural_share_floor"])

    cell = tiles.tile_id.astype(np.int64)
    is_urban = np.zeros(len(IGBP_CLASSES))
    is_urban[IGBP_URBAN] = 1.0
    urban = land_cover_of_cells(land_cover, grid, is_urban, 0.0).ravel()[cell]
    kernel = policy["place_kernel"]
    open_land = kernel["open_land_affinity"]
    affinity = tiles.coverage * (open_land + (1.0 - open_land) * urban)
    people, lost = spread_places(tiles, kept, affinity, kernel, grid)
    del affinity, urban

    rural = policy["rural"]
    weights = np.array([0.0, *(rural["habitability"][name] for name in IGBP_CLASSES[1:])])
    default = rural["habitability"]["unmapped"]
    habitability = land_cover_of_cells(land_cover, grid, weights, default).ravel()[cell]
    del cell
    weight = rural_weight(tiles, people, habitability, rural, grid)
    in_places = np.empty(len(present))
    for countries, rows in country_blocks(np.append(starts, len(people))):
        group = np.searchsorted(present[countries], tiles.country[rows])
        count = countries.stop - countries.start
        some, share = people[rows], weight[rows]
        in_places[countries] = np.bincount(group, some, count)
        nothing = np.bincount(group, share, count) <= 0
        share = np.where(nothing[group], tiles.area_m2[rows], share)
        rest = np.maximum(total[countries] - in_places[countries], 0.0)
        rest /= np.bincount(group, share, count)
        people[rows] = settle(some + share * rest[group], group, total[countries])
    return Surface(people, present, total, in_places, lost)


def settle(people: F64, group: I64, total: F64) -> F64:
    """Thousandths of a person that sum to each country's total, by largest remainder.

    Parameters
    ----------
    people
        Shape (n,), persons per tile, summing to about ``total`` in each group.
    group
        Group of each row, sorted.
    total
        Persons of each group.

    Returns
    -------
    Shape (n,), never negative; ties go to the lower tile.
    """
    parts, _, _ = largest_remainder(
        people * PERSON_PARTS,
        group,
        np.rint(total * PERSON_PARTS).astype(np.int64),
        # What floating-point sums are off by is less than a part; noise must not break ties.
        decimals=6,
    )
    return parts / PERSON_PARTS
