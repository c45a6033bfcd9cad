"""Equal-area projections: Equal Earth for the world, Lambert's azimuthal for one country."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scripts.geo.distance import EARTH_RADIUS_M

F64 = npt.NDArray[np.float64]
_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796


def equal_earth(lon_deg: npt.ArrayLike, lat_deg: npt.ArrayLike) -> tuple[F64, F64]:
    """World plane on the unit sphere of points in degrees; shapes follow the input.

    Savric, Patterson and Jenny, "The Equal Earth map projection", Int. J. Geogr. Inf. Sci. 33
    (2019).
    """
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    theta = np.arcsin(np.sqrt(3.0) / 2.0 * np.sin(lat))
    t2 = theta * theta
    t6 = t2**3
    slope = _A1 + 3.0 * _A2 * t2 + t6 * (7.0 * _A3 + 9.0 * _A4 * t2)
    x = 2.0 * np.sqrt(3.0) * lon * np.cos(theta) / (3.0 * slope)
    y = theta * (_A1 + _A2 * t2 + t6 * (_A3 + _A4 * t2))
    return x, y


def lambert_azimuthal(
    lon_deg: npt.ArrayLike, lat_deg: npt.ArrayLike, lon0_deg: float, lat0_deg: float
) -> tuple[F64, F64]:
    """Equal-area plane about one point: metres east and north of it; shapes follow the input.

    Snyder, "Map Projections: A Working Manual", USGS Professional Paper 1395 (1987), p. 185, on
    the sphere of mean radius. The point opposite the centre has no image.
    """
    lon, lat = np.radians(np.asarray(lon_deg) - lon0_deg), np.radians(lat_deg)
    lat0 = np.radians(lat0_deg)
    along = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(lon)
    k = EARTH_RADIUS_M * np.sqrt(2.0 / (1.0 + along))
    north = np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon)
    return k * np.cos(lat) * np.sin(lon), k * north
