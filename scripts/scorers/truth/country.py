"""All that is measured of one country: what the tests of a map are made from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.geo.metrics import FloatArray, IntArray, Sites
from scripts.geo.thinning import Rank, disjoint_maps
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


def measure_country(sites: Sites, rank: Rank, earth: Earth) -> CountryPart:
    """What one country has.

    Parameters
    ----------
    sites, rank
        All sites of one country, at least one, in any order, and their keyed ranks.
    earth
        What they are held against.
    """
    code = int(sites.country[0])
    cell, weight = earth.cells(code)
    spacing, ratios = Spacing.empty(), []
    maps = disjoint_maps(rank, int(earth.reference_sites[code]))
    for rows in maps:
        lon, lat = sites.lon[rows], sites.lat[rows]
        spacing += spacing_of(lon, lat, earth.grid)
        if len(rows) >= MIN_SITES:
            ratios.append(cell_variance(lon, lat, cell, weight))

    tiles, places = earth.tiles(code), earth.places(code)
    place_lon, place_lat = earth.place_lon_deg[places], earth.place_lat_deg[places]
    density = earth.people_per_km2(code)
    return CountryPart(
        code,
        len(sites),
        len(maps),
        len(maps[0]) if maps else 0,
        spacing,
        float(np.mean(ratios)) if ratios else math.nan,
        sites_at_places(sites.lon, sites.lat, place_lon, place_lat),
        sites_on_empty_land(sites.lon, sites.lat, earth.tile_id[tiles], density, earth.grid),
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
