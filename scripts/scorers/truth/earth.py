"""What a map is held against: people and weights of tiles, places, and the reference density."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import read_dataset
from scripts.errors import ReferenceSnapshotError
from scripts.geo.distance import great_circle_m
from scripts.geo.grid import Grid
from scripts.geo.metrics import Codes, FloatArray, IntArray
from scripts.geo.snapshot import load_places, read_csv
from scripts.ordering import run_starts
from scripts.randomness import keyed_uniforms

CELL_GRID = Grid(60.0)
WIDTH_NAMESPACE = "scorers.truth.width"
WIDTH_PAIRS = 2048
DENSITY_SCHEMA = pa.schema([("country_iso", pa.string()), ("sites", pa.int64())])


@dataclass(frozen=True)
class Earth:
    """Tiles and places by country.

    Attributes
    ----------
    grid
        The tile grid.
    country, tile_id
        Tiles, shape (tiles,), int16 codes and uint64 ids, rising by both.
    area_m2, population, weight
        Land, persons, and the share of a country's sites that a tile should have (any scale within
        the country), shape (tiles,).
    place_country, place_lon_deg, place_lat_deg
        Named places, shape (places,), by rising country and falling population.
    reference_sites
        Sites of the reference density by country code, shape (676,).
    width_m
        Median distance of two people of a country by code, metres, shape (676,), as
        :func:`people_width_m` measures it.
    """

    grid: Grid
    country: Codes
    tile_id: npt.NDArray[np.uint64]
    area_m2: FloatArray
    population: FloatArray
    weight: FloatArray
    place_country: Codes
    place_lon_deg: FloatArray
    place_lat_deg: FloatArray
    reference_sites: IntArray
    width_m: FloatArray

    @cached_property
    def _tile_starts(self) -> IntArray:
        return _starts(self.country)

    @cached_property
    def _place_starts(self) -> IntArray:
        return _starts(self.place_country)

    def tiles(self, code: int) -> slice:
        """Rows of a country's tiles."""
        return slice(*self._tile_starts[code : code + 2].tolist())

    def places(self, code: int) -> slice:
        """Rows of a country's places, the most populous first."""
        return slice(*self._place_starts[code : code + 2].tolist())

    @cached_property
    def cities(self) -> tuple[FloatArray, FloatArray]:
        """Longitude and latitude of the largest place by country code, NaN without one, (676,)."""
        starts = self._place_starts
        code = np.flatnonzero(np.diff(starts))
        lon, lat = np.full((2, countries.CODES), math.nan)
        lon[code], lat[code] = self.place_lon_deg[starts[code]], self.place_lat_deg[starts[code]]
        return lon, lat

    def people_per_km2(self, code: int) -> FloatArray:
        """Density of people on the land of a country's tiles."""
        rows = self.tiles(code)
        return self.population[rows] / (self.area_m2[rows] / 1e6)

    @cached_property
    def _cells(self) -> tuple[IntArray, IntArray, FloatArray]:
        """First row of every country, cells and weights, by rising country and cell."""
        every = self.country * np.int64(CELL_GRID.ntiles)
        every += self.grid.cell_of(self.tile_id, CELL_GRID)
        # Tiles of a row of tiles stand side by side in a cell: few runs are left to be sorted.
        starts = run_starts(every)[:-1]
        key, group = np.unique(every[starts], return_inverse=True)
        held = np.add.reduceat(self.weight, starts) if len(starts) else self.weight
        weight = np.bincount(group, held, len(key)).astype(np.float64)
        country, cell = np.divmod(key, CELL_GRID.ntiles)
        return _starts(country.astype(np.int16)), cell, weight

    def cells(self, code: int) -> tuple[IntArray, FloatArray]:
        """One-degree cells of a country, rising, and the weight of the tiles in each."""
        starts, cell, weight = self._cells
        rows = slice(*starts[code : code + 2].tolist())
        return cell[rows], weight[rows]


def _starts(country: Codes) -> IntArray:
    """First row of every country code in a rising column, and the number of rows at the end."""
    return np.searchsorted(country, np.arange(countries.CODES + 1, dtype=np.int16))


