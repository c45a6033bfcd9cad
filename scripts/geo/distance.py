"""Distances on the sphere of mean radius, and points of the unit sphere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

# Mean radius R1 of the WGS84 ellipsoid (IUGG).
EARTH_RADIUS_M = 6_371_008.8
# A degree of latitude on that sphere. Published populations rest on the first, published offsets on
# the rounded one, which is shorter by 0.7 parts in a million.
KM_PER_DEG = EARTH_RADIUS_M * np.pi / 180.0 / 1000.0
ROUNDED_KM_PER_DEG = 111.195
# Rows whose working arrays stay in a core's private cache.
_BLOCK = 1 << 14


def great_circle_m(
    lon_a_deg: npt.ArrayLike,
    lat_a_deg: npt.ArrayLike,
    lon_b_deg: npt.ArrayLike,
    lat_b_deg: npt.ArrayLike,
) -> F64:
    """Great-circle distance between points, metres, by the haversine formula; broadcasts."""
    lon_a, lat_a, lon_b, lat_b = map(np.radians, (lon_a_deg, lat_a_deg, lon_b_deg, lat_b_deg))
    half_lat = np.sin((lat_b - lat_a) / 2.0)
    half_lon = np.sin((lon_b - lon_a) / 2.0)
    h = half_lat**2 + np.cos(lat_a) * np.cos(lat_b) * half_lon**2
    metres: F64 = 2.0 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(h, 1.0)))
    return metres


def on_earth(lon_deg: F64, lat_deg: F64) -> npt.NDArray[np.bool_]:
    """Positions with a longitude within 180 and a latitude within 90 degrees; NaN is none."""
    within: npt.NDArray[np.bool_] = (np.abs(lon_deg) <= 180.0) & (np.abs(lat_deg) <= 90.0)
    return within


def unit_vectors(lon_deg: F64, lat_deg: F64) -> F64:
    """Points on the unit sphere; shape (n, 3)."""
    out = np.empty((len(lon_deg), 3))
    for rows in blocks(len(out)):
        lon, lat = np.radians(lon_deg[rows]), np.radians(lat_deg[rows])
        cos_lat = np.cos(lat)
        out[rows, 0] = cos_lat * np.cos(lon)
        out[rows, 1] = cos_lat * np.sin(lon)
        out[rows, 2] = np.sin(lat)
    return out


def blocks(n: int) -> Iterator[slice]:
    """Rows 0..n-1 in runs short enough for a core's private cache."""
    return (slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK))
