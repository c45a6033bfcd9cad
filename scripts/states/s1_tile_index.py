"""S1: which tiles of the global grid each country has, and how much of each it covers.

The grid is regular in longitude and latitude (``resolution_arcmin``). ``coverage_fraction`` is the
exact share of the cell, in degrees, that the country's land covers (exactextract); it is 1 only
where no outline enters the cell. A tile belongs to a country when it is above zero (a few square
metres apart, which are noise): the smallest state has a tile, and a tile on a border belongs to
both sides. ``area_m2`` is the ellipsoidal area of the cell times the fraction.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from exactextract import exact_extract
from exactextract.feature import Feature, FeatureSource
from exactextract.raster import NumPyRasterSource

from scripts.contracts import write_dataset, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.geo.grid import Grid, polygon_area_m2
from scripts.geo.snapshot import Countries, load_countries
from scripts.policies import load_policy

# exactextract keeps fractions as float32; a smaller one (10 m2 at 5 arc-minutes) is no place.
LEAST_FRACTION = 1e-7
NOT_QUITE_ONE = 1.0 - 2.0**-24
# Fractions are shares in degrees; across a cell the width of a degree changes by up to 0.2 %.
AREA_TOLERANCE = 0.005


class _WkbFeature(Feature):  # type: ignore[misc]
    """One polygon for exactextract, and the place where its results land."""

    def __init__(self, wkb: bytes | None = None):
        super().__init__()
        self.wkb = wkb
        self.values: dict[str, Any] = {}

    def geometry(self) -> bytes | None:
        return self.wkb

    def set(self, name: str, value: Any) -> None:
        self.values[name] = value

    def get(self, name: str) -> Any:
        return self.values[name]

    def fields(self) -> list[str]:
        return list(self.values)


class _WkbSource(FeatureSource):  # type: ignore[misc]
    """Polygons by row number."""

    def __init__(self, geometry: np.ndarray):
        super().__init__()
        self.wkb = shapely.to_wkb(geometry)

    def count(self) -> int:
        return len(self.wkb)

    def srs_wkt(self) -> None:
        return None

    def __iter__(self) -> Iterator[_WkbFeature]:
        return (_WkbFeature(wkb) for wkb in self.wkb)


def cells_entered(geometry: shapely.Geometry, grid: Grid) -> np.ndarray:
    """Cells, as int64 tile ids, that hold a vertex of the outline in their interior."""
    lon, lat = shapely.get_coordinates(geometry).T
    row, col = grid.row_col_at(lon, lat)
    inside = (abs(lon) < 180.0) & (lon != grid.lon_edge_deg(col)) & (lat != grid.lat_edge_deg(row))
    return np.unique(row[inside] * grid.ncols + col[inside])


def covered_cells(
    geometry: np.ndarray, names: Sequence[str], grid: Grid
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells that each polygon covers.

    Parameters
    ----------
    geometry
        Shape (n,), valid polygons or multipolygons, degrees.
    names
        What to call each of them in an error.
    grid
        The grid.

    Returns
    -------
    Polygon number, tile_id (int64) and covered fraction in (0, 1], sorted by polygon and tile.

    Raises
    ------
    StateError
        ``E102`` when a polygon covers no cell.
    """
    empty = np.flatnonzero(shapely.is_empty(geometry))
    if len(empty):
        raise StateError(
            "E102",
            names[empty[0]],
            "covers no tile of the grid",
            "a polygon that covers a tile of the grid",
        )
    # Values are never looked at: one byte stands for the whole grid.
    blank = np.broadcast_to(np.zeros(1, dtype=np.int8), (grid.nrows, grid.ncols))
    raster = NumPyRasterSource(blank, xmin=-180, ymin=-90, xmax=180, ymax=90)
    found = exact_extract(raster, _WkbSource(geometry), ["cell_id", "coverage"])
    tiles, fractions = [], []
    for name, polygon, feature in zip(names, geometry, found, strict=True):
        tile = feature["properties"]["cell_id"]
        fraction = feature["properties"]["coverage"]
        real = fraction > LEAST_FRACTION
        if not real.any():
            real = fraction > 0.0
        if not real.any():
            raise StateError(
                "E102",
                name,
                "covers no tile of the grid",
                "a polygon that covers a tile of the grid",
            )
        order = np.argsort(tile[real], kind="stable")
        tile, fraction = tile[real][order], fraction[real][order]
        whole = np.flatnonzero(fraction >= 1.0)
        entered = np.isin(tile[whole], cells_entered(polygon, grid))
        fraction[whole] = np.where(entered, NOT_QUITE_ONE, 1.0)
        tiles.append(tile)
        fractions.append(fraction)
    number = np.repeat(np.arange(len(tiles)), [len(tile) for tile in tiles])
    return number, np.concatenate(tiles), np.concatenate(fractions)


