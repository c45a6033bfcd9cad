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
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.geo.time_zones import ZonedPlaces
from scripts.ordering import run_starts

I64 = npt.NDArray[np.int64]
Tiles = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ZoneTiles:
    """Tiles that hold places of a country of several UTC offsets, largest place first.

    ``utc_offset`` minutes east of UTC, ``tile_id``, ``population`` persons; shape (p,).
    """

    utc_offset: I64
    tile_id: Tiles
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

    def moves(self, country: int, held: Tiles, usable: Mask) -> list[tuple[int, int]]:
        """Moves that meet the floor of a country: from which of its tiles to which.

        Parameters
        ----------
        country
            Code of a country of ``tiles``.
        held
            Tile of every site, shape (n,).
        usable
            Which tiles of its places may hold sites, shape (p,).
        """
        if len(held) < self.min_sites:
            return []
        zones = self.tiles[country]
        used, sites = np.unique(held, return_counts=True)
        reached = set(zones.utc_offset[np.isin(zones.tile_id, used)].tolist())
        made = []
        for offset in zones.offsets():
            there = zones.tile_id[(zones.utc_offset == offset) & usable]
            if len(reached) >= self.offsets:
                break
            if offset in reached or not len(there):
                continue
            fullest = int(np.argmax(sites))
            sites[fullest] -= 1
            made.append((int(used[fullest]), int(there[0])))
            reached.add(offset)
        return made


def zone_floor(places: ZonedPlaces, tile: Tiles, policy: Mapping[str, Any]) -> ZoneFloor:
    """The floor over places by country and falling population, ``tile`` of each."""
    tiles = {}
    for a, b in pairwise(run_starts(places.country)):
        offset = places.utc_offset[a:b]
        if len(np.unique(offset)) > 1:
            zones = ZoneTiles(offset, tile[a:b], places.population[a:b])
            tiles[int(places.country[a])] = zones
    return ZoneFloor(policy["offsets"], policy["min_sites"], tiles)
