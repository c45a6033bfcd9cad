"""The population surface of a user's raster: persons of grid cells as persons of tiles.

A cell on a border gives its people to its countries by their covered area in it. Countries that the
raster does not reach keep the modelled surface, or stop the run, as the configuration says.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.errors import StateError
from scripts.geo.population import PERSON_PARTS, Surface, Tiles, settle

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


def persons_of_tiles(tiles: Tiles, cell_id: npt.NDArray[np.uint64], persons: F64) -> F64:
    """Persons of each tile: those of its cell, by its share of the cell's covered area.

    Parameters
    ----------
    tiles
        The tile index.
    cell_id
        Shape (c,), rising cells that have people.
    persons
        Shape (c,).

    Returns
    -------
    Shape (tiles,); people of cells that no country has a tile in are in none.
    """
    at = np.minimum(np.searchsorted(cell_id, tiles.tile_id), len(cell_id) - 1)
    hit = cell_id[at] == tiles.tile_id
    covered = np.bincount(at[hit], tiles.area_m2[hit], len(cell_id))
    found = np.zeros(len(tiles.tile_id))
    found[hit] = persons[at[hit]] * tiles.area_m2[hit] / covered[at[hit]]
    return found


def surface_of_raster(
    tiles: Tiles,
    cell_id: npt.NDArray[np.uint64],
    persons: F64,
    modelled: Surface,
    keep_totals: bool,
    refuse_uncovered: bool,
    where: object,
) -> tuple[Surface, list[str]]:
    """Surface of the raster, and the countries that keep the modelled one.

    Parameters
    ----------
    tiles
        The tile index.
    cell_id, persons
        People of grid cells, from :func:`scripts.own_inputs.raster.sum_to_cells`.
    modelled
        The modelled surface of the same tiles.
    keep_totals
        True scales each country to the total of ``country_facts.csv``; false keeps the raster's.
        A country that the facts call uninhabited stays so either way.
    refuse_uncovered
        Whether a country with people that the raster does not reach stops the run.

    Raises
    ------
    StateError
        ``E115`` when the raster reaches no country, ``E116`` when it does not reach one with
        people and ``refuse_uncovered`` holds.
    """
    group = np.searchsorted(modelled.country, tiles.country)
    people = persons_of_tiles(tiles, cell_id, persons)
    held = np.bincount(group, people, len(modelled.country))
    populated = modelled.total > 0
    covered = (held > 0.5 / PERSON_PARTS) & populated
    if not covered.any():
        raise StateError(
            "E115", where, "has nobody on the land of any country", "a raster over the land"
        )
    left = np.flatnonzero(populated & ~covered)
    names = [countries.decode_one(int(code)) for code in modelled.country[left]]
    if names and refuse_uncovered:
        raise StateError(
            "E116",
            where,
            f"has nobody in {names[0]} ({len(names)} such countries)",
            "a raster of all countries, polygons of those it has, or population.uncovered: model",
        )
    total = np.where(covered & ~np.bool_(keep_totals), held, modelled.total)
    scale = np.divide(total, held, out=np.zeros_like(total), where=covered)
    mixed = np.where(covered[group], people * scale[group], modelled.population)
    settled = settle(mixed, group, total)
    in_places = np.where(covered, 0.0, modelled.in_places)
    total = np.rint(total * PERSON_PARTS) / PERSON_PARTS
    return Surface(settled, modelled.country, total, in_places, modelled.places_off_land), names
