"""The Earth of a reference snapshot alone, for maps that no run of this workflow made."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.geo.snapshot import OUTLET_DENSITY
from scripts.reference.surface import surface_of
from scripts.scorers.truth.earth import Earth, people_width_m, read_density

POLICIES = Path(__file__).resolve().parents[3] / "config" / "layer1" / "1B" / "policy"


def snapshot_earth(folder: str | Path) -> Earth:
    """Earth of a reference snapshot under the shipped policies of S1; tiles weigh their people."""
    folder = Path(folder)
    grid, tiles, places, surface = surface_of(
        folder, POLICIES / "policy.s1.tile_index.yaml", POLICIES / "policy.s1.population.yaml"
    )
    population = surface.population
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
        read_density(folder / OUTLET_DENSITY),
        people_width_m(tiles.country, tiles.tile_id, population, grid),
    )
