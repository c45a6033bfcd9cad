"""Country polygons of a user: one valid multipolygon in WGS84 degrees per ISO code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from scripts.errors import ContractError, ReferenceSnapshotError
from scripts.own_inputs.libraries import need
from scripts.reference.choices import COORDINATE_STEP_DEG
from scripts.tables import read_parquet

Geometries = npt.NDArray[np.object_]
GEOPARQUET = (".parquet", ".geoparquet")
_WGS84 = "OGC:CRS84"


def _missing(path: Path, column: str, names: Sequence[str]) -> ReferenceSnapshotError:
    return ReferenceSnapshotError(
        "ER32", path, f"column {column!r} is missing", f"polygons.iso_column, one of {names}"
    )


def _read_geoparquet(path: Path, column: str) -> tuple[Geometries, list[Any], Any]:
    try:
        table = read_parquet(path)
    except ContractError as error:
        raise ReferenceSnapshotError("ER31", path, error.rule, "a GeoParquet file") from None
    try:
        geo = json.loads((table.schema.metadata or {})[b"geo"])
        entry = geo["columns"][geo["primary_column"]]
        encoding = entry["encoding"]
    except (KeyError, ValueError, TypeError):
        encoding = None
    if encoding != "WKB":
        raise ReferenceSnapshotError("ER31", path, "is no GeoParquet with WKB", "GeoParquet 1.0")
    if column not in table.column_names:
        raise _missing(path, column, table.column_names)
    geometry = shapely.from_wkb(table[geo["primary_column"]].to_numpy(zero_copy_only=False))
    # The standard says that a file without the key is in longitude and latitude, and that a null
    # means unknown.
    return geometry, table[column].to_pylist(), entry.get("crs", _WGS84)


def _read_gdal(path: Path, column: str) -> tuple[Geometries, list[Any], Any]:
    need("pyogrio", path)
    from pyogrio.errors import DataLayerError, DataSourceError
    from pyogrio.raw import read

    try:
        meta, _, wkb, fields = read(str(path))
    except (DataSourceError, DataLayerError) as error:
        raise ReferenceSnapshotError(
            "ER31", path, f"is not readable ({error})", "GeoPackage, GeoJSON or GeoParquet"
        ) from None
    names = list(meta["fields"])
    if column not in names:
        raise _missing(path, column, names)
    return shapely.from_wkb(wkb), fields[names.index(column)].tolist(), meta["crs"]


def to_degrees(geometry: Geometries, crs: Any, where: object) -> Geometries:
    """Geometries in WGS84 longitude and latitude.

    Parameters
    ----------
    geometry
        Shape (n,).
    crs
        Anything that names a coordinate reference system to pyproj.

    Raises
    ------
    ReferenceSnapshotError
        ``ER33`` no or an unknown reference system; ``ER35`` coordinates off the Earth.
    """
    pyproj = need("pyproj", where)
    if not crs:
        raise ReferenceSnapshotError(
            "ER33", where, "names no coordinate reference system", "a file that states its CRS"
        )
    try:
        source = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError:
        raise ReferenceSnapshotError(
            "ER33", where, "names an unknown coordinate reference system", "an EPSG code"
        ) from None
    change = pyproj.Transformer.from_crs(source, _WGS84, always_xy=True)
    degrees: Geometries = shapely.transform(
        geometry, lambda lon, lat: change.transform(lon, lat), interleaved=False
    )
    west, south, east, north = shapely.bounds(degrees).T
    off = ~((west >= -180.0) & (east <= 180.0) & (south >= -90.0) & (north <= 90.0))
    if off.any():
        raise ReferenceSnapshotError(
            "ER35",
            where,
            f"feature {int(np.argmax(off))} leaves the Earth",
            "longitudes of -180 to 180, parts cut at the antimeridian",
        )
    return degrees


def check_codes(codes: Sequence[Any], known: Sequence[str], where: object) -> list[str]:
    """Codes as text.

    Raises
    ------
    ReferenceSnapshotError
        ``ER34`` naming the first feature whose code is not one of ``known``.
    """
    listed = set(known)
    for row, code in enumerate(codes):
        if not isinstance(code, str) or code not in listed:
            raise ReferenceSnapshotError(
                "ER34",
                where,
                f"feature {row} has country code {code!r}",
                "an ISO 3166-1 alpha-2 code of country_facts.csv",
            )
    return list(codes)


def one_per_country(geometry: Geometries, codes: Sequence[str], where: object) -> dict[str, Any]:
    """Union of each country's features on the coordinate grid of the snapshot, by rising code.

    Invalid features are repaired first; what is not a polygon is left out.

    Raises
    ------
    ReferenceSnapshotError
        ``ER36`` when nothing is left of a country.
    """
    geometry = geometry.copy()
    invalid = ~shapely.is_valid(geometry)
    geometry[invalid] = shapely.make_valid(geometry[invalid], method="structure")
    names = np.array(codes)
    countries = {}
    for code in sorted(set(codes)):
        union = shapely.union_all(geometry[names == code])
        pieces = shapely.get_parts(
            shapely.get_parts(shapely.set_precision(union, COORDINATE_STEP_DEG))
        )
        pieces = pieces[shapely.get_type_id(pieces) == shapely.GeometryType.POLYGON]
        if not len(pieces):
            raise ReferenceSnapshotError("ER36", where, f"{code} has no land", "polygons")
        countries[code] = shapely.normalize(shapely.multipolygons(pieces))
    return countries


def read_polygons(path: str | Path, column: str, known: Sequence[str]) -> dict[str, Any]:
    """Polygons of a GeoPackage, GeoJSON or GeoParquet file by country.

    Parameters
    ----------
    path
        The file.
    column
        Its column of ISO codes.
    known
        Codes that there are facts about.

    Raises
    ------
    ReferenceSnapshotError
        ``ER31`` to ``ER36``.
    """
    path = Path(path)
    reader = _read_geoparquet if path.suffix.lower() in GEOPARQUET else _read_gdal
    geometry, codes, crs = reader(path, column)
    if not len(geometry):
        raise ReferenceSnapshotError("ER36", path, "holds no feature", "a polygon per country")
    names = check_codes(codes, known, path)
    void = np.flatnonzero(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    if len(void):
        raise ReferenceSnapshotError(
            "ER36", path, f"feature {int(void[0])} has no geometry", "a polygon"
        )
    return one_per_country(to_degrees(geometry, crs, path), names, path)
