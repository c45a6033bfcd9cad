"""Country polygons of a user: one valid multipolygon in WGS84 degrees per ISO code."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from scripts.errors import ContractError, ReferenceSnapshotError
from scripts.own_inputs.antimeridian import cut_at_antimeridian
from scripts.own_inputs.libraries import need
from scripts.reference.choices import COORDINATE_STEP_DEG
from scripts.reference.countries import on_grid, repaired
from scripts.tables import read_parquet

Geometries = npt.NDArray[np.object_]
WellKnownBinary = npt.NDArray[np.object_]
GEOPARQUET = (".parquet", ".geoparquet")
FORMATS = "one GeoPackage, GeoJSON or GeoParquet file"
# Formats of one file, all of which is sealed by its digest.
_DRIVERS = ("GPKG", "GeoJSON")
_POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
# Some 50 m square: less land than this is lost on the way to the tiles.
_LEAST_LAND_DEG2 = (32 * COORDINATE_STEP_DEG) ** 2
_WGS84 = "OGC:CRS84"


def _missing(path: Path, column: str, names: Sequence[str]) -> ReferenceSnapshotError:
    return ReferenceSnapshotError(
        "ER32", path, f"column {column!r} is missing", f"polygons.iso_column, one of {names}"
    )


def _unreadable(path: Path, rule: str, remedy: str = FORMATS) -> ReferenceSnapshotError:
    return ReferenceSnapshotError("ER31", path, rule, remedy)


def _read_geoparquet(path: Path, column: str) -> tuple[WellKnownBinary, list[Any], Any]:
    try:
        table = read_parquet(path)
    except ContractError as error:
        raise _unreadable(path, error.rule, "a GeoParquet file") from None
    try:
        geo = json.loads((table.schema.metadata or {})[b"geo"])
        primary = geo["primary_column"]
        entry = geo["columns"][primary]
        encoding, edges = entry["encoding"], entry.get("edges", "planar")
    except (KeyError, ValueError, TypeError, AttributeError):
        raise _unreadable(path, "is no GeoParquet", "GeoParquet 1.0 with WKB") from None
    if encoding != "WKB" or edges != "planar":
        raise _unreadable(path, f"holds {encoding} with {edges} edges", "WKB with planar edges")
    if primary not in table.column_names:
        raise _unreadable(path, f"has no column {primary!r}", "the column that its metadata name")
    kind = table.schema.field(primary).type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise _unreadable(path, f"column {primary!r} has type {kind}", "WKB in a binary column")
    if column not in table.column_names:
        raise _missing(path, column, table.column_names)
    # The standard says that a file without the key is in longitude and latitude, and that a null
    # means unknown.
    crs = entry.get("crs", _WGS84)
    return table[primary].to_numpy(zero_copy_only=False), table[column].to_pylist(), crs


def _read_gdal(path: Path, column: str) -> tuple[WellKnownBinary, list[Any], Any]:
    pyogrio = need("pyogrio", path)
    from pyogrio import errors
    from pyogrio.raw import read

    for part in (f"{path}-wal", f"{path}-journal"):
        if Path(part).is_file() and Path(part).stat().st_size:
            raise _unreadable(path, f"has changes in {Path(part).name}", "a file that is closed")
    try:
        layers = [name for name, kind in pyogrio.list_layers(path) if kind is not None]
        if len(layers) != 1:
            found = f"the layers {', '.join(layers)}" if layers else "no layer with geometry"
            raise _unreadable(path, f"holds {found}", "one layer of polygons")
        driver = pyogrio.read_info(path, layer=layers[0])["driver"]
        if driver not in _DRIVERS:
            raise _unreadable(path, f"is read by the driver {driver}")
        # GDAL warns of open rings, which are refused by feature.
        with warnings.catch_warnings(action="ignore"):
            meta, _, wkb, fields = read(str(path), layer=layers[0])
    except (
        *(errors.DataSourceError, errors.DataLayerError, errors.GeometryError),
        *(errors.FeatureError, errors.FieldError, errors.CRSError, ValueError),
    ) as error:
        raise _unreadable(path, f"is not readable ({error})") from None
    names = list(meta["fields"])
    if column not in names:
        raise _missing(path, column, names)
    return wkb, fields[names.index(column)].tolist(), meta["crs"]


def geometries_of(wkb: WellKnownBinary, where: object) -> Geometries:
    """Polygons and multipolygons of well-known binary.

    Raises
    ------
    ReferenceSnapshotError
        ``ER36`` naming the first feature that has no geometry, a broken one (a ring that is not
        closed), or one that is no polygon.
    """
    # Whatever is no well-known binary comes back as missing.
    with warnings.catch_warnings(action="ignore"):
        geometry: Geometries = shapely.from_wkb(wkb, on_invalid="ignore")
    absent = np.array([value is None for value in wkb]) | shapely.is_empty(geometry)
    polygonal = np.isin(shapely.get_type_id(geometry), _POLYGONAL)
    for row in np.flatnonzero(absent | ~polygonal)[:1].tolist():
        if absent[row]:
            rule = "has no geometry"
        elif geometry[row] is None:
            rule = "has a broken geometry, such as a ring that is not closed"
        else:
            rule = f"is a {geometry[row].geom_type}"
        raise ReferenceSnapshotError("ER36", where, f"feature {row} {rule}", "a polygon")
    return shapely.force_2d(geometry)


def to_degrees(geometry: Geometries, crs: Any, where: object) -> Geometries:
    """Geometries in WGS84 longitude and latitude, cut at the antimeridian.

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
    return cut_at_antimeridian(degrees, where)


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
        ``ER36`` when nothing is left of a country that the grid could hold.
    """
    geometry, names = repaired(geometry), np.array(codes)
    countries = {}
    for code in sorted(set(codes)):
        land = on_grid(shapely.union_all(geometry[names == code]))
        if shapely.area(land) < _LEAST_LAND_DEG2:
            raise ReferenceSnapshotError(
                "ER36",
                where,
                f"{code} has no land that the grid can hold",
                "polygons over 50 m wide",
            )
        countries[code] = land
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
    wkb, codes, crs = reader(path, column)
    if not len(wkb):
        raise ReferenceSnapshotError(
            "ER36", path, "holds no feature", "a polygon for every country"
        )
    names = check_codes(codes, known, path)
    return one_per_country(to_degrees(geometries_of(wkb, path), crs, path), names, path)