def people_width_m(
    country: Codes, tile_id: npt.NDArray[np.uint64], population: FloatArray, grid: Grid
) -> FloatArray:
    """Median distance of two people of a country by code, metres, shape (676,).

    Both are drawn at random: a tile by its people and a point anywhere in the tile. The draws are
    keyed by the country alone, so every map is measured with the same ones. NaN for a country
    without people.

    Parameters
    ----------
    country, tile_id, population
        Tiles by rising country, shape (tiles,).
    grid
        The tile grid.
    """
    width = np.full(countries.CODES, math.nan)
    starts = _starts(country)
    ends = np.s_[:WIDTH_PAIRS], np.s_[WIDTH_PAIRS:]
    for code in np.unique(country):
        rows = slice(*starts[code : code + 2].tolist())
        running = np.cumsum(population[rows])
        if not running[-1] > 0.0:
            continue
        u = keyed_uniforms(0, WIDTH_NAMESPACE, 0, int(code), np.arange(2 * WIDTH_PAIRS))
        row = np.searchsorted(running, u[:, 0] * running[-1], side="right")
        edges = grid.bounds(tile_id[rows][np.minimum(row, len(running) - 1)])
        lon = edges.west_deg + u[:, 1] * (edges.east_deg - edges.west_deg)
        lat = edges.south_deg + u[:, 2] * (edges.north_deg - edges.south_deg)
        width[code] = np.median(great_circle_m(*(x[end] for end in ends for x in (lon, lat))))
    return width


def read_density(path: str | Path) -> IntArray:
    """Sites of the reference density by country code, shape (676,).

    Raises
    ------
    ReferenceSnapshotError
        ``ER01`` unreadable, ``ER02`` not a country code, ``ER05`` a negative number.
    """
    table = read_csv(path, DENSITY_SCHEMA)
    try:
        code = countries.encode(table["country_iso"])
    except KeyError as error:
        raise ReferenceSnapshotError(
            "ER02", path, f"country_iso {error.args[0]!r} is no country code", "two capital letters"
        ) from None
    sites = table["sites"].to_numpy()
    if len(sites) and sites.min() < 0:
        raise ReferenceSnapshotError(
            "ER05", path, "sites below zero", "a number of sites of zero or more"
        )
    return np.bincount(code, sites, countries.CODES).astype(np.int64)


def read_width(path: str | Path) -> FloatArray:
    """``people_width`` by country code, metres, shape (676,); NaN for a country without people."""
    table = read_dataset("people_width", path)
    width = np.full(countries.CODES, math.nan)
    width[countries.encode(table["country_iso"])] = table["width_m"].to_numpy()
    return width


def read_earth(
    tile_index: str | Path,
    tile_population: str | Path,
    tile_weights: str | Path,
    places: str | Path,
    density: str | Path,
    width: str | Path,
    grid: Grid,
) -> Earth:
    """The Earth of a run: tiles and people of S1, weights of S2, places of its snapshot."""
    index = read_dataset("tile_index", tile_index, ["country_iso", "tile_id", "area_m2"])
    people = read_dataset("tile_population", tile_population, ["population"])
    weights = read_dataset("tile_weights", tile_weights, ["weight_fp"])
    return earth_on_tiles(
        grid,
        countries.encode(index["country_iso"]),
        index["tile_id"].to_numpy(),
        index["area_m2"].to_numpy(),
        people["population"].to_numpy(),
        weights["weight_fp"].to_numpy().astype(np.float64),
        places,
        density,
        width,
    )


def earth_on_tiles(
    grid: Grid,
    country: Codes,
    tile_id: npt.NDArray[np.uint64],
    area_m2: FloatArray,
    population: FloatArray,
    weight: FloatArray,
    places: str | Path,
    density: str | Path,
    width: str | Path,
) -> Earth:
    """The Earth of tiles in memory, as :class:`Earth` has them, and of files for the rest."""
    named = load_places(places, ("country_iso", "lon_deg", "lat_deg"))
    return Earth(
        grid,
        country,
        tile_id,
        area_m2,
        population,
        weight,
        countries.encode(named["country_iso"]),
        named["lon_deg"].to_numpy(),
        named["lat_deg"].to_numpy(),
        read_density(density),
        read_width(width),
    )