def build_tile_index(countries: Countries, grid: Grid) -> pa.Table:
    """Tile index of all countries, sorted by country and tile.

    Returns
    -------
    Columns of dataset ``tile_index``: country_iso (dictionary of strings), tile_id uint64,
    coverage_fraction float64, area_m2 float64.

    Raises
    ------
    StateError
        ``E101`` when a polygon is not valid, ``E102`` when a country covers no cell.
    """
    invalid = np.flatnonzero(~shapely.is_valid(countries.geometry))
    if len(invalid):
        reason = shapely.is_valid_reason(countries.geometry[invalid[0]])
        raise StateError("E101", countries.iso[invalid[0]], reason, "a valid polygon")
    number, tile, fraction = covered_cells(countries.geometry, countries.iso, grid)
    names = pa.array(countries.iso, pa.string())
    return pa.table(
        {
            "country_iso": pa.DictionaryArray.from_arrays(number.astype(np.int32), names),
            "tile_id": tile.astype(np.uint64),
            "coverage_fraction": fraction,
            "area_m2": grid.cell_area_m2(tile) * fraction,
        }
    )


def land_area_check(countries: Countries, table: pa.Table) -> dict[str, dict[str, float]]:
    """Tiles, land area of the tiles and its relative error against the polygon, by country.

    Raises
    ------
    StateError
        ``E103`` when a country's tiles miss its area by more than half a percent.
    """
    number = table.column("country_iso").combine_chunks().indices.to_numpy()
    tiles = np.bincount(number, minlength=len(countries.code))
    tile_area = np.bincount(number, table.column("area_m2").to_numpy(), len(countries.code))
    land_area = polygon_area_m2(countries.geometry)
    error = tile_area / land_area - 1.0
    wrong = np.flatnonzero(np.abs(error) > AREA_TOLERANCE)
    if len(wrong):
        raise StateError(
            "E103",
            countries.iso[wrong[0]],
            f"tiles hold {tile_area[wrong[0]]:.0f} m2 of {land_area[wrong[0]]:.0f}",
            f"agreement within {AREA_TOLERANCE:.1%}",
        )
    return {
        iso: {
            "tiles": int(tiles[i]),
            "area_km2": round(float(tile_area[i]) / 1e6, 6),
            "area_error": round(float(error[i]), 9),
        }
        for i, iso in enumerate(countries.iso)
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s1_tile_index``."""
    policy = load_policy(inputs.policy)
    countries = load_countries(inputs.countries)
    grid = Grid(policy["resolution_arcmin"])
    table = build_tile_index(countries, grid)
    by_country = land_area_check(countries, table)
    write_dataset("tile_index", outputs.tile_index, table)
    write_object(
        "s1_run_report",
        outputs.report,
        {
            "state": "S1",
            "identity": {
                "tiles_id": wildcards.tiles_id,
                "policy_version": policy["policy_version"],
            },
            "counts": {"countries_total": len(by_country), "rows_emitted": table.num_rows},
            "grid": {
                "resolution_arcmin": policy["resolution_arcmin"],
                "nrows": grid.nrows,
                "ncols": grid.ncols,
            },
            "countries": by_country,
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
