"""All that is measured of one country: what the tests of a map are made from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.geo.metrics import Codes, FloatArray, IntArray, Sites, country_counts
from scripts.geo.thinning import Rank, disjoint_maps
from scripts.ordering import run_starts
from scripts.scorers.truth.earth import CELL_GRID, Earth
from scripts.scorers.truth.ground import sites_at_places, sites_on_empty_land
from scripts.scorers.truth.spacing import Spacing, spacing_of, variance_ratio

MIN_SITES = 60


@dataclass(frozen=True)
class CountryPart:
    """One country of a map.

    Attributes
    ----------
    code, sites
        The country and its sites.
    maps, map_sites
        Thinned maps, and sites of each.
    spacing
        Counts of all its thinned maps.
    variance
        T4, the mean of its thinned maps; NaN with fewer than 60 sites a map.
    at_places, on_empty_land
        Sites within 1 km of a named place, and in tiles where nobody lives.
    """

    code: int
    sites: int
    maps: int
    map_sites: int
    spacing: Spacing
    variance: float
    at_places: int
    on_empty_land: int

    @property
    def iso(self) -> str:
        """Two letters."""
        return countries.decode_one(self.code)


@dataclass(frozen=True)
class Ground:
    """What the sites of a map stand on, by country code, shape (676,) each: ``sites``, those within
    1 km of a named place, and those in tiles where nobody lives.
    """

    sites: IntArray
    at_places: IntArray
    on_empty_land: IntArray

    def __add__(self, other: Ground) -> Ground:
        return Ground(
            *(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True))
        )


def ground_of(sites: Sites, earth: Earth) -> Ground:
    """What some sites of any countries stand on."""
    ground = Ground(country_counts(sites.country), *np.zeros((2, countries.CODES), dtype=np.int64))
    for code, rows in country_rows(sites.country):
        lon, lat = sites.lon[rows], sites.lat[rows]
        tiles, places = earth.tiles(code), earth.places(code)
        place_lon, place_lat = earth.place_lon_deg[places], earth.place_lat_deg[places]
        ground.at_places[code] = sites_at_places(lon, lat, place_lon, place_lat)
        ground.on_empty_land[code] = sites_on_empty_land(
            lon, lat, earth.tile_id[tiles], earth.people_per_km2(code), earth.grid
        )
    return ground


def country_rows(country: Codes) -> Iterator[tuple[int, IntArray]]:
    """Code and rows of every country in a column."""
    order = np.argsort(country, kind="stable")
    starts = run_starts(country[order])
    for first, end in itertools.pairwise(starts):
        yield int(country[order[first]]), order[first:end]


def measure_country(
    code: int, sites: Sites, rank: Rank, ground: Ground, earth: Earth
) -> CountryPart:
    """What one country has.

    Parameters
    ----------
    code
        The country.
    sites, rank
        Sites of it in any order, and their keyed ranks: all, or those of the lowest ranks that its
        thinned maps are made of.
    ground
        Of the whole map.
    earth
        What they are held against.
    """
    cell, weight = earth.cells(code)
    spacing, ratios = Spacing.empty(), []
    maps = disjoint_maps(rank, int(earth.reference_sites[code]))
    for rows in maps:
        lon, lat = sites.lon[rows], sites.lat[rows]
        spacing += spacing_of(lon, lat, earth.grid)
        if len(rows) >= MIN_SITES:
            ratios.append(cell_variance(lon, lat, cell, weight))
    return CountryPart(
        code,
        int(ground.sites[code]),
        len(maps),
        len(maps[0]) if maps else 0,
        spacing,
        float(np.mean(ratios)) if ratios else math.nan,
        int(ground.at_places[code]),
        int(ground.on_empty_land[code]),
    )


def cell_variance(
    lon_deg: FloatArray, lat_deg: FloatArray, cell: IntArray, weight: FloatArray
) -> float:
    """T4 of the sites of one country, shape (n,), on its one-degree cells, rising, shape (c,)."""
    if not len(cell):
        return math.nan
    at = CELL_GRID.tile_at(lon_deg, lat_deg).astype(np.int64)
    row = np.minimum(np.searchsorted(cell, at), len(cell) - 1)
    inside: npt.NDArray[np.bool_] = cell[row] == at
    count = np.bincount(row[inside], minlength=len(cell))
    return variance_ratio(count, weight, int((~inside).sum()))
