"""The Earth of a reference snapshot alone, for maps that no run of this workflow made."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts import countries
from scripts.geo import snapshot
from scripts.geo.grid import Grid
from scripts.geo.population import Tiles, population_surface
from scripts.policies import load_policy
from scripts.scorers.truth.earth import Earth, people_width_m, read_density
from scripts.states.s1_population_surface import read_places, read_totals
from scripts.states.s1_tile_index import build_tile_index

POLICIES = Path(__file__).resolve().parents[3] / "config" / "layer1" / "1B" / "policy"


def snapshot_earth(folder: str | Path, policies: str | Path = POLICIES) -> Earth:
    """S1 of all countries, worked out in memory; tiles are weighted by their people.

    Parameters
    ----------
    folder
        The reference snapshot.
    policies
        Folder with ``policy.s1.tile_index.yaml`` and ``policy.s1.population.yaml``.
    """
    folder, policies = Path(folder), Path(policies)
    grid = Grid(load_policy(policies / "policy.s1.tile_index.yaml")["resolution_arcmin"])
    index = build_tile_index(snapshot.load_countries(folder / snapshot.COUNTRIES), grid)
    tiles = Tiles(
        country=countries.encode(index["country_iso"]),
        tile_id=index["tile_id"].to_numpy(),
        coverage=index["coverage_fraction"].to_numpy(),
        area_m2=index["area_m2"].to_numpy(),
    )
    places = read_places(str(folder / snapshot.PLACES))
    population = population_surface(
        tiles,
        read_totals(str(folder / snapshot.FACTS), tiles),
        places,
        snapshot.load_land_cover(folder / snapshot.LAND_COVER),
        grid,
        load_policy(policies / "policy.s1.population.yaml"),
    ).population
    return Earth(
        grid,
        tiles.country,
        tiles.tile_id,
        tiles.area_m2,
        population,
        population.astype(np.float64),
        places.country,
        places.lon,
        places.lat,
        read_density(folder / snapshot.OUTLET_DENSITY),
        people_width_m(tiles.country, tiles.tile_id, population, grid),
    )
