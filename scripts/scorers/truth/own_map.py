"""Reading a map that this workflow did not make: a table of outlets as CSV, Parquet or GeoParquet.

Needed are the merchant, the country and the position of every outlet. A site without a merchant
(null, empty, or no such column) counts as a merchant of its own with one outlet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import shapely

from scripts import countries
from scripts.errors import ScoreError
from scripts.geo.distance import on_earth
from scripts.geo.metrics import FloatArray, Sites
from scripts.ordering import run_starts
from scripts.tables import require_text

USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "merchant": ("merchant_id", "merchant", "chain", "brand", "operator"),
    "country": ("legal_country_iso", "country_iso", "country", "country_code", "iso_a2"),
    "lon": ("lon_deg", "lon", "longitude", "lng", "x"),
    "lat": ("lat_deg", "lat", "latitude", "y"),
}
ORDER = "site_order"
WGS84 = ("EPSG:4326", "OGC:CRS84")
# What GeoParquet means where it names no reference system, and datums of WGS84 in PROJJSON.
CRS84 = {"id": {"authority": "OGC", "code": "CRS84"}}
DATUMS = ("World Geodetic System 1984", "World Geodetic System 1984 ensemble")
PARQUET = (".parquet", ".geoparquet", ".pq")


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a map; None takes the first of the usual names that it has."""

    merchant: str | None = None
    country: str | None = None
    lon: str | None = None
    lat: str | None = None


USUAL = Columns()


def read_map(path: str | Path, columns: Columns = USUAL) -> Sites:
    """Sites of a file; ``order`` is its ``site_order``, or the rank by position in the network.

    Raises
    ------
    ScoreError
        ``ES40`` not a readable table, a name twice, or no such column; ``ES41`` a value that is no
        country or no position in degrees, with its row; merchants that are neither numbers nor
        text; points of another reference system than WGS84.
    """
    table = _read_table(Path(path))
    country = _column(table, "country", columns.country, path)
    if country is None:
        raise _missing("country", path, table)
    code = _country_codes(country, path)
    lon, lat = _position(table, columns, path)
    merchant = _merchant_ids(_column(table, "merchant", columns.merchant, path), len(code), path)
    if ORDER in table.column_names:
        order = _order(table[ORDER], path)
    else:
        order = rank_in_network(merchant, code, lon, lat)
    return Sites(merchant, code, order, lon, lat)


def rank_in_network(
    merchant: npt.NDArray[np.uint64],
    country: npt.NDArray[np.int16],
    lon_deg: FloatArray,
    lat_deg: FloatArray,
) -> npt.NDArray[np.int32]:
    """Rank from 1 of every site in its merchant and country by position, whatever the row order."""
    order = np.lexsort((lat_deg, lon_deg, merchant, country))
    starts = run_starts(merchant[order], country[order])
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order)) - np.repeat(starts[:-1], np.diff(starts)) + 1
    return rank


def _order(column: pa.ChunkedArray, path: object) -> npt.NDArray[np.int32]:
    try:
        whole = column.cast(pa.int32()).to_numpy(zero_copy_only=False)
        return whole.astype(np.int32, casting="safe")
    except (TypeError, pa.ArrowException):
        raise ScoreError(
            "ES41", path, f"column {ORDER} is not a whole number in every row", "1, 2, 3, ..."
        ) from None


def _read_table(path: Path) -> pa.Table:
    try:
        if path.suffix.lower() in PARQUET:
            table = require_text(pq.read_table(path))
        else:
            options = pa_csv.ConvertOptions(null_values=[""], strings_can_be_null=True)
            table = pa_csv.read_csv(path, convert_options=options)
        names = table.column_names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ScoreError(
            "ES40", path, f"not a readable table ({error})", "CSV in UTF-8, or Parquet"
        ) from None
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ScoreError("ES40", path, f"column {twice!r} stands twice", "each name once")
    return table


def _missing(role: str, path: object, table: pa.Table) -> ScoreError:
    usual = ", ".join(USUAL_NAMES[role])
    return ScoreError(
        "ES40",
        path,
        f"has no {role} among {table.column_names}",
        f"--{role} NAME, or one of {usual}",
    )


def _column(table: pa.Table, role: str, name: str | None, path: object) -> pa.ChunkedArray | None:
    if name is not None:
        if name not in table.column_names:
            raise ScoreError(
                "ES40", path, f"has no column {name!r}", f"one of {table.column_names}"
            )
        return table[name]
    by_lower = {held.lower(): held for held in reversed(table.column_names)}
    usual = next((by_lower[name] for name in USUAL_NAMES[role] if name in by_lower), None)
    return None if usual is None else table[usual]


