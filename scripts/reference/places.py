"""Populated places, each on the land of its own country."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from scripts.geo.distance import great_circle_m
from scripts.reference import choices
from scripts.reference.time_zones import mend_zones

F64 = npt.NDArray[np.float64]

_DECIMALS = 5
_STEPS_DEG = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3)
_DIRECTIONS = 16


@dataclass(frozen=True)
class Snapped:
    """Coordinates after snapping; shape (n,)."""

    lon_deg: F64
    lat_deg: F64
    moved_m: F64


def _step_inside(
    polygon: shapely.Geometry, start: F64, heading_rad: float
) -> tuple[float, float] | None:
    """A point inside a polygon next to a point on its outline, or None."""
    turns = np.arange(_DIRECTIONS) * (2.0 * np.pi / _DIRECTIONS)
    for step in _STEPS_DEG:
        angle = heading_rad + turns
        lon = np.round(start[0] + step * np.cos(angle), _DECIMALS)
        lat = np.round(start[1] + step * np.sin(angle), _DECIMALS)
        inside = np.flatnonzero(shapely.contains_xy(polygon, lon, lat))
        if len(inside):
            return float(lon[inside[0]]), float(lat[inside[0]])
    return None


def snap_to_land(land: shapely.MultiPolygon, lon_deg: F64, lat_deg: F64) -> Snapped:
    """Move every point that is not inside ``land`` to the nearest land, a step in from the outline.

    Nearest is meant in degrees, which is close enough for the half kilometre that is typical.
    """
    lon, lat = lon_deg.copy(), lat_deg.copy()
    shapely.prepare(land)
    outside = np.flatnonzero(~shapely.contains_xy(land, lon, lat))
    if len(outside):
        parts = shapely.get_parts(land)
        shapely.prepare(parts)
        points = shapely.points(lon[outside], lat[outside])
        nearest = shapely.STRtree(parts).nearest(points)
        ends = shapely.get_coordinates(shapely.shortest_line(points, parts[nearest]))[1::2]
        for i, part, end in zip(outside, parts[nearest], ends, strict=True):
            heading = float(np.arctan2(end[1] - lat[i], end[0] - lon[i]))
            spot = _step_inside(part, end, heading)
            if spot is None:
                spot = tuple(shapely.get_coordinates(shapely.point_on_surface(part))[0])
            lon[i], lat[i] = spot
    return Snapped(lon, lat, great_circle_m(lon_deg, lat_deg, lon, lat))


def build_places(
    records: Mapping[str, Mapping[str, Any]], countries: Mapping[str, shapely.MultiPolygon]
) -> tuple[pa.Table, dict[str, object]]:
    """Places with people, sorted by country, falling population and id, and counts.

    Parameters
    ----------
    records
        GeoNames records (``geonameid``, ``name``, ``latitude``, ``longitude``, ``countrycode``,
        ``population``, ``timezone``).
    countries
        Land by ISO code.
    """

    def iso_of(record: Mapping[str, Any]) -> str:
        iso = str(record["countrycode"])
        return choices.MERGED_ISO.get(iso, iso)

    rows = sorted(
        (r for r in records.values() if r["population"] > 0),
        key=lambda r: (iso_of(r), -r["population"], r["geonameid"]),
    )
    iso = np.array([iso_of(r) for r in rows])
    lon = np.array([r["longitude"] for r in rows], dtype=np.float64)
    lat = np.array([r["latitude"] for r in rows], dtype=np.float64)
    moved_m = np.zeros(len(rows))
    known = np.isin(iso, list(countries))
    for code in np.unique(iso[known]):
        own = np.flatnonzero(iso == code)
        snapped = snap_to_land(countries[code], lon[own], lat[own])
        lon[own], lat[own], moved_m[own] = snapped.lon_deg, snapped.lat_deg, snapped.moved_m
    keep = known & (moved_m <= choices.SNAP_LIMIT_KM * 1000.0)
    chosen = np.flatnonzero(keep)
    country = pa.chunked_array([iso[chosen].tolist()], pa.string())
    given = pa.chunked_array([[rows[i]["timezone"] for i in chosen]], pa.string())
    zone = mend_zones(country, given, lon[chosen], lat[chosen])
    table = pa.table(
        {
            "geoname_id": pa.array([rows[i]["geonameid"] for i in chosen], pa.int64()),
            "country_iso": country,
            "name": pa.array([rows[i]["name"] for i in chosen], pa.string()),
            "lon_deg": pa.array(lon[chosen], pa.float64()),
            "lat_deg": pa.array(lat[chosen], pa.float64()),
            "population": pa.array([rows[i]["population"] for i in chosen], pa.int64()),
            "timezone": zone,
        }
    )
    people = np.array([r["population"] for r in rows])
    snapped_rows = keep & (moved_m > 0)
    return table, {
        "places": len(chosen),
        "population_in_places": int(people[keep].sum()),
        "places_snapped": int(snapped_rows.sum()),
        "population_snapped": int(people[snapped_rows].sum()),
        "snap_distance_median_m": round(
            float(np.median(moved_m[snapped_rows])) if snapped_rows.any() else 0.0, 1
        ),
        "places_dropped": int((~keep).sum()),
        "population_dropped": int(people[~keep].sum()),
        "time_zones_mended": pc.sum(pc.not_equal(zone, given.combine_chunks())).as_py(),
    }
