"""The reference snapshot: what is in it, and how to read it.

Data files and a manifest, built by ``scripts/reference``. Loading needs pyarrow, numpy and
shapely only. ``ER..`` errors name the file and the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import shapely

from scripts import countries
from scripts.errors import ContractError, ReferenceSnapshotError
from scripts.records.ledger import Ledger
from scripts.tables import read_json, read_parquet

COUNTRIES = "countries.parquet"
FACTS = "country_facts.csv"
PLACES = "places.parquet"
LAND_COVER = "land_cover.parquet"
OUTLET_DENSITY = "outlet_density.csv"
OUTLET_STATISTICS = "outlet_statistics.csv"
OUTLET_SAMPLES = "outlet_samples.csv"
MANIFEST = "manifest.json"
OUTLET_FILES = (OUTLET_DENSITY, OUTLET_STATISTICS, OUTLET_SAMPLES)
DATA_FILES = (COUNTRIES, FACTS, PLACES, LAND_COVER, *OUTLET_FILES)

LAND_COVER_SHAPE = (3600, 7200)
IGBP_CLASSES = (
    "water",
    "evergreen_needleleaf_forest",
    "evergreen_broadleaf_forest",
    "deciduous_needleleaf_forest",
    "deciduous_broadleaf_forest",
    "mixed_forest",
    "closed_shrubland",
    "open_shrubland",
    "woody_savanna",
    "savanna",
    "grassland",
    "wetland",
    "cropland",
    "urban",
    "cropland_mosaic",
    "snow_ice",
    "barren",
)
IGBP_WATER = IGBP_CLASSES.index("water")
IGBP_URBAN = IGBP_CLASSES.index("urban")

MACRO_REGIONS = (
    "Africa",
    "Asia",
    "Europe",
    "North America",
    "South America",
    "Oceania",
    "Other",
)

FACTS_SCHEMA = pa.schema(
    [
        ("country_iso", pa.string()),
        ("alpha3", pa.string()),
        ("name", pa.string()),
        ("region", pa.string()),
        ("sub_region", pa.string()),
        ("intermediate_region", pa.string()),
        ("macro_region", pa.string()),
        ("population", pa.int64()),
        ("population_source", pa.string()),
        ("gdp_per_capita_usd", pa.float64()),
        ("land_area_km2", pa.float64()),
    ]
)
PLACES_SCHEMA = pa.schema(
    [
        ("geoname_id", pa.int64()),
        ("country_iso", pa.string()),
        ("name", pa.string()),
        ("lon_deg", pa.float64()),
        ("lat_deg", pa.float64()),
        ("population", pa.int64()),
        ("timezone", pa.string()),
    ]
)


@dataclass(frozen=True)
class Countries:
    """Land of every country, alphabetically.

    Attributes
    ----------
    code
        Shape (n,), int16 codes of :mod:`scripts.countries`, rising.
    geometry
        Shape (n,), shapely multipolygons, WGS84 degrees.
    """

    code: npt.NDArray[np.int16]
    geometry: npt.NDArray[np.object_]

    @property
    def iso(self) -> list[str]:
        """Two-letter codes."""
        return [countries.decode_one(int(code)) for code in self.code]


@dataclass(frozen=True)
class Places:
    """Populated places: codes of countries, degrees, persons; shape (p,)."""

    country: npt.NDArray[np.int16]
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    population: npt.NDArray[np.float64]

    def take(self, rows: npt.NDArray[Any]) -> Places:
        """The rows given, in that order."""
        return Places(self.country[rows], self.lon[rows], self.lat[rows], self.population[rows])


def _read(path: str | Path, columns: Sequence[str]) -> pa.Table:
    try:
        return read_parquet(path, columns)
    except ContractError as error:
        raise ReferenceSnapshotError("ER01", path, error.rule, error.remedy) from None


def _codes(path: str | Path, column: pa.ChunkedArray) -> npt.NDArray[np.int16]:
    try:
        return countries.encode(column)
    except KeyError as error:
        raise ReferenceSnapshotError(
            "ER02", path, f"country_iso {error.args[0]!r} is no country code", "two capital letters"
        ) from None


def load_countries(path: str | Path) -> Countries:
    """Read ``countries.parquet`` (GeoParquet).

    Raises
    ------
    ReferenceSnapshotError
        ``ER01`` unreadable, ``ER02`` not a country code, ``ER03`` out of order or twice, ``ER04``
        no geometry.
    """
    table = _read(path, ("country_iso", "geometry"))
    code = _codes(path, table.column("country_iso"))
    wrong = np.flatnonzero(np.diff(code) <= 0)
    if len(wrong):
        raise ReferenceSnapshotError(
            "ER03", path, f"row {wrong[0] + 1} is out of order", "rising, distinct country_iso"
        )
    try:
        geometry = shapely.from_wkb(table.column("geometry").to_numpy())
    except (shapely.errors.GEOSException, TypeError) as error:
        raise ReferenceSnapshotError("ER04", path, f"geometry: {error}", "WKB polygons") from None
    empty = np.flatnonzero(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    if len(empty):
        iso = countries.decode_one(int(code[empty[0]]))
        raise ReferenceSnapshotError(
            "ER04", path, f"{iso} has no land", "a polygon for every country"
        )
    return Countries(code, geometry)


def read_csv(path: str | Path, schema: pa.Schema, with_nulls: bool = False) -> pa.Table:
    """Columns of a CSV file of the snapshot; text is never null, 'NA' is Namibia.

    Parameters
    ----------
    with_nulls
        Whether a number may be missing.

    Raises
    ------
    ReferenceSnapshotError
        ``ER01`` unreadable, a column is missing, or a value is not of its type.
    """
    options = pa_csv.ConvertOptions(
        column_types=schema, strings_can_be_null=False, include_columns=schema.names
    )
    if not with_nulls:
        options.null_values = []
    try:
        return pa_csv.read_csv(path, convert_options=options)
    except (pa.ArrowException, OSError) as error:
        raise ReferenceSnapshotError(
            "ER01", path, str(error), "the file as build_reference writes it"
        ) from None


def load_facts(path: str | Path) -> pa.Table:
    """Read ``country_facts.csv`` into :data:`FACTS_SCHEMA`; nothing is null.

    Raises
    ------
    ReferenceSnapshotError
        ``ER01`` unreadable, ``ER02`` not a country code, ``ER03`` out of order or twice, ``ER05``
        a value outside its range.
    """
    table = read_csv(path, FACTS_SCHEMA)
    code = _codes(path, table.column("country_iso"))
    wrong = np.flatnonzero(np.diff(code) <= 0)
    if len(wrong):
        raise ReferenceSnapshotError(
            "ER03", path, f"row {wrong[0] + 1} is out of order", "rising, distinct country_iso"
        )
    unknown = pc.invert(pc.is_in(table.column("macro_region"), pa.array(MACRO_REGIONS)))
    rules = [(unknown, "macro_region", f"one of {', '.join(MACRO_REGIONS)}")]
    for name in ("population", "gdp_per_capita_usd", "land_area_km2"):
        column = table.column(name)
        bad = pc.or_(pc.less(column, 0), pc.invert(pc.is_finite(column)))
        rules.append((bad, name, "a number of zero or more"))
    for bad, name, remedy in rules:
        if pc.any(bad).as_py():
            row = pc.index(bad, True).as_py()
            value = table.column(name)[row].as_py()
            raise ReferenceSnapshotError("ER05", path, f"{name} row {row} is {value!r}", remedy)
    return table


def load_places(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read columns of ``places.parquet`` (:data:`PLACES_SCHEMA`).

    Rows are sorted by country, falling population and id.

    Raises
    ------
    ReferenceSnapshotError
        ``ER01`` unreadable or a column of another type.
    """
    names = list(columns) if columns is not None else PLACES_SCHEMA.names
    table = _read(path, names)
    for name in names:
        wanted, given = PLACES_SCHEMA.field(name).type, table.schema.field(name).type
        if given != wanted:
            raise ReferenceSnapshotError("ER01", path, f"{name} has type {given}", f"type {wanted}")
    return table