def _country_codes(column: pa.ChunkedArray, path: object) -> npt.NDArray[np.int16]:
    try:
        return countries.encode(column.cast(pa.string()))
    except (KeyError, pa.ArrowException):
        values = column.to_pylist()
        row = next(i for i, v in enumerate(values) if not _is_code(v))
        raise ScoreError(
            "ES41", path, f"row {row}: country {values[row]!r}", "two capital letters of ISO 3166-1"
        ) from None


def _is_code(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[A-Z]{2}", value) is not None


def _position(table: pa.Table, columns: Columns, path: object) -> tuple[FloatArray, FloatArray]:
    lon = _column(table, "lon", columns.lon, path)
    lat = _column(table, "lat", columns.lat, path)
    geometry = _geometry(table, path) if lon is None and lat is None else None
    if geometry is not None:
        try:
            points = shapely.from_wkb(table[geometry].to_numpy(zero_copy_only=False))
        except (TypeError, shapely.GEOSException) as error:
            reason = f"column {geometry} holds no well-known binary ({error})"
            raise ScoreError("ES41", path, reason, "points as WKB") from None
        return _degrees(shapely.get_x(points), shapely.get_y(points), path)
    if lon is None or lat is None:
        raise _missing("lon" if lon is None else "lat", path, table)
    try:
        x, y = (c.cast(pa.float64()).to_numpy(zero_copy_only=False) for c in (lon, lat))
    except pa.ArrowException as error:
        raise ScoreError("ES41", path, f"positions: {error}", "numbers in degrees") from None
    return _degrees(x, y, path)


def _geometry(table: pa.Table, path: object) -> str | None:
    """The primary geometry column of GeoParquet, which has to be in WGS84 degrees."""
    described = (table.schema.metadata or {}).get(b"geo")
    if described is None:
        return None
    try:
        document = json.loads(described)
        name = str(document["primary_column"])
        crs = document["columns"][name].get("crs", CRS84)
    except (ValueError, LookupError, TypeError, AttributeError):
        name, crs = "", None
    if name not in table.column_names:
        raise ScoreError(
            "ES40",
            path,
            "GeoParquet metadata name no geometry column of it",
            "a `geo` entry as in GeoParquet 1.1",
        )
    system = _reference_system(crs)
    if system not in WGS84:
        remedy = "WGS84 degrees, EPSG:4326, or columns of degrees by --lon and --lat"
        raise ScoreError("ES41", path, f"geometry is in {system}", remedy)
    return name


def _reference_system(crs: Any) -> str:
    """Authority and code of a reference system in PROJJSON.

    One without them is WGS84 when its datum is and its axes are in degrees; else it is unknown.
    """
    unknown = "an unknown reference system"
    try:
        if "id" in crs:
            return f"{crs['id']['authority']}:{crs['id']['code']}"
        datum = crs.get("datum") or crs["datum_ensemble"]
        units = {axis["unit"] for axis in crs["coordinate_system"]["axis"]}
        geographic = crs["type"] == "GeographicCRS" and units == {"degree"}
        return "OGC:CRS84" if geographic and datum["name"] in DATUMS else unknown
    except (LookupError, TypeError, AttributeError):
        return unknown


def _degrees(lon: FloatArray, lat: FloatArray, path: object) -> tuple[FloatArray, FloatArray]:
    good = on_earth(lon, lat)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise ScoreError(
            "ES41",
            path,
            f"row {row}: position ({lon[row]}, {lat[row]})",
            "WGS84 degrees, longitude within 180 and latitude within 90",
        )
    return lon, lat


def _merchant_ids(
    column: pa.ChunkedArray | None, rows: int, path: object
) -> npt.NDArray[np.uint64]:
    """Ids of merchants: whole numbers as they are, names by their rank; a missing one is alone."""
    top = np.uint64(2**64 - 1)
    alone: npt.NDArray[np.uint64] = top - np.arange(rows, dtype=np.uint64)
    if column is None:
        return alone
    ids: npt.NDArray[np.uint64]
    try:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        missing = pc.is_null(column, nan_is_null=True).to_numpy(zero_copy_only=False)
        if not pa.types.is_integer(column.type):
            column = column.cast(pa.string())
    except pa.ArrowException as error:
        raise ScoreError("ES41", path, f"merchants: {error}", "numbers, or text in UTF-8") from None
    if pa.types.is_integer(column.type):
        ids = pc.fill_null(column, 0).to_numpy().astype(np.uint64)
    else:
        names = pc.fill_null(column, "").to_numpy(zero_copy_only=False)
        missing = missing | (names == "")
        _, rank = np.unique(names.astype(str), return_inverse=True)
        ids = np.asarray(rank, dtype=np.uint64)
    ids[missing] = np.setdiff1d(alone, ids[~missing])[::-1][: int(missing.sum())]
    return ids
