"""Polygons cut at the antimeridian, as planar longitude and latitude need them.

A projection that is centred near it, or a file that leaves its rings whole, has rings whose
longitude jumps by almost 360 degrees. Such a ring is unrolled to the longitudes that its edges run
through, closed over the pole if it goes round one, and cut at 180 degrees (RFC 7946, 3.1.9). Edges
of exactly 360 degrees, along a pole, are cuts already.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from scripts.errors import ReferenceSnapshotError

F64 = npt.NDArray[np.float64]
Geometries = npt.NDArray[np.object_]


def crossing(polygons: Geometries) -> npt.NDArray[np.bool_]:
    """Which polygons have a ring that jumps over the antimeridian."""
    rings, owner = shapely.get_rings(polygons, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    step = np.abs(np.diff(points[:, 0]))
    jumps = (step > 180.0) & (step < 360.0) & (np.diff(ring) == 0)
    found = np.zeros(len(polygons), dtype=bool)
    found[owner[ring[:-1][jumps]]] = True
    return found


def _unrolled(ring: Any, where: str) -> F64:
    """Coordinates of a ring with longitudes that run on; closed over the pole that it goes round.

    Raises
    ------
    ReferenceSnapshotError
        ``ER48`` a ring round the Earth that no pole belongs to.
    """
    points: F64 = shapely.get_coordinates(ring)
    points[:, 0] = np.unwrap(points[:, 0], period=360.0)
    first, last = points[0, 0], points[-1, 0]
    if abs(last - first) < 180.0:
        return points
    lat = points[:, 1]
    if lat.min() < 0.0 < lat.max():
        raise ReferenceSnapshotError(
            "ER48", where, "goes round the Earth", "parts cut at the antimeridian"
        )
    pole = np.copysign(90.0, lat.mean())
    return np.vstack([points, [[last, pole], [first, pole]], points[:1]])


def _cut(polygon: Any, where: str) -> Any:
    """Parts of one polygon between -180 and 180 degrees, as a multipolygon."""
    shell = _unrolled(shapely.get_exterior_ring(polygon), where)
    west, east = shell[:, 0].min(), shell[:, 0].max()
    holes = []
    for hole in polygon.interiors:
        points = _unrolled(hole, where)
        middle = (points[:, 0].min() + points[:, 0].max()) / 2.0
        points[:, 0] -= 360.0 * round((middle - (west + east) / 2.0) / 360.0)
        holes.append(points)
    whole = shapely.make_valid(shapely.Polygon(shell, holes), method="structure")
    pieces = []
    for turn in range(int((west + 180.0) // 360.0), int((east + 180.0) // 360.0) + 1):
        middle = 360.0 * turn
        strip = shapely.box(middle - 180.0, -90.0, middle + 180.0, 90.0)
        pieces.append(
            shapely.transform(shapely.intersection(whole, strip), lambda xy, m=middle: xy - [m, 0])
        )
    parts = shapely.get_parts(shapely.get_parts(pieces))
    return shapely.multipolygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])


def cut_at_antimeridian(geometry: Geometries, where: object) -> Geometries:
    """Polygons and multipolygons in degrees, each cut where its rings jump over the antimeridian.

    Raises
    ------
    ReferenceSnapshotError
        ``ER48`` naming a feature that goes round the Earth.
    """
    parts, feature = shapely.get_parts(geometry, return_index=True)
    result = geometry.copy()
    over = crossing(parts)
    for row in np.unique(feature[over]).tolist():
        name = f"{where} feature {row}"
        pieces = [_cut(polygon, name) for polygon in parts[over & (feature == row)]]
        pieces += list(parts[~over & (feature == row)])
        result[row] = shapely.multipolygons(shapely.get_parts(pieces))
    return result