def read_places(path: str | Path) -> Places:
    """Populated places of ``places.parquet`` as arrays."""
    table = load_places(path, ("country_iso", "lon_deg", "lat_deg", "population"))
    return Places(
        _codes(path, table["country_iso"]),
        table["lon_deg"].to_numpy(),
        table["lat_deg"].to_numpy(),
        table["population"].to_numpy().astype(np.float64),
    )


def load_land_cover(path: str | Path) -> npt.NDArray[np.uint8]:
    """IGBP classes 0 to 16, shape (3600, 7200), rows from 90 N, columns from 180 W, 0.05 degrees.

    Raises
    ------
    ReferenceSnapshotError
        ``ER01`` unreadable, ``ER06`` another size or a class that is not IGBP's.
    """
    values: npt.NDArray[np.uint8] = _read(path, ("igbp",)).column("igbp").to_numpy()
    if values.size != LAND_COVER_SHAPE[0] * LAND_COVER_SHAPE[1] or values.dtype != np.uint8:
        raise ReferenceSnapshotError(
            "ER06", path, f"holds {values.size} values of {values.dtype}", "3600 x 7200 of uint8"
        )
    if values.max() >= len(IGBP_CLASSES):
        raise ReferenceSnapshotError("ER06", path, f"class {values.max()}", "classes 0 to 16")
    return values.reshape(LAND_COVER_SHAPE)


def differing_files(folder: str | Path, manifest: dict[str, Any]) -> list[str]:
    """Data files of a folder that are absent or not those of a manifest, in name order."""
    listed = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    return [change.file.name for change in Ledger(Path(folder), listed).changes()]


def verify_snapshot(folder: str | Path) -> dict[str, Any]:
    """Manifest of a snapshot whose files are all as it says.

    Raises
    ------
    ReferenceSnapshotError
        ``ER10`` naming the file whose digest differs.
    """
    manifest: dict[str, Any] = read_json(Path(folder) / MANIFEST)
    differing = differing_files(folder, manifest)
    if differing:
        raise ReferenceSnapshotError(
            "ER10",
            Path(folder) / differing[0],
            "is not the file of the manifest",
            "restore it, or rebuild the snapshot",
        )
    return manifest
