"""A site in a second time zone of every country that has one and sites enough.

A map in proportion to people leaves Easter Island, the Galapagos or the Chatham Islands without an
outlet, since a tenth of a site is due there. They do have shops, and whoever uses the map relies on
their hours. So a country of at least ``min_sites`` sites gives one site of its fullest tile
to each of the most populous UTC offsets that it does not reach, until it reaches ``offsets``. An
offset is reached by a site on a tile that holds one of its places; the site that moves stands on
the tile of the offset's largest place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.geo.grid import Grid
from scripts.geo.time_zones import read_zoned_places
from scripts.ordering import run_starts

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ZoneTiles:
    """Tiles that hold places of a country of several UTC offsets, largest place first.

    ``utc_offset`` minutes east of UTC, ``tile_id``, ``population`` persons; shape (p,).
    """

    utc_offset: I64
    tile_id: npt.NDArray[np.uint64]
    population: npt.NDArray[np.float64]

    def offsets(self) -> list[int]:
        """UTC offsets, the most populous first."""
        distinct, row = np.unique(self.utc_offset, return_inverse=True)
        people = np.bincount(row, weights=self.population)
        return [int(distinct[i]) for i in np.lexsort((distinct, -people))]


@dataclass(frozen=True)
class ZoneFloor:
    """The floor of the policy and, by country code, where a second offset is."""

    offsets: int
    min_sites: int
    tiles: Mapping[int, ZoneTiles]

    def serve(self, country: int, units: I64, tile_id: npt.NDArray[np.uint64]) -> I64:
        """Units of a country with its floor met.

        Parameters
        ----------
        country
            Code of the country.
        units
            Positions on the country's curve, one a site, ascending.
        tile_id
            Tile of every position.

        Returns
        -------
        As many units, ascending.
        """
        zones = self.tiles.get(country)
        if zones is None or len(units) < self.min_sites:
            return units
        used = np.isin(zones.tile_id, tile_id[units])
        reached = set(zones.utc_offset[used].tolist())
        served = units.copy()
        for offset in zones.offsets():
            if len(reached) >= self.offsets:
                break
            there = zones.tile_id[zones.utc_offset == offset]
            known = there[np.isin(there, tile_id)]
            if offset in reached or not len(known):
                continue
            fullest = int(np.argmax(np.bincount(served)))
            served[np.searchsorted(served, fullest)] = int(np.argmax(tile_id == known[0]))
            served.sort()
            reached.add(offset)
        return served


def read_zone_floor(path: str | Path, grid: Grid, policy: Mapping[str, Any]) -> ZoneFloor:
    """The floor over the places of the snapshot."""
    places = read_zoned_places(path)
    tile = grid.tile_at(places.lon, places.lat)
    tiles = {}
    for a, b in pairwise(run_starts(places.country)):
        offset = places.utc_offset[a:b]
        if len(np.unique(offset)) > 1:
            zones = ZoneTiles(offset, tile[a:b], places.population[a:b])
            tiles[int(places.country[a])] = zones
    return ZoneFloor(policy["offsets"], policy["min_sites"], tiles)
