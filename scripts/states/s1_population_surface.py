"""S1: how many people live in each tile, by the model of :mod:`scripts.geo.population`.

The surface is modelled, not observed: United Nations totals by country, GeoNames places, MODIS land
cover. Every country's tiles sum to its total, and a country with people has people in a tile. Where
the configuration names a population raster, its people take the place of the modelled ones
(:mod:`scripts.states.raster_surface`).
"""

from typing import Any

import numpy as np
import pyarrow as pa

from scripts import countries
from scripts.contracts import read_dataset, write_dataset, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.geo.grid import Grid
from scripts.geo.population import Surface, Tiles, population_surface
from scripts.geo.snapshot import load_facts, load_land_cover, read_places
from scripts.policies import load_policy
from scripts.states.raster_surface import surface_of_raster


def read_tiles(path: str) -> tuple[pa.ChunkedArray, Tiles]:
    """Country column and arrays of the tile index."""
    table = read_dataset(
        "tile_index", path, ["country_iso", "tile_id", "coverage_fraction", "area_m2"]
    )
    return table["country_iso"], Tiles(
        country=countries.encode(table["country_iso"]),
        tile_id=table["tile_id"].to_numpy(),
        coverage=table["coverage_fraction"].to_numpy(),
        area_m2=table["area_m2"].to_numpy(),
    )


def read_totals(path: str, tiles: Tiles) -> dict[int, float]:
    """Persons by country code.

    Raises
    ------
    StateError
        ``E111`` when a country with tiles has no row, or one with people has no tiles.
    """
    facts = load_facts(path)
    code = countries.encode(facts["country_iso"])
    people = facts["population"].to_numpy()
    missing = np.setdiff1d(tiles.country, code)
    if len(missing):
        iso = countries.decode_one(int(missing[0]))
        raise StateError("E111", path, f"{iso} has tiles but no row", "a row for every country")
    homeless = np.setdiff1d(code[people > 0], tiles.country)
    if len(homeless):
        iso = countries.decode_one(int(homeless[0]))
        raise StateError("E111", path, f"{iso} has people but no tile", "tiles for every country")
    return dict(zip(code.tolist(), people.astype(np.float64).tolist(), strict=True))


def report_of(surface: Surface, places: int, identity: dict[str, str]) -> dict[str, Any]:
    """Run report: what the surface was made of."""
    with_people = surface.total > 0
    share = np.divide(
        surface.in_places, surface.total, out=np.zeros_like(surface.total), where=with_people
    )
    return {
        "state": "S1",
        "identity": identity,
        "counts": {
            "rows_emitted": len(surface.population),
            "countries_total": len(surface.country),
            "countries_with_people": int(with_people.sum()),
            "tiles_with_people": int((surface.population > 0).sum()),
            "places_total": places,
            "places_off_land": surface.places_off_land,
        },
        "population_total": float(surface.total.sum()),
        "population_in_places": round(float(surface.in_places.sum()), 3),
        "share_in_places": {
            countries.decode_one(int(code)): round(float(value), 6)
            for code, value, kept in zip(surface.country, share, with_people, strict=True)
            if kept
        },
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s1_population_surface``."""
    policy = load_policy(inputs.policy)
    grid = Grid(load_policy(inputs.tile_policy)["resolution_arcmin"])
    country_iso, tiles = read_tiles(inputs.tile_index)
    totals = read_totals(inputs.facts, tiles)
    places = read_places(inputs.places)
    land_cover = load_land_cover(inputs.land_cover)
    surface = population_surface(tiles, totals, places, land_cover, grid, policy)
    raster: dict[str, Any] = {}
    if inputs.raster_cells:
        cells = read_dataset("raster_population", inputs.raster_cells)
        surface, modelled = surface_of_raster(
            tiles,
            cells["tile_id"].to_numpy(),
            cells["population"].to_numpy(),
            surface,
            params.totals == "facts",
            params.uncovered == "refuse",
            params.raster,
        )
        held = float(cells["population"].to_numpy().sum())
        raster = {"raster": {"population": round(held, 3), "modelled_countries": modelled}}
    write_dataset(
        "tile_population",
        outputs.tile_population,
        pa.table(
            {
                "country_iso": country_iso,
                "tile_id": tiles.tile_id,
                "population": surface.population,
            }
        ),
    )
    identity = {"tiles_id": wildcards.tiles_id, "policy_version": policy["policy_version"]}
    write_object(
        "s1_population_report",
        outputs.report,
        {**report_of(surface, len(places.population), identity), **raster},
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
