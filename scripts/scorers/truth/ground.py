"""What the sites stand on: T8 named places, T10 land where nobody lives."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from scripts.geo.distance import unit_vectors
from scripts.geo.grid import Grid
from scripts.geo.metrics import FloatArray
from scripts.scorers.truth.spacing import chord_of_m

PLACE_REACH_M = 1_000.0
EMPTY_BELOW_PER_KM2 = 1.0


def sites_at_places(
    lon_deg: FloatArray, lat_deg: FloatArray, place_lon_deg: FloatArray, place_lat_deg: FloatArray
) -> int:
    """How many sites of a country, shape (n,), are within 1 km of one of its places, shape (p,)."""
    if not len(lon_deg) or not len(place_lon_deg):
        return 0
    tree = cKDTree(unit_vectors(place_lon_deg, place_lat_deg))
    reach = chord_of_m(PLACE_REACH_M)
    # The tree takes neighbours below its bound only; a distance of exactly 1 km is within.
    chord, _ = tree.query(
        unit_vectors(lon_deg, lat_deg), distance_upper_bound=float(np.nextafter(reach, np.inf))
    )
    return int((chord <= reach).sum())


def sites_on_empty_land(
    lon_deg: FloatArray,
    lat_deg: FloatArray,
    tile_id: np.ndarray,
    people_per_km2: FloatArray,
    grid: Grid,
) -> int:
    """How many sites of a country stand in tiles of it with less than one person per km2.

    Parameters
    ----------
    lon_deg, lat_deg
        Sites, shape (n,).
    tile_id, people_per_km2
        Tiles of the country, rising, shape (t,). A site in none of them is on empty land.
    grid
        The grid of the tiles.
    """
    if not len(tile_id):
        return len(lon_deg)
    at = grid.tile_at(lon_deg, lat_deg)
    row = np.minimum(np.searchsorted(tile_id, at), len(tile_id) - 1)
    density = np.where(tile_id[row] == at, people_per_km2[row], 0.0)
    return int((density < EMPTY_BELOW_PER_KM2).sum())
