"""S1 of a whole reference snapshot, in memory."""

from __future__ import annotations

from pathlib import Path

from scripts import countries
from scripts.geo import snapshot
from scripts.geo.grid import Grid
from scripts.geo.population import Surface, Tiles, population_surface
from scripts.policies import load_policy
from scripts.states.s1_population_surface import read_totals
from scripts.states.s1_tile_index import build_tile_index


def surface_of(
    folder: Path, tile_policy: Path, policy: Path
) -> tuple[Grid, Tiles, snapshot.Places, Surface]:
    """Grid, tiles of all countries, places and people of a snapshot.

    Parameters
    ----------
    folder
        The reference snapshot.
    tile_policy, policy
        ``policy.s1.tile_index.yaml`` and ``policy.s1.population.yaml``.

    Raises
    ------
    SegmentError
        ``ER..`` of the snapshot, ``EC..`` of a policy, ``E1..`` of S1.
    """
    grid = Grid(load_policy(tile_policy)["resolution_arcmin"])
    index = build_tile_index(snapshot.load_countries(folder / snapshot.COUNTRIES), grid)
    tiles = Tiles(
        country=countries.encode(index["country_iso"]),
        tile_id=index["tile_id"].to_numpy(),
        coverage=index["coverage_fraction"].to_numpy(),
        area_m2=index["area_m2"].to_numpy(),
    )
    places = snapshot.read_places(str(folder / snapshot.PLACES))
    surface = population_surface(
        tiles,
        read_totals(str(folder / snapshot.FACTS), tiles),
        places,
        snapshot.load_land_cover(folder / snapshot.LAND_COVER),
        grid,
        load_policy(policy),
    )
    return grid, tiles, places, surface
