"""Country polygons: one valid multipolygon of land, without lakes, per ISO 3166-1 code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from scripts.errors import ReferenceSnapshotError
from scripts.reference import choices

Geometries = npt.NDArray[np.object_]


def read_shapes(path: Path, columns: Sequence[str]) -> tuple[Geometries, dict[str, np.ndarray]]:
    """Shapes and attribute columns of a shapefile, zipped or not; invalid shapes are repaired."""
    from pyogrio.raw import read

    address = f"/vsizip/{path}" if path.suffix == ".zip" else str(path)
    meta, _, wkb, fields = read(address, columns=list(columns))
    return repaired(shapely.from_wkb(wkb)), dict(zip(meta["fields"], fields, strict=True))


def iso_of_features(iso_a2_eh: Iterable[str], adm0_a3: Iterable[str]) -> list[str | None]:
    """ISO code that each Natural Earth feature counts for; None where it is dropped."""
    return [
        choices.MERGED_ISO.get(iso, iso) if len(iso) == 2 else choices.AREAS_WITHOUT_ISO.get(area)
        for iso, area in zip(iso_a2_eh, adm0_a3, strict=True)
    ]


def split_by_iso(shapes: Geometries, iso: Sequence[str | None]) -> dict[str, Geometries]:
    """Polygons of each ISO code, territories in another country's multipolygon set free."""
    kept = np.array([code is not None for code in iso])
    parts, feature = shapely.get_parts(shapes[kept], return_index=True)
    code = np.array([c for c in iso if c is not None])[feature]
    spot = shapely.get_coordinates(shapely.point_on_surface(parts))
    moved = code.copy()
    for country, west, south, east, north, territory in choices.TERRITORY_BOXES:
        inside = (spot > (west, south)).all(axis=1) & (spot < (east, north)).all(axis=1)
        moved[inside & (code == country)] = territory
    return {str(iso): parts[moved == iso] for iso in np.unique(moved)}


def on_grid(shape: shapely.Geometry) -> shapely.MultiPolygon:
    """Polygons of a shape on the coordinate grid, empty where it has none."""
    snapped = shapely.set_precision(shape, choices.COORDINATE_STEP_DEG)
    pieces = shapely.get_parts(shapely.get_parts(snapped))
    polygons = pieces[shapely.get_type_id(pieces) == shapely.GeometryType.POLYGON]
    return shapely.normalize(shapely.multipolygons(polygons))


def land_polygon(parts: Geometries, land: shapely.Geometry) -> shapely.MultiPolygon:
    """Union of parts, cut to the land and put on the coordinate grid."""
    return on_grid(shapely.intersection(shapely.union_all(parts), land))


def repaired(shapes: Geometries) -> Geometries:
    """Shapes of which those that are not valid are made so."""
    invalid = ~shapely.is_valid(shapes)
    shapes = shapes.copy()
    shapes[invalid] = shapely.make_valid(shapes[invalid], method="structure")
    return shapes


def build_countries(
    shapes: Geometries, iso: Sequence[str | None], land_shapes: Geometries, water: Geometries
) -> Mapping[str, shapely.MultiPolygon]:
    """Land of every country by ISO code, alphabetically, without the shapes of ``water``.

    Raises
    ------
    ReferenceSnapshotError
        ``ER22`` when a country loses all its land or its polygon is not valid.
    """
    land = shapely.difference(shapely.union_all(land_shapes), shapely.union_all(water))
    shapely.prepare(land)
    polygons = {}
    for code, parts in sorted(split_by_iso(shapes, iso).items()):
        polygon = land_polygon(parts, land)
        if polygon.is_empty or not polygon.is_valid:
            reason = shapely.is_valid_reason(polygon) if not polygon.is_empty else "no land is left"
            raise ReferenceSnapshotError("ER22", code, reason, "a valid polygon with land")
        polygons[code] = polygon
    return polygons
